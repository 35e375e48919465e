"""Transcribes a recording: threads read it, and the batcher takes its excerpts, a few at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO, cast

from robustger.errors import InputError
from robustger.pipeline.batch import BatchItem
from robustger.pipeline.transcription import Segment
from robustger.recognition.recording import AudioSource, Excerpt, cut
from robustger.service.batching import Batcher
from robustger.service.measures import Measures
from robustger.service.problems import ServiceError

if TYPE_CHECKING:
    import numpy as np

EXCERPTS_AT_A_TIME = 8  # of one recording, so that a long one leaves room for others
_NAME = "the uploaded file"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a recording.

    Attributes:
        corrects: whether the corrector reads the lists.
        words: whether words get times.
        language: what is spoken; None leaves it to the recognizer.
        most_seconds: the longest recording that is allowed.
    """

    corrects: bool
    words: bool
    language: str | None
    most_seconds: float


@dataclass(slots=True)
class RecordingProgress:
    """How much of a recording is read and done, in seconds.

    Attributes:
        total: its length; what its file states, until it is read.
        done: up to where its segments are finished.
    """

    total: float | None = None
    done: float = 0.0


class Recordings:
    """Reads and transcribes recordings of all requests.

    Args:
        batcher: works on the excerpts.
        readers: threads that decode.
        measures: gets the times.
    """

    def __init__(self, batcher: Batcher, readers: int, measures: Measures) -> None:
        self._batcher = batcher
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._measures = measures

    def stop(self) -> None:
        """Ends the threads."""
        self._readers.shutdown(cancel_futures=True)

    async def stated_seconds(self, file: BinaryIO, most_seconds: float) -> float | None:
        """The length that the file states, found without decoding it; None if it states none.

        Raises:
            ServiceError: it is no recording, or longer than is allowed.
        """
        from robustger.audio import stated_seconds

        loop = asyncio.get_running_loop()
        try:
            seconds = await loop.run_in_executor(self._readers, stated_seconds, _named(file))
        except InputError as error:
            raise unreadable(error) from None
        if seconds is not None and seconds > most_seconds:
            raise too_long(most_seconds)
        return seconds

    async def segments(
        self, file: BinaryIO, wish: Wish, progress: RecordingProgress
    ) -> AsyncGenerator[list[Segment]]:
        """The segments of a recording in order, some at a time, while it is read.

        Args:
            file: the recording.
            wish: what is wanted.
            progress: is kept up to date.

        Raises:
            ServiceError: it cannot be read, or is longer than is allowed.
        """
        loop = asyncio.get_running_loop()
        cutting = self._batcher.cutting
        while cutting is None:
            await self._batcher.ask(lambda robustger: None)
            cutting = self._batcher.cutting
        read = _Reading(file, wish.most_seconds)
        excerpts = read.excerpts(lambda source, blocks: cut(source, blocks, cutting))

        def some() -> list[Excerpt]:
            begun = time.monotonic()
            try:
                return list(islice(excerpts, EXCERPTS_AT_A_TIME))
            finally:
                self._measures.stage_seconds.labels("reading").observe(time.monotonic() - begun)

        async def reading() -> list[Excerpt]:
            self._batcher.reading(+1)
            try:
                return await loop.run_in_executor(self._readers, some)
            except InputError as error:
                raise unreadable(error) from None
            finally:
                self._batcher.reading(-1)

        coming = asyncio.ensure_future(reading())
        try:
            while group := await coming:
                coming = asyncio.ensure_future(reading())  # the next ones are read while these are worked on
                items = [BatchItem(excerpt, wish.corrects, wish.words, wish.language) for excerpt in group]
                segments = await self._batcher.segments(items)
                progress.done = segments[-1].end
                yield segments
        finally:
            coming.cancel()
            read.is_wanted = False
        progress.total = progress.done = read.seconds
        self._measures.audio_seconds.inc(read.seconds)


class _Reading:
    """A recording while it is read; only one thread at a time may go on reading it."""

    def __init__(self, file: BinaryIO, most_seconds: float) -> None:
        self._file = file
        self._most_seconds = most_seconds
        self.seconds = 0.0
        self.is_wanted = True  # a thread that still reads for a request that is gone stops at the next block

    def excerpts(
        self, cut_into: Callable[[AudioSource, Iterator[np.ndarray]], Iterator[Excerpt]]
    ) -> Iterator[Excerpt]:
        """The excerpts; raises InputError or ServiceError where it cannot go on."""
        from robustger.audio import stream_audio

        blocks = self._counted(stream_audio(_named(self._file)))
        first = next(blocks, None)
        if first is None:
            raise InputError(f"{_NAME}: empty: it holds no samples")
        yield from cut_into(AudioSource("audio"), chain((first,), blocks))

    def _counted(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        from robustger.audio import SAMPLE_RATE

        for block in blocks:
            if not self.is_wanted:
                return
            self.seconds += len(block) / SAMPLE_RATE
            if self.seconds > self._most_seconds:
                raise too_long(self._most_seconds)
            yield block


class _Named:
    """A file under a name that tells the client nothing about the server."""

    name = _NAME

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._file.seek(offset, whence)
        return self._file.tell()

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _named(file: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", _Named(file))


def too_long(most_seconds: float) -> ServiceError:
    """The error for a recording that is longer than is allowed."""
    return ServiceError(
        400,
        f"The recording is longer than {most_seconds:g} s; cut it, or send it to /v1/jobs.",
        param="file",
        code="audio_too_long",
    )


def unreadable(error: InputError) -> ServiceError:
    """The error for a recording that cannot be read."""
    return ServiceError(400, f"The audio cannot be read: {error}.", param="file", code="invalid_audio")
