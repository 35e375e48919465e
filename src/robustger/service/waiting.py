"""Waits for an answer: not longer than it may take, and not when the client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from fastapi import Request

from robustger.service.problems import GONE, ServiceError
from robustger.service.recordings import RecordingProgress

T = TypeVar("T")


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """What the work gives; it is cancelled when the client goes away.

    Raises:
        ServiceError: the client went away; nobody reads it, but the log shows its status 499.
    """
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ServiceError(GONE, "The client went away.")
        return task.result()
    finally:
        await _ended(task)
        await _ended(watcher)


async def in_time(
    work: Awaitable[T], deadline: Callable[[RecordingProgress], float], progress: RecordingProgress
) -> T:
    """What the work gives.

    Args:
        work: is cancelled when it takes too long.
        deadline: the seconds that it may take, by what is known of the recording.
        progress: what is known of it; it may grow.

    Raises:
        ServiceError: it takes longer.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        while not task.done():
            left = begun + deadline(progress) - loop.time()
            if left <= 0:
                raise out_of_time()
            await asyncio.wait((task,), timeout=left)
        return task.result()
    finally:
        await _ended(task)


def out_of_time() -> ServiceError:
    """The error for an answer that took too long."""
    return ServiceError(
        408,
        "The answer took longer than this server allows for a request of this length; it is busy, so try again "
        "later, or send the recording to /v1/jobs.",
        code="deadline_exceeded",
    )


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _ended(task: asyncio.Future[T]) -> None:
    """Cancels a task, and waits until it has put everything away."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
