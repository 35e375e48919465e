"""POST /v1/corrections: N-best lists of any recognizer in, their texts out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.pipeline import Segment
from robustger.pipeline.batch import BatchItem
from robustger.service.judging import judged_changes
from robustger.service.parameters import check_model
from robustger.service.problems import ServiceError
from robustger.service.recordings import RecordingProgress
from robustger.service.shared import Shared, shared_of
from robustger.service.waiting import in_time, unless_gone

router = APIRouter()
MOST_HYPOTHESES, MOST_CHARACTERS = 100, 5_000  # of a list, and of a hypothesis

_LIST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["hypotheses"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "hypotheses": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "scores": {"type": "array", "items": {"type": "number"}},
        "second_scores": {"type": "array", "items": {"type": "number"}},
        "written": {"type": "array", "items": {"type": "string"}},
        "language": {"type": "string"},
    },
}
_BODY_SCHEMA: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": ["lists"],
                        "properties": {
                            "model": {"type": "string"},
                            "lists": {"type": "array", "items": _LIST_SCHEMA, "minItems": 1},
                        },
                        "additionalProperties": False,
                    },
                    _LIST_SCHEMA,
                ]
            }
        }
    },
}
_KEYS = tuple(_LIST_SCHEMA["properties"])
_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is wrong; what is wrong with a single list stands in its result."},
    401: {"description": "The key is missing or wrong."},
    404: {"description": "There is no such model."},
    408: {"description": "The upload or the answer took too long."},
    413: {"description": "The body is too large."},
    503: {"description": "The server is full; Retry-After says when to come again."},
}


@router.post("/v1/corrections", openapi_extra={"requestBody": _BODY_SCHEMA}, responses=_ANSWERS)
async def correct_lists(request: Request) -> Response:
    """Corrects one list or many."""
    shared = shared_of(request)
    with shared.admitted():
        given = _lists_of(await request.body(), shared)
        work = _results(shared, given)
        results = await in_time(unless_gone(request, work), shared.deadline(len(given)), RecordingProgress())
    return JSONResponse({"results": results})


def _lists_of(body: bytes, shared: Shared) -> list[Any]:
    """The lists of a body, still to be checked one by one.

    Raises:
        ServiceError: the body is no JSON of the right form.
    """
    try:
        data = json.loads(body)
        json.dumps(data, ensure_ascii=False).encode()  # halves of surrogate pairs are no text
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise ServiceError(400, f"The body must be JSON: {reason}.") from None
    if isinstance(data, Mapping) and "hypotheses" in data:
        data = {"lists": [data]}
    if not isinstance(data, Mapping) or not isinstance(data.get("lists"), list):
        raise ServiceError(
            400, 'The body must be {"lists": [...]} or one list with "hypotheses".', param="lists"
        )
    if unknown := sorted(set(data) - {"model", "lists"}):
        raise ServiceError(400, f"There is no field {unknown[0][:60]!r}; there are model and lists.")
    model = data.get("model") or ""
    if not isinstance(model, str):
        raise ServiceError(400, "model must be a string.", param="model")
    check_model(model, shared.settings.preset_name)
    lists: list[Any] = data["lists"]
    if not 1 <= len(lists) <= shared.settings.max_lists:
        raise ServiceError(
            400,
            f"{len(lists)} lists; give 1 to {shared.settings.max_lists} at once.",
            param="lists",
        )
    return lists


async def _results(shared: Shared, given: list[Any]) -> list[dict[str, Any]]:
    """One result for each list, in order."""
    results: list[dict[str, Any]] = [{} for _ in given]
    waiting: list[tuple[int, NBest]] = []
    for position, fields in enumerate(given):
        try:
            waiting.append((position, _nbest(fields, position)))
        except InputError as error:
            name = fields.get("id") if isinstance(fields, Mapping) else None
            problem = ServiceError(400, str(error), param=f"lists[{position}]")
            results[position] = {"id": name if isinstance(name, str) else str(position), **problem.body}
    size = shared.settings.batch_size
    for first in range(0, len(waiting), size):
        group = waiting[first : first + size]
        segments = await shared.batcher.segments([BatchItem(nbest) for _, nbest in group])
        for (position, _), segment in zip(group, segments, strict=True):
            results[position] = _result(segment)
            shared.log_text(segment.text)
    return results


def _nbest(fields: Any, position: int) -> NBest:
    """The list that the fields describe.

    Raises:
        InputError: what is wrong with them.
    """
    if not isinstance(fields, Mapping):
        raise InputError(f"a list must be an object with 'hypotheses', not {type(fields).__name__}")
    if unknown := sorted(set(fields) - set(_KEYS)):
        raise InputError(f"there is no key {unknown[0][:60]!r}; there are {', '.join(_KEYS)}")
    nbest = NBest.from_dict({"id": str(position), **fields}, where="list")
    if len(nbest.hypotheses) > MOST_HYPOTHESES:
        raise InputError(f"{len(nbest.hypotheses)} hypotheses; give at most {MOST_HYPOTHESES}")
    for text in (*nbest.texts, *nbest.written):
        if len(text) > MOST_CHARACTERS:
            raise InputError(f"a hypothesis of {len(text)} characters; give at most {MOST_CHARACTERS}")
    return nbest


def _result(segment: Segment) -> dict[str, Any]:
    transcript = segment.transcript
    return {
        "id": transcript.id,
        "text": segment.text,
        "changed": segment.text != segment.recognized,
        "confidence": None if transcript.word_confidences is None else round(transcript.confidence, 4),
        "uncorrected": segment.recognized,
        "edits": judged_changes(segment.nbest, transcript),
    }
