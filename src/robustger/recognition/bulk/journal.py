"""Keeps the work of a run, so that the run can be killed between any two system calls and continue later.

A run that writes `LISTS.jsonl` keeps its work in the folder `LISTS.jsonl.partial` until it is complete:

============  ====================================================================================================
state.json    the settings of the run, how much is done, and how long every other file was at that moment
other files   the results so far; they only grow
lock          held by the process that runs
============  ====================================================================================================

`state.json` is replaced in one step, after the bytes that it counts have reached the disk. Bytes beyond those lengths
come from work that was interrupted, and are cut off before the run continues. At the end the results are written from
these files and get their names one by one. Then `state.json` is removed, which makes the folder rubbish. A run killed
before that moment writes its results once more, from the same files.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from robustger.errors import InputError
from robustger.files import exclusive

# Settings that earlier versions did not record, and the values that those versions used.
UNSPOKEN = {
    "embedding_frames": "real",
    "find_speech": False,
    "track": None,
    "channel": None,
    "keep_going": False,
}

STATE, LOCK = "state.json", "lock"
NEW = ".new"  # suffix of a file that is still being written, and counts for nothing


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        settings: everything that the result depends on, as JSON returns it.
        units: units of work done.
        counts: the counters of the run, by name.
        sizes: the length of every file of the journal, in bytes.
    """

    settings: dict[str, Any]
    units: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


class Journal:
    """The files of an unfinished run; `open_journal` makes it.

    Attributes:
        folder: the folder of the files.
        progress: the state at the last `commit`. The caller keeps `counts` up to date.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self.progress = progress
        self._files: dict[str, BinaryIO] = {}

    def path(self, name: str) -> Path:
        return self.folder / name

    def append(self, name: str, data: bytes) -> None:
        """Appends to a file. The bytes count from the next `commit` on.

        Raises:
            InputError: the disk is full or read-only.
        """
        with _told(self.folder):
            if name not in self._files:
                self._files[name] = open(self.path(name), "ab")  # noqa: SIM115
            self._files[name].write(data)

    def commit(self) -> None:
        """Makes everything that was appended durable, as one more unit of work.

        Raises:
            InputError: the disk is full or read-only.
        """
        with _told(self.folder):
            for name, file in self._files.items():
                file.flush()
                os.fsync(file.fileno())
                self.progress.sizes[name] = file.tell()
            self.progress.units += 1
            # ASCII, because the settings contain names of files, which need not be UTF-8.
            state = json.dumps(asdict(self.progress)).encode()
            self.publish(self.path(STATE), lambda file: file.write(state))

    def publish(self, target: Path, write: Callable[[BinaryIO], object]) -> None:
        """Lets `write` fill a file, which appears under the name `target` when it is complete and on the disk.

        Raises:
            InputError: the disk is full or read-only.
        """
        new = self.path(target.name + NEW)
        with _told(target):
            with open(new, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, target)
            _sync_folder(target.parent)

    def publish_copy(self, target: Path, name: str) -> None:
        """Publishes a copy of the journal's file `name`; an empty file if the journal has no such file.

        Raises:
            InputError: the disk is full or read-only.
        """

        def copy(file: BinaryIO) -> None:
            if self.path(name).exists():
                with open(self.path(name), "rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)

        self.publish(target, copy)

    def discard(self) -> None:
        """Makes the journal rubbish, because its run is complete or not wanted any more."""
        self.path(STATE).unlink(missing_ok=True)
        _sync_folder(self.folder)

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def drop_uncommitted(self) -> None:
        """Cuts every file back to its length at the last commit.

        Raises:
            InputError: a file is shorter than that, which no interruption explains.
        """
        sizes = self.progress.sizes
        for path in self.folder.iterdir():
            if path.name not in (STATE, LOCK, *sizes):
                path.unlink()
        for name, size in sizes.items():
            if not self.path(name).is_file() or self.path(name).stat().st_size < size:
                raise _damaged(self.path(name))
            os.truncate(self.path(name), size)


@contextlib.contextmanager
def exclusive_folder(target: Path) -> Iterator[Path]:
    """The folder for the journal of `target`, for this process alone.

    The folder is removed at the end if it holds no journal, which is so before the first commit and after the run is
    complete.

    Raises:
        InputError: another process uses the folder, or it cannot be made.
    """
    folder = target.with_name(f"{target.name}.partial")
    with contextlib.ExitStack() as stack:
        with _told(target):
            folder.mkdir(exist_ok=True)
            busy = f"{target}: another run is writing it; wait for that one, or name another output"
            stack.enter_context(exclusive(folder / LOCK, busy))
        try:
            yield folder
        finally:
            if not (folder / STATE).exists():
                # The lock is still held: a process that waits for it finds the file gone, and does not take it.
                shutil.rmtree(folder, ignore_errors=True)


def open_journal(folder: Path, settings: Mapping[str, Any]) -> Journal:
    """The journal in `folder` at its last commit, or an empty journal if the folder holds none.

    Raises:
        InputError: the journal there has other settings, or is damaged.
    """
    now: dict[str, Any] = json.loads(json.dumps(settings))
    state = folder / STATE
    progress = Progress(now)
    if state.exists():
        try:
            progress = Progress(**json.loads(state.read_text(encoding="utf-8")))
        except (ValueError, TypeError, RecursionError):
            raise _damaged(state) from None
        if not _is_sound(progress):
            raise _damaged(state)
        check_same_settings(progress.settings, now, f"{folder}: holds an unfinished run")
    journal = Journal(folder, progress)
    journal.drop_uncommitted()
    return journal


def check_same_settings(before: Mapping[str, Any], now: Mapping[str, Any], what: str) -> None:
    """Prevents a run from continuing the work of another run.

    Args:
        before: the settings of the earlier work.
        now: the settings of this run. A key "NAME_sha256" stands for the content of the thing called NAME.
        what: the beginning of the message, which says where the earlier work is.

    Raises:
        InputError: the settings differ; the message names every key that differs.
    """
    before = {key: value for key, value in UNSPOKEN.items() if key in now} | dict(before)
    changes = []
    for key in dict.fromkeys([*before, *now]):
        if before.get(key) != now.get(key):
            name, is_content, _ = key.partition("_sha256")
            changes.append(
                f"the content of the {name} changed"
                if is_content
                else f"{key} was {before.get(key)!r}, now {now.get(key)!r}"
            )
    if changes:
        raise InputError(
            f"{what} with other settings: {'; '.join(changes)}; go back to those settings, name another output, "
            "or start over with --restart"
        )


def remove(*paths: Path) -> None:
    """Removes the files, in this order; files that do not exist are skipped.

    Raises:
        InputError: a file cannot be removed.
    """
    for path in paths:
        with _told(path):
            path.unlink(missing_ok=True)


def _is_sound(progress: Progress) -> bool:
    """Whether the values are of the kinds that a run writes, and the files lie in the journal's own folder."""
    numbers = (progress.counts, progress.sizes)
    return (
        isinstance(progress.settings, dict)
        and all(isinstance(values, dict) for values in numbers)
        and all(type(value) is int and value >= 0 for values in numbers for value in values.values())
        and type(progress.units) is int
        and all(re.fullmatch(r"\w[\w.-]{0,99}", name, re.ASCII) for name in progress.sizes)
    )


def _damaged(path: Path) -> InputError:
    return InputError(
        f"{path}: was changed from outside, so no run can continue from it; start over with --restart"
    )


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: cannot be written: the folder {path.parent} does not exist") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def _sync_folder(folder: Path) -> None:
    """Makes renames in the folder durable, if the system can do that."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
