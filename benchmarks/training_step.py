"""What the noise prompt and its distillation add to a training step:

    python benchmarks/training_step.py [PAIRS [BASE [LISTS]]]

Compares one iteration of Algorithm 1 (variant `paper`, objective `paper`) with a step of the plain adapter (`ger`) in
the same layers of BASE (smollm2-135m), both on the same LISTS (8) of the demo. The iteration includes reading E_LN and
audio embeddings, both steps of the algorithm and both optimizers. E_LN itself is computed before a training begins, and
is not part of it. Costs that do not depend on the number of lists weigh more here than in the recipe's iterations of 32
lists.

After one pair that is not timed, up to PAIRS (25) pairs of steps are timed, at least three and no more than fit into
four minutes. The order within a pair changes every time. The ratio is the median over the pairs. The ratio of the
processor's times stands beside it, and says more on a busy machine. The audio embeddings are random, because their
values do not change the time, and 1280 wide as those of Whisper large. The benchmark runs on the GPU if there is one.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.timing import COST, Row, machine

from robustger.hypotheses import NBest, load_nbest, save_nbest
from robustger.hypotheses.audio_embeddings import embeddings_path, write_embeddings
from robustger.training.config import TrainingConfig
from robustger.training.loop import Trainer
from robustger.training.preparation import prepare_training

WIDTH = 1280
FEWEST_PAIRS, BUDGET_SECONDS = 3, 240
PLAIN = {"variant": "ger", "first_layer": 1}  # the layers of the variant `paper`
CONDITIONED = {"variant": "paper"}


def write_lists(folder: Path, count: int) -> Path:
    """`count` lists of the demo, under new ids where they come again, with embeddings of their audio."""
    demo = load_nbest(Path(str(files("robustger.presets") / "demo.jsonl")))
    return write_heard(folder, itertools.islice(itertools.cycle(demo), count))


def write_heard(folder: Path, lists: Iterable[NBest]) -> Path:
    """The lists under new ids, with random embeddings of their audio."""
    path = folder / "lists.jsonl"
    name = embeddings_path(path).name
    chosen = [
        replace(
            nbest,
            id=f"{number}",
            audio_embedding={"file": name, "noisy": number, "clean": number},
        )
        for number, nbest in enumerate(lists)
    ]
    count = len(chosen)
    save_nbest(chosen, path)
    random = np.random.default_rng(0)
    rows, ids = {}, {}
    for kind in ("noisy", "clean"):
        rows[kind], ids[kind] = folder / kind, folder / f"{kind}.ids"
        rows[kind].write_bytes(random.standard_normal((count, WIDTH), dtype=np.float32).tobytes())
        ids[kind].write_text("".join(f"{json.dumps(nbest.id)}\n" for nbest in chosen), encoding="utf-8")
    with embeddings_path(path).open("wb") as file:
        write_embeddings(file, rows, ids, WIDTH)
    return path


def trainer(
    folder: Path, lists: Path, count: int, corrector: Mapping[str, object], objective: str
) -> Trainer:
    return Trainer(
        prepare_training(
            TrainingConfig.model_validate(
                {
                    "output": str(folder / objective),
                    "corrector": corrector,
                    "data": {"train": [str(lists)]},
                    "optimization": {"batch_size": count, "epochs": 1_000},
                    "distillation": {"objective": objective},
                    "tracking": "none",
                }
            )
        )
    )


@dataclass(frozen=True, slots=True)
class Seconds:
    """Of one step, by the clock and of the processor."""

    clock: float
    processor: float


def timed(run: Trainer, indices: list[int]) -> Seconds:
    """One step; its losses are read from the device at its end, so it is over then."""
    clock, processor = time.perf_counter(), time.process_time()
    run.step(indices)
    return Seconds(time.perf_counter() - clock, time.process_time() - processor)


def compare(pairs: int, base: str, count: int) -> dict[str, object]:
    """Pairs of steps in turns: the seconds of either, and the ratios from the smallest to the largest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lists = write_lists(folder, count)
        plain = trainer(folder, lists, count, PLAIN | {"base": base}, "none")
        conditioned = trainer(folder, lists, count, CONDITIONED | {"base": base}, "paper")
        indices = next(plain.batches())
        assert indices == next(conditioned.batches())
        for run in (plain, conditioned):  # what happens on first use is not what is measured
            run.step(indices)
        times: dict[Trainer, list[Seconds]] = {plain: [], conditioned: []}
        start = time.perf_counter()
        for number in range(pairs):
            for run in (plain, conditioned) if number % 2 else (conditioned, plain):
                times[run].append(timed(run, indices))
            done = number + 1
            if done >= FEWEST_PAIRS and (time.perf_counter() - start) * (done + 1) / done > BUDGET_SECONDS:
                break
        both = list(zip(times[conditioned], times[plain], strict=True))
        ratios = [ours.clock / theirs.clock for ours, theirs in both]
        return {
            "base": base,
            "lists": count,
            "tokens": int(plain.parts.train.lengths.sum()),
            "pairs": len(both),
            "plain_seconds": round(statistics.median(theirs.clock for _, theirs in both), 3),
            "conditioned_seconds": round(statistics.median(ours.clock for ours, _ in both), 3),
            "ratio": round(statistics.median(ratios), 4),
            "ratios": [round(ratio, 4) for ratio in sorted(ratios)],
            "processor_ratio": round(
                statistics.median(ours.processor / theirs.processor for ours, theirs in both), 4
            ),
            "dtype": str(plain.parts.algorithm.dtype).removeprefix("torch."),
        }


def measure(quick: bool) -> list[Row]:
    """The row of the table of all benchmarks, in fewer pairs than the script takes by itself."""
    found = compare(1, "smollm2-135m", 2) if quick else compare(3, "smollm2-135m", 8)
    ratios: Any = found.pop("ratios")
    name, baseline = "training step, noise prompt and distillation", "a step of the plain adapter"
    return [Row("d", name, baseline, tuple(ratios), COST, aim="at most 1.05", details=found)]


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    base = sys.argv[2] if len(sys.argv) > 2 else "smollm2-135m"
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 8
    result = {"benchmark": "training_step"} | compare(pairs, base, count)
    print(json.dumps(result | machine()), flush=True)


if __name__ == "__main__":
    main()
