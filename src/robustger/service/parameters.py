"""The fields of a request for a transcription, checked by the rules of OpenAI's service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile

from robustger.service.problems import ServiceError

OPENAI_MODELS = (
    *("whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
    "gpt-4o-mini-transcribe-2025-12-15",
)
Own = Literal["nbest", "uncorrected", "edits", "noise"]
OWN_INCLUDES: frozenset[str] = frozenset(get_args(Own))
_MOST_FIELDS = 64
_LISTS = ("include", "timestamp_granularities")


class TranscriptionFields(BaseModel):
    """The form's fields beside the file."""

    model_config = ConfigDict(frozen=True)

    model: str = Field("", description="The preset's name, or a name of one of OpenAI's models.")
    language: str | None = Field(
        None, max_length=40, description="The language that is spoken, as a code such as en."
    )
    prompt: str | None = Field(None, description="Accepted and ignored.")
    temperature: float | None = Field(None, ge=0, le=1, description="Accepted and ignored.")
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    timestamp_granularities: tuple[Literal["word", "segment"], ...] = Field(
        (), description="Needs verbose_json; words alone give no segments."
    )
    include: tuple[Literal["logprobs"] | Own, ...] = Field(
        (), description="logprobs is OpenAI's and needs json; the others are of robustger."
    )
    stream: bool = False
    correction: Literal["full", "none"] = Field(
        "full", description="none gives the text of the recognizer alone, which is faster."
    )

    @property
    def own(self) -> frozenset[str]:
        """The wishes for parts of the answer that OpenAI's service does not have."""
        return OWN_INCLUDES & set(self.include)

    @property
    def needs_words(self) -> bool:
        """Whether the words need times; subtitles are cut by them, and log-probabilities belong to them."""
        return (
            self.response_format in ("srt", "vtt")
            or "word" in self.timestamp_granularities
            or "logprobs" in self.include
        )


def form_schema() -> dict[str, Any]:
    """The description of the form for OpenAPI."""
    schema = TranscriptionFields.model_json_schema()
    properties = dict(schema["properties"])
    for name in _LISTS:
        properties[f"{name}[]"] = properties.pop(name)
    properties["file"] = {"type": "string", "format": "binary", "description": "The recording."}
    body = {"type": "object", "properties": properties, "required": ["file"]}
    return {"required": True, "content": {"multipart/form-data": {"schema": body}}}


async def read_form(request: Request, preset: str) -> tuple[UploadFile, TranscriptionFields]:
    """Reads the body of a request, and checks its fields.

    Args:
        request: the request; its `form()` closes the file at the end.
        preset: the name of the preset, which is a name of a model here.

    Raises:
        ServiceError: a field is missing or wrong.
    """
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        raise ServiceError(400, "Send the recording as multipart/form-data, in the field file.", param="file")
    form = await request.form(max_files=1, max_fields=_MOST_FIELDS)
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ServiceError(400, "The field file is missing; it holds the recording.", param="file")
    if not file.size:
        raise ServiceError(400, "The file is empty.", param="file", code="invalid_audio")
    return file, _checked(form, preset)


def _checked(form: FormData, preset: str) -> TranscriptionFields:
    texts: dict[str, Any] = {}
    for name in TranscriptionFields.model_fields:
        values: Sequence[Any] = form.getlist(f"{name}[]") + form.getlist(name)
        values = [value for value in values if value != ""]
        if any(not isinstance(value, str) for value in values):
            raise ServiceError(400, f"The field {name} must be text.", param=name)
        if values:
            texts[name] = tuple(values) if name in _LISTS else values[-1]
    try:
        fields = TranscriptionFields(**texts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        raise ServiceError(400, f"The field {name}: {first['msg']}.", param=name) from None
    _check_together(fields, preset)
    return fields


def _check_together(fields: TranscriptionFields, preset: str) -> None:
    """The rules about several fields.

    Raises:
        ServiceError: two fields do not go together, or there is no such model.
    """
    check_model(fields.model, preset)
    if fields.timestamp_granularities and fields.response_format != "verbose_json":
        raise ServiceError(
            400,
            "timestamp_granularities needs the response_format verbose_json.",
            param="timestamp_granularities",
        )
    if "logprobs" in fields.include and fields.response_format != "json":
        raise ServiceError(400, "include[]=logprobs needs the response_format json.", param="include")
    if fields.own and fields.response_format not in ("json", "verbose_json"):
        raise ServiceError(400, "include[] needs the response_format json or verbose_json.", param="include")
    if fields.stream and fields.response_format in ("srt", "vtt"):
        raise ServiceError(
            400, f"stream does not go with the response_format {fields.response_format}.", param="stream"
        )


def check_model(model: str, preset: str) -> None:
    """Refuses the name of a model that there is not; names of OpenAI's models mean the preset, and so does none.

    Raises:
        ServiceError: there is no such model.
    """
    if model and model not in (preset, *OPENAI_MODELS):
        raise ServiceError(
            404,
            f"There is no model {model[:60]!r} here; choose {preset}.",
            param="model",
            code="model_not_found",
        )
