"""Times two functions in turns, and prints and saves the rows of all benchmarks in one table.

A row is a ratio to a baseline that ran in the same process, with one value per round. The two take turns, and in every
round the other one goes first, so a machine that is busy for a while slows both. A benchmark is a module with

    def measure(quick: bool) -> list[Row]

where `quick` asks for a small size that only shows that the benchmark works.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from robustger.files import write_bytes

FASTER = "x as fast"
COST = "x the time"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        part: which part of the table, "a" to "h".
        name: what is measured.
        baseline: what it is measured against.
        values: one per round, in `unit`.
        unit: `FASTER` (baseline / ours), `COST` (ours / baseline), or what the values are.
        aim: what is aimed at, in words; empty where nothing is.
        details: sizes, seconds, and what else explains the values.
    """

    part: str
    name: str
    baseline: str
    values: tuple[float, ...]
    unit: str = FASTER
    aim: str = ""
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of two things that took turns, one value a round."""

    ours: tuple[float, ...]
    baseline: tuple[float, ...]

    @property
    def faster(self) -> tuple[float, ...]:
        """How many times as fast as the baseline, round by round."""
        return tuple(theirs / own for own, theirs in zip(self.ours, self.baseline, strict=True))

    @property
    def cost(self) -> tuple[float, ...]:
        """How many times the baseline's time, round by round."""
        return tuple(own / theirs for own, theirs in zip(self.ours, self.baseline, strict=True))

    def seconds(self) -> dict[str, object]:
        """The medians, for a row's details."""
        return {
            "seconds": significant(statistics.median(self.ours)),
            "baseline_seconds": significant(statistics.median(self.baseline)),
        }


def interleaved(
    ours: Callable[[], object], baseline: Callable[[], object], rounds: int, warm_up: bool = True
) -> Timings:
    """Times two things in turns, the other first in every second round.

    Args:
        ours: what is measured.
        baseline: what it is measured against.
        rounds: times that each is timed.
        warm_up: run each once before, untimed, because what happens on first use is not what is measured.
    """
    if warm_up:
        ours()
        baseline()
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            times[which].append(seconds((ours, baseline)[which]))
    return Timings(tuple(times[0]), tuple(times[1]))


def seconds(run: Callable[[], object]) -> float:
    """Of one call; on a GPU until what it started is done."""
    _synchronize()
    start = time.perf_counter()
    run()
    _synchronize()
    return time.perf_counter() - start


def _synchronize() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def significant(value: float, digits: int = 4) -> float:
    """Rounded to so many significant digits."""
    return float(f"{value:.{digits}g}")


def machine() -> dict[str, object]:
    """What a ratio may depend on."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, with the median and the range of every one."""
    lines = [
        "| | what | against | median | range | unit | aim |",
        "|---|---|---|---:|---:|---|---|",
    ]
    for row in rows:
        span = f"{row.low:.3g} to {row.high:.3g}" if len(row.values) > 1 else ""
        cells = (row.part, row.name, row.baseline, f"{row.median:.3g}", span, row.unit, row.aim)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def as_json(rows: Sequence[Row], **about: object) -> str:
    """The rows with medians, ranges, rounds and details, and the machine they were measured on."""
    listed = [
        asdict(row)
        | {
            "values": [significant(value) for value in row.values],
            "median": significant(row.median),
            "low": significant(row.low),
            "high": significant(row.high),
        }
        for row in rows
    ]
    return json.dumps({"machine": machine(), **about, "rows": listed}, indent=1, ensure_ascii=False) + "\n"


def save_json(rows: Sequence[Row], path: Path, **about: object) -> None:
    """Writes `as_json` to a file, whole or not at all, in a folder that is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, as_json(rows, **about).encode())
