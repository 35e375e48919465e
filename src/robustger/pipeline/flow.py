"""Takes recordings through cutting, recognizing and correcting in batches, and returns them in order.

Only the windows of one batch and the sound that cutting one recording needs are held in memory, so a recording of ten
hours needs no more than a short one. The content of a batch depends on the recordings alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from robustger.errors import InputError
from robustger.pipeline.transcription import Segment, Transcription
from robustger.recognition.recording import AudioSource, Excerpt, with_count

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class UnreadRecording:
    """A recording that is still to be read.

    Attributes:
        source: its id and its file.
        read: returns its samples, 16 kHz mono, float32, in blocks that follow each other; may raise InputError at any
            of them.
    """

    source: AudioSource
    read: Callable[[], Iterator[np.ndarray]]


class Kept(Protocol):
    """Remembers the batches of an earlier run; see `robustger.pipeline.resume`."""

    def get(self) -> list[Segment] | None:
        """The segments of the next batch; None if no run has done it."""
        ...

    def put(self, segments: Sequence[Segment], /) -> None:
        """Remembers the segments of the batch for which `get` returned None."""
        ...


@dataclass(slots=True, eq=False)
class _OpenRecording:
    """A recording between its first block and its transcription."""

    source: AudioSource
    samples: int = 0
    reported: float = 0.0  # seconds of it that `on_progress` was told
    segments: list[Segment] = field(default_factory=list)
    is_read: bool = False
    error: InputError | None = None


class Flow:
    """Cuts recordings, puts their windows into batches, and collects the results recording by recording.

    Args:
        cut: gives the excerpts of a recording; called with its source and its blocks of samples, once the first block
            is read.
        transcribe: the segments of a batch of excerpts, in order.
        batch_windows: excerpts in a batch; those of several short recordings share one.
        kept: remembers the batches of an earlier run; None remembers nothing.
        on_progress: called with the seconds of recordings just finished.
    """

    def __init__(
        self,
        cut: Callable[[AudioSource, Iterator[np.ndarray]], Iterator[Excerpt]],
        transcribe: Callable[[Sequence[Excerpt]], list[Segment]],
        batch_windows: int,
        kept: Kept | None,
        on_progress: Callable[[float], object],
    ) -> None:
        self._cut = cut
        self._transcribe = transcribe
        self._batch_windows = batch_windows
        self._kept = kept
        self._on_progress = on_progress
        self._open: deque[_OpenRecording] = deque()
        self._batch: list[tuple[_OpenRecording, Excerpt]] = []

    def run(
        self, recordings: Iterable[UnreadRecording]
    ) -> Iterator[tuple[AudioSource, Transcription | InputError]]:
        """The transcription of each recording, or the error that makes it unusable, in order.

        Raises:
            InputError: an error of `cut` when it is called, or of `transcribe`.
        """
        for unread in recordings:
            recording = _OpenRecording(unread.source)
            self._open.append(recording)
            for excerpt in self._excerpts(recording, unread.read):
                self._batch.append((recording, excerpt))
                if len(self._batch) == self._batch_windows:
                    self._do_batch()
                    yield from self._finished()
        self._do_batch()
        yield from self._finished()

    def _excerpts(
        self, recording: _OpenRecording, read: Callable[[], Iterator[np.ndarray]]
    ) -> Iterator[Excerpt]:
        """The excerpts of a recording. If it turns out to be unusable, its excerpts leave the batch."""

        def counted(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            for block in blocks:
                recording.samples += len(block)
                yield block

        source = recording.source
        try:
            blocks = read()
            first = next(blocks, None)
            if first is None:
                raise InputError(f"{source.audio or source.id}: empty: it holds no samples")
        except InputError as error:
            recording.error = error
            return
        excerpts = self._cut(source, counted(chain((first,), blocks)))
        while True:
            try:
                excerpt = next(excerpts)
            except StopIteration:
                break
            except InputError as error:
                recording.error = error
                self._batch = [pair for pair in self._batch if pair[0] is not recording]
                break
            yield excerpt
        recording.is_read = True

    def _do_batch(self) -> None:
        if not self._batch:
            return
        segments = self._kept.get() if self._kept is not None else None
        if segments is None:
            segments = self._transcribe([excerpt for _, excerpt in self._batch])
            if self._kept is not None:
                self._kept.put(segments)
        for (recording, _), segment in zip(self._batch, segments, strict=True):
            recording.segments.append(segment)
            self._report(recording, segment.end)
        self._batch = []

    def _finished(self) -> Iterator[tuple[AudioSource, Transcription | InputError]]:
        """The recordings that are done, up to the first one that is not."""
        in_batch = {id(recording) for recording, _ in self._batch}
        while self._open:
            recording = self._open[0]
            if recording.error is None and (not recording.is_read or id(recording) in in_batch):
                return
            self._open.popleft()
            yield recording.source, recording.error or self._transcription(recording)

    def _transcription(self, recording: _OpenRecording) -> Transcription:
        from robustger.audio import SAMPLE_RATE

        seconds = recording.samples / SAMPLE_RATE
        self._report(recording, seconds)
        count = len(recording.segments)
        segments = (
            replace(segment, nbest=with_count(segment.nbest, count)) for segment in recording.segments
        )
        return Transcription(recording.source.id, recording.source.audio, seconds, tuple(segments))

    def _report(self, recording: _OpenRecording, until: float) -> None:
        """Reports that a recording is finished up to a time; stretches without speech count, too."""
        self._on_progress(until - recording.reported)
        recording.reported = until
