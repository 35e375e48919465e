"""Lets a transcription continue where a killed run stopped: finished batches are kept beside the output.

During a run of more than one batch, the folder `OUTPUT.partial` holds the segments of the finished batches in a
`robustger.recognition.bulk.journal`. The same command reads the recordings again, which is quick, and takes these
segments instead of recognizing. The output has the same bytes as that of an undisturbed run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from robustger.hypotheses import NBest, Transcript
from robustger.pipeline.transcription import Segment
from robustger.recognition.bulk.journal import STATE, Journal, exclusive_folder, open_journal, remove
from robustger.recognition.recognizer import TimedWord

SEGMENTS = "segments.jsonl"  # a line for each batch
BATCHES = "batches"


@contextmanager
def kept_batches(
    target: Path,
    settings: Mapping[str, Any],
    *,
    restart: bool = False,
    form: tuple[Callable[[Any], Any], Callable[[Any], Any]] | None = None,
) -> Iterator[KeptBatches]:
    """The batches that an unfinished run for `target` has finished, and a place to keep further ones.

    The place is removed when the body ends without an error. It is not made for a run of one batch.

    Args:
        target: the file or folder that is written.
        settings: everything that the batches depend on, as values that JSON can hold.
        restart: whether to throw away the batches of an earlier run.
        form: two functions, which turn an item of a batch into values that JSON can hold, and back. None is the form of
            segments.

    Raises:
        InputError: another process is writing `target`, or the batches there belong to a run with other settings.
    """
    with ExitStack() as stack:
        if restart:
            remove(target.with_name(f"{target.name}.partial") / STATE)
        kept = KeptBatches(target, settings, stack, form or (_fields, _segment))
        try:
            yield kept
            kept.discard()
        finally:
            kept.close()


class KeptBatches:
    """Keeps finished batches; `kept_batches` makes it. `get` and `put` are those of `robustger.pipeline.flow.Kept`."""

    def __init__(
        self,
        target: Path,
        settings: Mapping[str, Any],
        stack: ExitStack,
        form: tuple[Callable[[Any], Any], Callable[[Any], Any]],
    ) -> None:
        self._encode, self._decode = form
        self._target = target
        self._settings = settings
        self._stack = stack
        self._journal: Journal | None = None
        self._earlier: BinaryIO | None = None
        self._left = 0  # batches of an earlier run that are still to be taken
        self._first: bytes | None = None  # the first batch; it is written when there is a second one
        if (target.with_name(f"{target.name}.partial") / STATE).exists():
            journal = self._opened()
            self._left = journal.progress.counts.get(BATCHES, 0)
            if self._left:
                self._earlier = stack.enter_context(journal.path(SEGMENTS).open("rb"))

    def get(self) -> list[Any] | None:
        """The items of the next batch; None if no run has finished it."""
        if self._earlier is None or not self._left:
            return None
        self._left -= 1
        return [self._decode(fields) for fields in json.loads(self._earlier.readline())]

    def put(self, items: Sequence[Any]) -> None:
        """Keeps the items of the batch for which `get` returned None.

        Raises:
            InputError: the disk is full or read-only, or another process is writing the target.
        """
        line = json.dumps([self._encode(item) for item in items]).encode() + b"\n"
        if self._journal is None and self._first is None:
            self._first = line
            return
        journal = self._opened()
        lines = [line] if self._first is None else [self._first, line]
        self._first = None
        for line in lines:
            journal.append(SEGMENTS, line)
        counts = journal.progress.counts
        counts[BATCHES] = counts.get(BATCHES, 0) + len(lines)
        journal.commit()

    def discard(self) -> None:
        """Makes the kept batches rubbish, because the output is complete."""
        if self._journal is not None:
            self._journal.discard()

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _opened(self) -> Journal:
        if self._journal is None:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            folder = self._stack.enter_context(exclusive_folder(self._target))
            self._journal = open_journal(folder, self._settings)
        return self._journal


def file_settings(files: Sequence[str]) -> list[list[Any]]:
    """Identifies the recordings by name, size and time of the last change, or by name alone if a file is missing."""
    found: list[list[Any]] = []
    for file in files:
        try:
            status = os.stat(file)
        except (OSError, ValueError):
            found.append([file])
        else:
            found.append([file, status.st_size, status.st_mtime_ns])
    return found


def _fields(segment: Segment) -> dict[str, Any]:
    return {
        "start": segment.start,
        "end": segment.end,
        "nbest": segment.nbest.to_dict(),
        "transcript": segment.transcript.to_dict(),
        "words": None if segment.words is None else [asdict(word) for word in segment.words],
    }


def _segment(fields: Mapping[str, Any]) -> Segment:
    words = fields["words"]
    return Segment(
        fields["start"],
        fields["end"],
        NBest.from_dict(fields["nbest"]),
        Transcript(**fields["transcript"]),
        None if words is None else tuple(TimedWord(**word) for word in words),
    )
