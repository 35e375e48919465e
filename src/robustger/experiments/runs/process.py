"""How a training is planned, kept from being done twice, and finished."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robustger.hypotheses import atomic_writer

PLAN, RESULTS = "run.json", "results.json"
# One line for each process that was at the run: of processor time, and of the time that it held a GPU.
CPU_SECONDS, GPU_SECONDS = "seconds.txt", "gpu_seconds.txt"


@contextmanager
def alone(folder: Path) -> Iterator[dict[str, Any] | None]:
    """The plan of a run, once no other process is at it; None where it is done by then.

    A program that was killed may have left a process behind that still trains.
    """
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        yield None if is_done(folder, plan["digest"]) else plan


def is_done(folder: Path, digest: str) -> bool:
    """Whether the folder holds the results of the run with this digest."""
    try:
        return json.loads((folder / RESULTS).read_text(encoding="utf-8"))["digest"] == digest
    except FileNotFoundError:
        return False


def finish(folder: Path, results: Mapping[str, Any]) -> None:
    """Writes the results, which says that the run is done."""
    with atomic_writer(folder / RESULTS) as file:
        file.write(json.dumps(results) + "\n")


def add_seconds(folder: Path, name: str, seconds: float) -> float:
    """Adds what a process took to what those before it did, and returns the sum.

    What a process had used when it was killed is not in it.

    Args:
        folder: of the run.
        name: `CPU_SECONDS` or `GPU_SECONDS`.
        seconds: of the process.
    """
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(f"{seconds:.1f}\n")
    return sum(map(float, (folder / name).read_text(encoding="utf-8").split()))
