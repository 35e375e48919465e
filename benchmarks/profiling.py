"""Where the time goes, before and after: python benchmarks/profiling.py [--quick | --lists N] [--json FILE]

Prints a table of the time that each kind of operator takes for a list, with the preset `whisper`: in a loop in the
released style (one list, one token per pass, no draft), with drafted decoding one list at a time, and with drafted
decoding in batches. E_LN is given to all three. torch's profiler times the operators, but slows the host down. So the
time outside of operators, which is mostly Python's, is the rest of a run without the profiler.

The file is not called `profile.py`, which would hide Python's own module from every benchmark.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.decoding import Prompts, drafted, in_turns, released, representative
from benchmarks.lists import distinct_lists, source_lists
from benchmarks.timing import machine, significant

from robustger.correction import Corrector
from robustger.files import write_bytes

# The kind of an operator by its name; the first that fits. What is left is elementwise: norms, rotations, activations.
KINDS: Mapping[str, tuple[str, ...]] = {
    "attention": ("attention",),
    "matrix products": ("mm", "linear", "matmul"),
    "choosing tokens": ("argmax", "logsumexp", "log_softmax", "gather", "topk"),
    "moving memory": (
        "copy_",
        "cat",
        "clone",
        "index",
        "pad",
        "fill_",
        "zero_",
        "stack",
        "arange",
        "scatter",
    ),
}
LISTS = 16
ROUNDS = 3
ELEMENTWISE = "elementwise"
HOST = "between operators"


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time of one way of decoding went.

    Attributes:
        seconds: of a run without the profiler, for each list.
        kinds: seconds in the operators of each kind, for each list.
        operators: operators called for each list.
    """

    seconds: float
    kinds: Mapping[str, float]
    operators: float

    def shares(self) -> dict[str, float]:
        """Of every kind, and of what is not in an operator, in the time without the profiler."""
        inside = sum(self.kinds.values())
        # The profiler slows operators down, too: then they may take more than all of the time without it.
        whole = max(self.seconds, inside)
        return {kind: taken / whole for kind, taken in self.kinds.items()} | {HOST: 1 - inside / whole}


def kind_of(operator: str) -> str:
    """The kind of an operator of torch, `aten::mm` for example."""
    name = operator.rpartition("::")[2]
    found = next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), None)
    return found or ELEMENTWISE


def profiled(run: Callable[[], object], seconds: float, lists: int) -> Profile:
    """The profile of a run that takes so many seconds without the profiler."""
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        run()
    kinds: Counter[str] = Counter()
    calls = 0
    for event in profiler.key_averages():
        kinds[kind_of(event.key)] += event.self_cpu_time_total / 1e6 / lists  # type: ignore[assignment]
        calls += event.count
    return Profile(seconds / lists, dict(kinds), calls / lists)


@torch.no_grad()
def measure(size: int, rounds: int) -> dict[str, Profile]:
    """The profile of every way of decoding, by its name.

    Args:
        size: lists, of middling length, and of a batch.
        rounds: runs without the profiler, of which the median counts.
    """
    corrector = Corrector.from_pretrained("whisper", device="cpu")
    lists = source_lists()
    if len(lists) < size:
        lists = distinct_lists(size)
    batch = Prompts.of(corrector, representative(corrector, lists, size, count=1)[0])
    singles = [batch.rows([row]) for row in range(size)]
    ways: dict[str, Callable[[], object]] = {
        "released-style loop": lambda: released(corrector, singles),
        "drafted, one list at a time": lambda: drafted(corrector, singles),
        f"drafted, batches of {size}": lambda: drafted(corrector, [batch]),
    }
    for run in ways.values():
        run()  # what happens on first use is not what is measured
    times = in_turns(ways, rounds)
    return {name: profiled(run, statistics.median(times[name]), size) for name, run in ways.items()}


def table(profiles: Mapping[str, Profile]) -> str:
    """The profiles side by side, as Markdown: milliseconds for a list, and their share."""
    names = list(profiles)
    lines = [f"| | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    shares = {name: profiles[name].shares() for name in names}
    for kind in [*KINDS, ELEMENTWISE, HOST]:
        cells = []
        for name in names:
            share = shares[name].get(kind, 0.0)
            cells.append(f"{_milliseconds(share * profiles[name].seconds)}, {share:.0%}")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    lines.append(f"| all of it | {' | '.join(_milliseconds(profiles[name].seconds) for name in names)} |")
    lines.append(f"| operators called | {' | '.join(f'{profiles[name].operators:,.0f}' for name in names)} |")
    return "\n".join(lines)


def _milliseconds(seconds: float) -> str:
    return f"{significant(1e3 * seconds, 3):,g} ms"


def as_dictionary(profiles: Mapping[str, Profile]) -> dict[str, Any]:
    return {
        name: {
            "seconds_per_list": significant(found.seconds),
            "operators_per_list": round(found.operators),
            "shares": {kind: significant(share) for kind, share in found.shares().items()},
        }
        for name, found in profiles.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two lists: show that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the numbers, and the machine")
    parser.add_argument("--lists", type=int, default=LISTS, metavar="N")
    options = parser.parse_args(arguments)
    profiles = measure(2, 1) if options.quick else measure(options.lists, ROUNDS)
    print(table(profiles))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        found = {"machine": machine(), "quick": options.quick, "profiles": as_dictionary(profiles)}
        write_bytes(options.json, f"{json.dumps(found, indent=1)}\n".encode())


if __name__ == "__main__":
    main()
