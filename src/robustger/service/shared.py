"""What all requests share: the settings, the models' thread, the readers, the figures, and the count of requests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request

from robustger.service.batching import Batcher
from robustger.service.measures import Measures
from robustger.service.problems import ServiceError
from robustger.service.recordings import RecordingProgress, Recordings
from robustger.service.settings import ServiceSettings

logger = logging.getLogger(__name__)
_BUSY_SECONDS = 5.0  # after which a client that was refused may try again


@dataclass(slots=True)
class Shared:
    """The state of an application.

    Attributes:
        settings: its settings.
        measures: its figures.
        batcher: the thread of its models.
        recordings: reads and transcribes recordings.
        open_requests: requests that are worked on or wait.
        failure: why the models cannot be loaded; None as long as they can.
    """

    settings: ServiceSettings
    measures: Measures
    batcher: Batcher
    recordings: Recordings
    open_requests: int = 0
    failure: str | None = None

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Counts a request as long as it is worked on.

        Raises:
            ServiceError: there are too many.
        """
        if self.open_requests >= self.settings.max_requests:
            raise ServiceError(
                503,
                "The server is full; try again in some seconds.",
                code="server_full",
                retry_after_seconds=_BUSY_SECONDS,
            )
        self._count(+1)
        try:
            yield
        finally:
            self._count(-1)

    def deadline(self, lists: int = 0) -> Callable[[RecordingProgress], float]:
        """The seconds that an answer may take, by what is known of the recording; a list counts as a second."""
        base, factor = self.settings.deadline_seconds, self.settings.deadline_per_audio_second
        return lambda progress: base + factor * max(lists, progress.total or 0.0, progress.done)

    def log_text(self, text: str) -> None:
        """Writes a text into the log, if that is allowed."""
        if self.settings.log_transcripts:
            logger.info("transcript", extra={"fields": {"text": text}})

    def _count(self, change: int) -> None:
        self.open_requests += change
        self.measures.open_requests.set(self.open_requests)


def shared_of(request: Request) -> Shared:
    """The state of the application that answers a request."""
    return request.app.state.shared
