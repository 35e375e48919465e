"""POST /v1/audio/transcriptions: a recording in, its text out, in OpenAI's forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from robustger.pipeline import Segment
from robustger.pipeline.writing_systems import glues
from robustger.service.answers import MEDIA_TYPES, answered, logprobs, noise_of, own_segment
from robustger.service.parameters import TranscriptionFields, form_schema, read_form
from robustger.service.problems import ServiceError, logger, unexpected
from robustger.service.recordings import RecordingProgress, Wish
from robustger.service.shared import Shared, shared_of
from robustger.service.waiting import in_time, out_of_time, unless_gone

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
    async with AsyncExitStack() as stack:
        stack.enter_context(shared.admitted())
        stack.push_async_callback(request.close)  # closes the uploaded file, which deletes it
        file, fields = await read_form(request, shared.settings.preset_name)
        await shared.batcher.check_language(fields.language)
        most = shared.settings.max_audio_seconds
        progress = RecordingProgress(total=await shared.recordings.stated_seconds(file.file, most))
        wish = Wish(fields.correction == "full", fields.needs_words, fields.language, most)
        if fields.stream:
            segments = shared.recordings.segments(file.file, wish, progress)
            groups = await stack.enter_async_context(aclosing(segments))
            first = await in_time(unless_gone(request, anext(groups, [])), shared.deadline(), progress)
            return _Streamed(_events(shared, fields, progress, first, groups), stack.pop_all())
        work = answered(shared, file.file, fields, wish, progress)
        answer = await in_time(unless_gone(request, work), shared.deadline(), progress)
    if isinstance(answer, str):
        return PlainTextResponse(answer, media_type=MEDIA_TYPES[fields.response_format])
    return JSONResponse(answer)


class _Streamed(StreamingResponse):
    """Server-sent events; the request is over behind the last one, or when the client goes away."""

    def __init__(self, events: AsyncIterator[str], stack: AsyncExitStack) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            await super().__call__(scope, receive, send)


async def _events(
    shared: Shared,
    fields: TranscriptionFields,
    progress: RecordingProgress,
    group: list[Segment],
    groups: AsyncIterator[list[Segment]],
) -> AsyncIterator[str]:
    """The events of an answer whose first segments are there; an error from now on becomes an event `error`."""
    segments: list[Segment] = []
    loop = asyncio.get_running_loop()
    begun, deadline = loop.time(), shared.deadline()
    text = ""
    try:
        while group:
            for segment, size in zip(group, await noise_of(shared, group, fields), strict=True):
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
            left = begun + deadline(progress) - loop.time()
            try:
                group = await asyncio.wait_for(anext(groups, []), max(left, 0.001))
            except TimeoutError:
                raise out_of_time() from None
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
