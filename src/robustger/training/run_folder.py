"""The folder of a training run: its files, the lock that keeps other runs out, and the repair after a kill.

OUTPUT/best/                    the best checkpoint so far
OUTPUT/last/                    the latest checkpoint, from which training can go on
OUTPUT/last/training_state/     optimizers and progress
OUTPUT/last/training.yaml       the settings
OUTPUT/step-00000100/           an earlier `last`, where `evaluation.keep_last` asks for it
OUTPUT/log.jsonl                the measurements
OUTPUT/cache/                   the noise embeddings of all lists
OUTPUT/training.lock            locked while a training writes to the folder
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.files import atomic_folder, atomic_writer, clear_leftovers, exclusive

BEST, LAST = "best", "last"
STATE_FOLDER = "training_state"
STATE = "state.json"
OPTIMIZER = "optimizer.safetensors"
THETA = "statistics.safetensors"
THETA_OPTIMIZER = "statistics_optimizer.safetensors"
TRAINING_CONFIG = "training.yaml"
LOG = "log.jsonl"
CACHE = "cache"
LOCK = "training.lock"


def in_main_process() -> bool:
    """Whether this process is the main one of those that `torchrun` or `accelerate launch` started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def make_run_folder(output: Path) -> None:
    """Makes the folder of a run.

    Raises:
        InputError: it cannot be made or written to.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        if not os.access(output, os.W_OK):
            raise PermissionError(errno.EACCES, "no permission")
    except OSError as error:
        raise InputError(f"output: {output} cannot be written: {error.strerror}") from None


@contextmanager
def owned_run_folder(output: Path) -> Iterator[None]:
    """Makes the folder of a run, and keeps other runs out of it until the body ends or the process dies.

    Of several processes that train together, only the main one takes the lock.

    Raises:
        InputError: the folder cannot be written, or another training is writing to it.
    """
    make_run_folder(output)
    if not in_main_process():
        yield
        return
    busy = f"{output}: another training is writing there; wait for that one, or choose another output"
    with exclusive(output / LOCK, busy):
        yield


def keep_earlier(output: Path, count: int) -> None:
    """Keeps `last`, which is about to be replaced, as `step-N`, and removes all but the newest `count` of these.

    Files are hard links where the file system has them, so that they take no room twice.
    """
    last = output / LAST
    if count and last.is_dir():
        step = json.loads((last / STATE_FOLDER / STATE).read_text(encoding="utf-8"))["step"]
        kept = output / f"step-{step:08d}"
        if not kept.exists():
            with atomic_folder(kept, TRAINING_CONFIG) as partial:
                shutil.copytree(last, partial, copy_function=_link, dirs_exist_ok=True)
    for surplus in sorted(output.glob(f"step-{'[0-9]' * 8}"))[: -count or None]:
        shutil.rmtree(surplus)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def settle_interrupted_writes(output: Path) -> None:
    """Repairs what a kill in the middle of a write left: a checkpoint under its temporary name, and partial files."""
    for name in (LAST, BEST):
        clear_leftovers(output / name)
    for folder in (output, output / CACHE):
        for leftover in (*folder.glob(".robustger-*.partial"), *folder.glob(".robustger-*.old")):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


class TrainingLog:
    """`log.jsonl`: one line of measurements per checkpoint.

    Args:
        output: folder of the run.
        step: steps done. Lines of later steps, which an interrupted run wrote without a checkpoint, are dropped.
    """

    def __init__(self, output: Path, step: int) -> None:
        self.path = output / LOG
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        kept = [line for line in lines if _step_of(line) <= step]
        if len(kept) < len(lines):
            with atomic_writer(self.path) as file:
                file.writelines(f"{line}\n" for line in kept)

    def append(self, record: Mapping[str, Any]) -> None:
        """Writes one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return float("inf")  # the line was cut off while it was written
