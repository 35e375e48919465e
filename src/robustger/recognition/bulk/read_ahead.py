"""Recordings read, cut and, where the recognizer knows how, turned into features: ahead of it, in worker processes.

The rows of a manifest come back in order. What is made of a row depends on nothing but the row, and its bytes not on
the number of workers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.hypotheses import BadLine
from robustger.recognition.bulk.chunks import Row
from robustger.recognition.bulk.pieces import Piece, cut_utterance

if TYPE_CHECKING:
    import numpy as np

    from robustger.recognition.recognizer import Features


@dataclass(frozen=True, slots=True, eq=False)
class ReadRow:
    """What became of one row of a manifest.

    Attributes:
        pieces: what there is to recognize; empty where the row or its recording cannot be used.
        problems: what is wrong with it, or with its clean recording, each on one line.
    """

    pieces: list[Piece]
    problems: list[str]


@dataclass(frozen=True, slots=True)
class Reader:
    """How rows are read; a worker process gets a copy.

    Attributes:
        window_seconds: the longest piece; None where any length is taken.
        with_clean: whether clean recordings are read, where there are some.
        features_of: makes of samples what the recognizer takes in their place; None: it takes samples.
        find_speech: as for `cut_utterance`.
        track: as in `ReadingOptions`, and so are the others.
        channel: counted from 1.
        keep_going: whether what is left of a damaged recording is used.
    """

    window_seconds: float | None
    with_clean: bool
    features_of: Callable[[np.ndarray], Features] | None
    find_speech: bool = False
    track: int | None = None
    channel: int | None = None
    keep_going: bool = False

    def __getitem__(self, row: Row) -> ReadRow:
        """Reads a row: to torch's loader this is a data set whose indices are rows."""
        from robustger.audio import ReadingOptions

        _, value = row
        if isinstance(value, BadLine):
            return ReadRow([], [value.message])
        try:
            pieces, problems = cut_utterance(
                value,
                self.window_seconds,
                with_clean=self.with_clean,
                find_speech=self.find_speech,
                options=ReadingOptions(self.track, self.channel, self.keep_going),
            )
        except InputError as error:
            return ReadRow([], [str(error)])
        return ReadRow([self._heard(piece) for piece in pieces], problems)

    def _heard(self, piece: Piece) -> Piece:
        if self.features_of is None or piece.audio is None:
            return piece
        samples: Any = piece.audio
        clean: Any = piece.clean
        clean = None if clean is None else self.features_of(clean)
        return replace(piece, audio=self.features_of(samples), clean=clean)


def read_ahead(reader: Reader, rows: Iterable[Row], workers: int, ahead: int) -> Iterator[ReadRow]:
    """What became of every row, in order.

    Args:
        reader: what is done with a row.
        rows: the rows; taken when there is room for them.
        workers: processes that read; 0: this one does, when it is asked for the next row.
        ahead: rows that are read before they are asked for, at least two for each worker.
    """
    from torch.utils.data import DataLoader

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores
        loader: Any = DataLoader(
            reader,  # type: ignore[arg-type]  # it needs no length
            batch_size=None,
            sampler=rows,  # type: ignore[arg-type]
            num_workers=workers,
            prefetch_factor=max(2, ahead // workers) if workers else None,
            collate_fn=_as_it_is,
        )
        readings = iter(loader)
    yield from readings


@contextmanager
def ended_readers_told() -> Iterator[None]:
    """Around all work on rows that are read ahead.

    torch tells of a process that the system ended from a signal handler, and so wherever this process is then.

    Raises:
        InputError: a process that reads ahead came to an end.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"a process that reads recordings ahead came to an end ({reason}); take fewer with --workers"
        ) from None


def _as_it_is(reading: Any) -> Any:
    return reading
