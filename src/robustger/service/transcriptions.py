"""POST /v1/audio/transcriptions: a recording in, its text out, in OpenAI's forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any, BinaryIO, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from robustger.pipeline import Segment, Transcription
from robustger.pipeline.writing_systems import glues
from robustger.recognition.recording import with_count
from robustger.service.answers import (
    MEDIA_TYPES,
    json_answer,
    logprobs,
    noise_sizes,
    own_segment,
    written_answer,
)
from robustger.service.parameters import TranscriptionFields, form_schema, read_form
from robustger.service.problems import ServiceError, logger, unexpected
from robustger.service.recordings import Progress, Wish
from robustger.service.shared import Shared, shared_of

T = TypeVar("T")

router = APIRouter()
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {},
            "text/plain": {},
            "text/vtt": {},
            "application/x-subrip": {},
            "text/event-stream": {},
        }
    },
    400: {"description": "A field or the recording is wrong."},
    401: {"description": "The key is missing or wrong."},
    404: {"description": "There is no such model."},
    408: {"description": "The upload or the answer took too long."},
    413: {"description": "The body is too large."},
    503: {"description": "The server is full; Retry-After says when to come again."},
}


@router.post("/v1/audio/transcriptions", openapi_extra={"requestBody": form_schema()}, responses=ANSWERS)
async def transcribe_recording(request: Request) -> Response:
    """Transcribes a recording."""
    shared = shared_of(request)
    admission = shared.admit()
    try:
        file, fields = await read_form(request, shared.settings.preset_name)
        language_known(fields, shared)
        most = shared.settings.max_audio_seconds
        stated = await shared.recordings.stated_seconds(file.file, most)
        wish = Wish(fields.correction == "full", fields.needs_words, most)
        progress = Progress(total=stated)
        deadline = shared.deadline(stated)
        if fields.stream:
            events = _events(shared, file.file, fields, wish, progress, deadline)
            response = StreamingResponse(_closing(events, request, admission), media_type="text/event-stream")
            response.headers["Cache-Control"] = "no-store"
            return response
        work = answered(shared, file.file, fields, wish, progress)
        answer = await in_time(unless_gone(request, work), deadline, progress)
    except BaseException:
        admission()
        await request.close()
        raise
    admission()
    await request.close()
    if isinstance(answer, str):
        kind = MEDIA_TYPES[fields.response_format]
        return PlainTextResponse(answer, media_type=kind)
    return JSONResponse(answer)


async def answered(
    shared: Shared, file: BinaryIO, fields: TranscriptionFields, wish: Wish, progress: Progress
) -> str | dict[str, Any]:
    """The whole answer: a text, or what becomes JSON."""
    segments: list[Segment] = []
    async with aclosing(shared.recordings.segments(file, wish, progress)) as groups:
        async for group in groups:
            segments += group
    count = len(segments)
    segments = [replace(each, nbest=with_count(each.nbest, count)) for each in segments]
    transcription = Transcription("audio", None, progress.total or 0.0, tuple(segments))
    shared.log_text(transcription.text)
    if fields.response_format in MEDIA_TYPES:
        return written_answer(transcription, fields.response_format)
    return json_answer(transcription, fields, await noise_of(shared, segments, fields))


async def noise_of(
    shared: Shared, segments: list[Segment], fields: TranscriptionFields
) -> list[float | None]:
    """The noise of each segment, if it is asked for."""
    if "noise" not in fields.own:
        return [None] * len(segments)
    lists = [segment.nbest for segment in segments]
    return await shared.batcher.ask(lambda robustger: noise_sizes(robustger, lists))


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """What the work gives; it is cancelled when the client goes away."""
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ServiceError(499, "The client went away.")
        return task.result()
    finally:
        for each in (task, watcher):
            each.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


async def in_time(work: Awaitable[T], deadline: Callable[[Progress], float], progress: Progress) -> T:
    """What the work gives.

    Raises:
        ServiceError: it takes longer than its recording may take.
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
        task.cancel()


def out_of_time() -> ServiceError:
    """The error for an answer that took too long."""
    return ServiceError(
        408,
        "The answer took longer than this server allows for a recording of this length; it is busy, so try again "
        "later, or send the recording to /v1/jobs.",
        code="deadline_exceeded",
    )


def language_known(fields: TranscriptionFields, shared: Shared) -> None:
    """Refuses a language that the recognizer of this server does not hear."""


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _closing(
    events: AsyncIterator[str], request: Request, admission: Callable[[], object]
) -> AsyncIterator[str]:
    try:
        async for event in events:
            yield event
    finally:
        await events.aclose()  # type: ignore[attr-defined]
        admission()
        await request.close()


async def _events(
    shared: Shared,
    file: BinaryIO,
    fields: TranscriptionFields,
    wish: Wish,
    progress: Progress,
    deadline: Callable[[Progress], float],
) -> AsyncIterator[str]:
    """The server-sent events of an answer; an error in the middle becomes an event `error`."""
    segments: list[Segment] = []
    loop = asyncio.get_running_loop()
    begun = loop.time()
    text = ""
    try:
        async with aclosing(shared.recordings.segments(file, wish, progress)) as groups:
            while True:
                left = begun + deadline(progress) - loop.time()
                try:
                    group = await asyncio.wait_for(anext(groups), max(left, 0.001))
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    raise out_of_time() from None
                noise = await noise_of(shared, group, fields)
                for segment, size in zip(group, noise, strict=True):
                    delta = _continued(text, segment.text)
                    text += delta
                    event: dict[str, Any] = {"type": "transcript.text.delta", "delta": delta}
                    if "logprobs" in fields.include:
                        event["logprobs"] = logprobs([segment])
                    yield _event(event)
                    if fields.own:
                        own = own_segment(len(segments), segment, fields, size)
                        yield _event({"type": "robustger.segment", **own})
                    segments.append(segment)
        shared.log_text(text)
        done: dict[str, Any] = {"type": "transcript.text.done", "text": text}
        if "logprobs" in fields.include:
            done["logprobs"] = logprobs(segments)
        yield _event(done)
    except ServiceError as error:
        yield _event({"type": "error", **error.body})
    except Exception:
        logger.exception("a streamed answer failed")
        yield _event({"type": "error", **unexpected().body})


def _continued(before: str, text: str) -> str:
    """A text with the blank that stands between it and the text before it."""
    if not before or not text or glues(before, text):
        return text
    return f" {text}"


def _event(data: dict[str, Any]) -> str:
    return f"event: {data['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
