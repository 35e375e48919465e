"""How a run of the grid is planned, kept from being done twice, and finished."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robustger.hypotheses import atomic_writer

PLAN, RESULTS = "run.json", "results.json"


@contextmanager
def alone(folder: Path) -> Iterator[dict[str, Any] | None]:
    """The plan of a run, once no other process is at it; None where it is done by then.

    A grid that was killed may have left a process behind that still trains.
    """
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        yield None if is_done(folder, plan["digest"]) else plan


def is_done(folder: Path, digest: str) -> bool:
    try:
        return json.loads((folder / RESULTS).read_text(encoding="utf-8"))["digest"] == digest
    except FileNotFoundError:
        return False


def finish(folder: Path, results: Mapping[str, Any]) -> None:
    with atomic_writer(folder / RESULTS) as file:
        file.write(json.dumps(results) + "\n")
