"""Recordings on their way through the rooms: in windows, as speech is found in them, in batches, and out in order.

Of the sound no more is held than the windows that wait for their batch and what the cutting of one recording needs, so
a recording of ten hours takes the memory of a short one. What is in a batch depends on nothing but the recordings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from robustger.errors import InputError
from robustger.pipeline.values import Segment, Transcription

if TYPE_CHECKING:
    import numpy as np

    from robustger.audio import Window

SAMPLE_RATE = 16_000  # Hz; as robustger.audio, which loads numpy, has it


@dataclass(frozen=True, slots=True)
class Source:
    """A recording that is yet to be read.

    Attributes:
        id: what it is called.
        audio: the file, or None for samples.
        read: gives its samples, 16 kHz mono, in blocks that follow each other; may raise InputError at any of them.
    """

    id: str
    audio: str | None
    read: Callable[[], Iterator[np.ndarray]]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A window that waits to be recognized.

    Attributes:
        id: of its list.
        audio: the file it is from, or None.
        window: where it lies in the recording.
        samples: float32 (samples,), 16 kHz.
    """

    id: str
    audio: str | None
    window: Window
    samples: np.ndarray


class Kept(Protocol):
    """What remembers batches that an earlier run has done; see `robustger.pipeline.resume`."""

    def get(self) -> list[Segment] | None:
        """The segments of the next batch; None where no run has done it."""
        ...

    def put(self, segments: Sequence[Segment]) -> None:
        """Remembers the segments of the batch for which `get` gave None."""
        ...


@dataclass(slots=True, eq=False)
class _Recording:
    source: Source
    samples: int = 0
    segments: list[Segment] = field(default_factory=list)
    is_read: bool = False
    error: InputError | None = None


Cut = Callable[[Iterator["np.ndarray"]], Iterator[tuple["Window", "np.ndarray"]]]
Outcome = tuple[Source, Transcription | InputError]


class Flow:
    """Takes recordings through `cut` and `work`, and gives them out in the order in which they came.

    Args:
        cut: the windows of blocks of samples, each with its own samples. Asked when the first block could be read.
        work: the segments of windows, in order.
        batch_windows: windows that are worked on together; those of several short recordings make up one batch.
        kept: what remembers the batches of an earlier run; None where nothing does.
        on_progress: called with the seconds of sound just finished.
    """

    def __init__(
        self,
        cut: Cut,
        work: Callable[[Sequence[Job]], list[Segment]],
        batch_windows: int,
        kept: Kept | None,
        on_progress: Callable[[float], object],
    ) -> None:
        self._cut = cut
        self._work = work
        self._batch_windows = batch_windows
        self._kept = kept
        self._on_progress = on_progress
        self._recordings: deque[_Recording] = deque()
        self._waiting: list[tuple[_Recording, Job]] = []

    def run(self, sources: Iterable[Source]) -> Iterator[Outcome]:
        """One transcription per recording, or what is wrong with it.

        Raises:
            InputError: what `cut` or `work` raise themselves.
        """
        for source in sources:
            recording = _Recording(source)
            self._recordings.append(recording)
            for job in self._jobs(recording):
                self._waiting.append((recording, job))
                if len(self._waiting) == self._batch_windows:
                    self._do_batch()
                    yield from self._finished()
        self._do_batch()
        yield from self._finished()

    def _jobs(self, recording: _Recording) -> Iterator[Job]:
        """The windows of a recording; where it cannot be read, those that wait are dropped."""

        def counted(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            for block in blocks:
                recording.samples += len(block)
                yield block

        source = recording.source
        try:
            blocks = source.read()
            first = next(blocks, None)
            if first is None:
                raise InputError(f"{source.audio or source.id}: empty: it holds no samples")
        except InputError as error:
            recording.error = error
            return
        found = _named(source.id, self._cut(counted(chain((first,), blocks))))
        while True:
            try:
                id_, window, samples = next(found)
            except StopIteration:
                break
            except InputError as error:
                recording.error = error
                self._waiting = [(other, job) for other, job in self._waiting if other is not recording]
                break
            yield Job(id_, source.audio, window, samples)
        recording.is_read = True

    def _do_batch(self) -> None:
        if not self._waiting:
            return
        segments = self._kept.get() if self._kept is not None else None
        if segments is None:
            segments = self._work([job for _, job in self._waiting])
            if self._kept is not None:
                self._kept.put(segments)
        for (recording, _), segment in zip(self._waiting, segments, strict=True):
            recording.segments.append(segment)
        self._on_progress(sum(job.window.end - job.window.start for _, job in self._waiting))
        self._waiting = []

    def _finished(self) -> Iterator[Outcome]:
        """The recordings that are done, up to the first that is not."""
        under_way = {id(recording) for recording, _ in self._waiting}
        while self._recordings:
            recording = self._recordings[0]
            if recording.error is None and (not recording.is_read or id(recording) in under_way):
                return
            self._recordings.popleft()
            yield recording.source, recording.error or _transcription(recording)


def _named(id: str, found: Iterator[tuple[Window, np.ndarray]]) -> Iterator[tuple[str, Window, np.ndarray]]:
    """Windows with the ids of their lists: the recording's own where there is but one, as a manifest may have it."""
    first, second = next(found, None), next(found, None)
    if first is not None and second is None:
        yield id, *first
        return
    for window, samples in chain(filter(None, (first, second)), found):
        yield f"{id}-{round(1000 * window.start):08d}", window, samples


def _transcription(recording: _Recording) -> Transcription:
    source = recording.source
    return Transcription(source.id, source.audio, recording.samples / SAMPLE_RATE, tuple(recording.segments))
