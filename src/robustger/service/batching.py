"""The one thread that holds the models: it takes excerpts and lists of all requests, and works on them in batches."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from robustger.errors import InputError, RobustGERError
from robustger.pipeline import RobustGER, Segment
from robustger.pipeline.batch import BatchItem, Stages, recognizer_for, transcribe_batch
from robustger.recognition.recording import Cutting
from robustger.service.measures import Measures
from robustger.service.problems import ServiceError

_LANGUAGES_KEPT = 500
logger = logging.getLogger(__name__)


class Batcher:
    """Works on items in the order in which they come, as many together as are there.

    A batch that is not full waits `wait_seconds` at most, and only while recordings are being read whose excerpts may
    still join it: a lone request never waits.

    Args:
        load: makes the recognizer and the corrector.
        correction: options of `Corrector.correct`.
        batch_size: the most items in a batch.
        wait_seconds: the longest wait.
        idle_seconds: the models are unloaded after this time without work; None keeps them.
        measures: counts the batches.
    """

    def __init__(
        self,
        load: Callable[[], RobustGER],
        correction: dict[str, Any],
        batch_size: int,
        wait_seconds: float,
        idle_seconds: float | None,
        measures: Measures,
    ) -> None:
        self._load = load
        self._correction = correction
        self._batch_size = batch_size
        self._wait_seconds = wait_seconds
        self._idle_seconds = idle_seconds
        self._measures = measures
        self._items: deque[tuple[BatchItem | Callable[[RobustGER], Any], Future[Any], float]] = deque()
        self._changed = threading.Condition()
        self._reading = 0
        self._stopping = False
        self._robustger: RobustGER | None = None
        self._cutting: Cutting | None = None
        self._refused: dict[str, bool] = {}  # languages that were asked for, and whether they are refused
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)

    def start(self) -> None:
        """Starts the thread, which loads the models at once."""
        self._thread.start()
        self._put(lambda robustger: None)

    def stop(self) -> None:
        """Ends the thread when all that it was given is done."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def cutting(self) -> Cutting | None:
        """How recordings are cut; None until the models have been loaded once."""
        return self._cutting

    @property
    def is_alive(self) -> bool:
        """Whether the thread can work."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Items that wait."""
        return len(self._items)

    def reading(self, change: int) -> None:
        """Counts the recordings whose next excerpts are being read."""
        with self._changed:
            self._reading += change
            self._changed.notify_all()

    async def segments(self, items: Sequence[BatchItem]) -> list[Segment]:
        """The segments of items, in order. If the caller is cancelled, items that still wait are dropped.

        Raises:
            InputError: an item that the models refuse.
        """
        futures = [self._put(item) for item in items]
        try:
            return await asyncio.gather(*map(asyncio.wrap_future, futures))
        finally:
            for future in futures:
                future.cancel()

    async def ask(self, question: Callable[[RobustGER], Any]) -> Any:
        """What a function of the models returns, called in the thread that holds them."""
        return await asyncio.wrap_future(self._put(question))

    async def check_language(self, language: str | None) -> None:
        """Refuses a language that the recognizer does not hear; None leaves the language to it.

        Raises:
            ServiceError: it does not hear it.
        """
        if language is None:
            return

        def refusal(robustger: RobustGER) -> bool:
            try:
                recognizer_for(robustger.recognizer, language)
            except InputError:
                return True
            return False

        if language not in self._refused:
            refused = await self.ask(refusal)
            if len(self._refused) < _LANGUAGES_KEPT:
                self._refused[language] = refused
        else:
            refused = self._refused[language]
        if refused:
            raise ServiceError(
                400, f"This server does not hear the language {language[:60]!r}.", param="language"
            )

    def _put(self, item: BatchItem | Callable[[RobustGER], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._changed:
            if self._stopping:
                raise RuntimeError("the service is stopping")
            self._items.append((item, future, time.monotonic()))
            self._changed.notify_all()
        return future

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            try:
                self._work(batch)
            except BaseException as error:  # whatever happens, the thread lives on and nobody waits forever
                logger.exception("a batch failed")
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)

    def _next_batch(self) -> list[tuple[Any, Future[Any]]] | None:
        """The items to work on next, without those that were cancelled; None at the end."""
        with self._changed:
            while not self._items:
                if self._stopping:
                    return None
                if not self._changed.wait(self._idle_seconds if self._robustger else None):
                    self._unload()
            deadline = time.monotonic() + self._wait_seconds
            while len(self._items) < self._batch_size and self._reading and not self._stopping:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            now = time.monotonic()
            batch: list[tuple[Any, Future[Any]]] = []
            while self._items and len(batch) < self._batch_size:
                item, future, since = self._items.popleft()
                if future.set_running_or_notify_cancel():
                    self._measures.stage_seconds.labels("waiting").observe(now - since)
                    batch.append((item, future))
            return batch

    def _work(self, batch: list[tuple[Any, Future[Any]]]) -> None:
        if not batch:
            return
        robustger = self._loaded()
        work = [pair for pair in batch if isinstance(pair[0], BatchItem)]
        for question, future in batch:
            if not isinstance(question, BatchItem):
                _answer(future, lambda question=question: question(robustger))
        if not work:
            return
        try:
            segments = self._transcribed(robustger, [item for item, _ in work])
        except Exception as error:
            if len(work) == 1:
                _log_bug(error)
                work[0][1].set_exception(error)
                return
            for item, future in work:  # one of them is bad; the others get their answers
                _answer(future, lambda item=item: self._transcribed(robustger, [item])[0])
            return
        for (_, future), segment in zip(work, segments, strict=True):
            future.set_result(segment)

    def _transcribed(self, robustger: RobustGER, items: list[BatchItem]) -> list[Segment]:
        stages = Stages()
        segments = transcribe_batch(robustger, items, self._correction, time.monotonic, stages)
        self._measures.count_batch(segments, stages)
        return segments

    def _loaded(self) -> RobustGER:
        """The models, loaded if they are not."""
        if self._robustger is None:
            begun = time.monotonic()
            robustger = self._load()
            self._cutting = robustger.cutting()
            self._robustger = robustger
            self._measures.loaded.set(1)
            logger.info("models loaded", extra={"fields": {"seconds": round(time.monotonic() - begun, 2)}})
        return self._robustger

    def _unload(self) -> None:
        corrector = None if self._robustger is None else self._robustger.__dict__.get("corrector")
        if corrector is not None and corrector.proposer is not None:
            corrector.proposer.close()
        self._robustger = None
        gc.collect()
        self._measures.loaded.set(0)
        logger.info("models unloaded after idle time")


def _answer(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        result = work()
    except Exception as error:
        _log_bug(error)
        future.set_exception(error)
    else:
        future.set_result(result)


def _log_bug(error: Exception) -> None:
    if not isinstance(error, InputError):
        logger.error(
            "the models failed",
            exc_info=error,
            extra={"fields": {"expected": isinstance(error, RobustGERError)}},
        )
