"""A run that can be killed between any two system calls and goes on where it was.

While it lasts, a run that writes `LISTS.jsonl` keeps its work in the folder `LISTS.jsonl.partial`:

============  ====================================================================================================
state.json    the run's settings, what is done, and how long every other file was at that moment
others        what was written so far, only ever appended to
lock          held by the process that runs
============  ====================================================================================================

`state.json` is replaced in one step, after what it speaks of has reached the disk. Whatever the other files hold beyond
the lengths it names comes from work that was cut short, and is cut off before the run goes on. At the end the results
are written from these files and take their names one by one; then `state.json` is removed, which makes the folder
rubbish. A run killed before that moment writes its results once more, from the same files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from robustger.errors import InputError

# Settings of which runs of earlier versions do not speak, and what they were.
UNSPOKEN = {
    "embedding_frames": "real",
    "find_speech": False,
    "track": None,
    "channel": None,
    "keep_going": False,
}

STATE, LOCK = "state.json", "lock"
NEW = ".new"  # a file under this suffix is being written and stands for nothing


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        settings: all that the result depends on, as JSON gives it back.
        units: units of work done.
        counts: what was counted on the way, by name.
        sizes: length in bytes of every file of the journal.
    """

    settings: dict[str, Any]
    units: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


class Journal:
    """The files of a run under way; made by `open_journal`.

    Attributes:
        folder: where they lie.
        progress: as of the last `commit`; `counts` are the caller's to keep.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self.progress = progress
        self._files: dict[str, BinaryIO] = {}

    def path(self, name: str) -> Path:
        return self.folder / name

    def append(self, name: str, data: bytes) -> None:
        """Adds to a file; what is added counts from the next `commit` on.

        Raises:
            InputError: the disk does not take it.
        """
        with _told(self.folder):
            if name not in self._files:
                self._files[name] = open(self.path(name), "ab")  # noqa: SIM115
            self._files[name].write(data)

    def commit(self) -> None:
        """Makes all that was added durable, as one more unit.

        Raises:
            InputError: the disk does not take it.
        """
        with _told(self.folder):
            for name, file in self._files.items():
                file.flush()
                os.fsync(file.fileno())
                self.progress.sizes[name] = file.tell()
            self.progress.units += 1
            # In ASCII, because settings name files, whose names need not be UTF-8.
            state = json.dumps(asdict(self.progress)).encode()
            self.publish(self.path(STATE), lambda file: file.write(state))

    def publish(self, target: Path, write: Callable[[BinaryIO], object]) -> None:
        """Lets `write` fill a file that then appears under the name `target`, complete.

        Raises:
            InputError: the disk does not take it.
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
        """As `publish`, with what the file `name` of the journal holds; nothing, where it has no such file.

        Raises:
            InputError: the disk does not take it.
        """

        def copy(file: BinaryIO) -> None:
            if self.path(name).exists():
                with open(self.path(name), "rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)

        self.publish(target, copy)

    def discard(self) -> None:
        """Makes the journal rubbish: the run it belongs to is complete, or not wanted."""
        self.path(STATE).unlink(missing_ok=True)
        _sync_folder(self.folder)

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def cut_off_what_was_not_committed(self) -> None:
        """Brings every file back to its length at the last commit.

        Raises:
            InputError: one is shorter than that, which no interruption explains.
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

    It goes away at the end when it holds no journal: before anything was committed, and when the run is complete.

    Raises:
        InputError: another process has it, or the folder cannot be made.
    """
    from filelock import FileLock, Timeout

    folder = target.with_name(f"{target.name}.partial")
    lock = FileLock(folder / LOCK)
    with _told(target):
        try:
            folder.mkdir(exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{target}: another run is writing it; wait for that one, or name another output"
            ) from None
    try:
        yield folder
    finally:
        if not (folder / STATE).exists():
            # While the lock is held: a process that waits for it finds its file gone, and does not take it for a lock.
            shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def open_journal(folder: Path, settings: Mapping[str, Any]) -> Journal:
    """The journal in `folder`, brought back to its last commit; an empty one where there is none.

    Raises:
        InputError: the journal there has other settings, or was damaged.
    """
    now: dict[str, Any] = json.loads(json.dumps(settings))
    state = folder / STATE
    progress = Progress(now)
    if state.exists():
        try:
            progress = Progress(**json.loads(state.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise _damaged(state) from None
        check_same_settings(progress.settings, now, f"{folder}: holds an unfinished run")
    journal = Journal(folder, progress)
    journal.cut_off_what_was_not_committed()
    return journal


def check_same_settings(before: Mapping[str, Any], now: Mapping[str, Any], what: str) -> None:
    """Keeps the work of one run from being taken for that of another.

    Args:
        before: the settings of the work that is there.
        now: the settings asked for. A key that ends with "_sha256" stands for the content of what it names.
        what: the beginning of the message: where there is what.

    Raises:
        InputError: the settings differ; the message names every key that does.
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
    """Removes those of the files that exist, in this order.

    Raises:
        InputError: one cannot be removed.
    """
    for path in paths:
        with _told(path):
            path.unlink(missing_ok=True)


def _damaged(path: Path) -> InputError:
    return InputError(
        f"{path}: was changed from outside, no run can go on from it; start over with --restart"
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
    """Makes renames in the folder durable, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
