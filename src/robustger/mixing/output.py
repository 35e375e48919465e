"""The folder of mixtures, and the files in it by which an interrupted run is resumed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.files import atomic_writer, exclusive

_SETTINGS, _ROWS, _JOURNAL = "mix.json", "manifest.jsonl", "rows.partial.jsonl"
_TEMPORARY = ".robustger-"  # prefix of the names of files that exist only during a run
_LOCK = f"{_TEMPORARY}mix.lock"


@contextlib.contextmanager
def open_output_folder(path: Path, settings: Mapping[str, Any]) -> Iterator[MixFolder]:
    """Opens a folder of mixtures for this process alone, and makes it where it does not exist.

    Args:
        path: a folder that does not exist, is empty, or was made with the same settings.
        settings: what must be the same from run to run; JSON.

    Raises:
        InputError: another process is mixing into the folder, or it holds other things, was made with other settings,
            or cannot be made.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; name a folder to fill")
    if not path.parent.is_dir():
        raise InputError(f"{path}: cannot be made: the folder {path.parent} does not exist")
    try:
        path.mkdir(exist_ok=True)
        others = (entry for entry in path.iterdir() if not entry.name.startswith(_TEMPORARY))
        if any(others) and not (path / _SETTINGS).is_file():
            raise InputError(f"{path}: is not empty, and not from `robustger mix`; name a new folder")
        lock = path / _LOCK
        busy = f"{path}: another run is mixing into it; wait for that one, or name another folder"
        with exclusive(lock, busy):
            try:
                yield MixFolder(path, settings)
            finally:
                # The lock is still held, so a process that waits for it sees that the file is gone.
                lock.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be used: {error.strerror or error}") from None


class MixFolder:
    """A folder with audio (`noisy/`, `clean/`), its `manifest.jsonl`, and the settings of the mix (`mix.json`).

    While a run goes on, `rows.partial.jsonl` gets one line for every utterance whose files are complete, and one
    without rows for every utterance whose earlier files are about to be replaced. A run that was killed leaves it
    behind, perhaps with a torn last line, and the next run goes on from it.

    Args:
        path: of the folder, which exists and is locked; see `open_output_folder`.
        settings: what must be the same from run to run; JSON.

    Raises:
        InputError: the folder was made with other settings, or its records are broken.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._rows: dict[str, list[dict[str, Any]]] = {}
        try:
            remembered = path / _SETTINGS
            if remembered.is_file():
                _compare(path, json.loads(remembered.read_text(encoding="utf-8")), settings)
            else:
                with atomic_writer(remembered) as file:
                    json.dump(settings, file, indent=1, ensure_ascii=False)
            for name in ("noisy", "clean"):
                (path / name).mkdir(exist_ok=True)
            for torn in path.rglob(f"{_TEMPORARY}*.partial"):  # what a run was writing when it was killed
                torn.unlink()
            for row in _complete_lines(path / _ROWS):
                self._rows.setdefault(row["meta"]["mix"]["source_id"], []).append(row)
            for id_, rows in _complete_lines(path / _JOURNAL):
                self._rows[id_] = rows
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = (
                isinstance(error, OSError) and error.strerror
            ) or f"not what was written there: {error!r}"
            raise InputError(f"{path}: cannot be used: {reason}") from None

    def has(self, id_: str, mixtures: Sequence[str], made_from: str) -> bool:
        """Whether an earlier run made these mixtures of an utterance from the same files and settings."""
        rows = self._rows.get(id_, [])
        return (
            [row["id"] for row in rows] == list(mixtures)
            and all(row["meta"]["mix"].get("made_from") == made_from for row in rows)
            and all((self.path / row[key]).is_file() for row in rows for key in ("audio", "clean_audio"))
        )

    def knows(self, id_: str) -> bool:
        """Whether any run made rows of an utterance, even from other files."""
        return bool(self._rows.get(id_))

    @contextlib.contextmanager
    def journal(self) -> Iterator[Callable[[str, list[dict[str, Any]]], None]]:
        """Yields a function that records an utterance's id and rows when its files are complete, from any thread.

        An empty list of rows takes back the rows recorded before, so that an utterance that is mixed again is never
        taken for its earlier mixture.
        """
        path = self.path / _JOURNAL
        lock = threading.Lock()
        with open(path, "ab") as file:
            file.truncate(_complete_size(path))

            def record(id_: str, rows: list[dict[str, Any]]) -> None:
                line = json.dumps([id_, rows], ensure_ascii=False).encode() + b"\n"
                with lock:
                    file.write(line)
                    file.flush()  # what a killed process has flushed is kept
                    self._rows[id_] = rows

            yield record

    def finish(self, order: Iterable[str]) -> int:
        """Writes `manifest.jsonl`: these utterances in this order, then those of earlier runs that are not among them.

        Returns:
            the number of rows.
        """
        count = 0
        with atomic_writer(self.path / _ROWS) as file:
            for id_ in dict.fromkeys([*order, *self._rows]):
                for row in self._rows[id_]:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    count += 1
        (self.path / _JOURNAL).unlink()
        return count


def file_name(id_: str, suffix: str) -> str:
    """A readable file name for any id; different ids have different names."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", id_)[:120].lstrip(".")
    if safe != id_:
        safe += "-" + hashlib.sha256(id_.encode()).hexdigest()[:12]
    return f"{safe}.{suffix}"


def _compare(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for key in new:
        if old.get(key) != new[key]:
            # Lists of noises are long, so only the difference is stated.
            values = (
                "" if key == "noises" else f" ({json.dumps(old.get(key))} then, {json.dumps(new[key])} now)"
            )
            raise InputError(
                f"{path}: was mixed with other {key}{values}; name a new folder, or mix as before"
            )


def _complete_lines(path: Path) -> Iterator[Any]:
    if path.is_file():
        with open(path, "rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield json.loads(line)


def _complete_size(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1
