"""Checks a row of a manifest and turns it into an `Utterance`; names misspelled keys and those of other programs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.hypotheses.checks import JSON_ARRAY, finite_number, shown
from robustger.hypotheses.jsonl import BadLine
from robustger.manifest.values import KEYS, NUMBERS, TEXTS, Utterance

ManifestRow = tuple[int, Utterance | BadLine]  # the number of the line, and what stands there

# The names of these keys in other programs. In `meta` they would have no effect, and nobody would notice.
_ELSEWHERE = {
    "id": ("utt", "utt_id", "uttid", "utterance", "utterance_id", "uid", "key", "name", "segment_id"),
    "audio": (
        *("audio_filepath", "audio_file", "audio_path", "file", "file_name", "filename", "filepath", "path"),
        *("wav", "wav_path", "recording"),
    ),
    "text": (
        "transcript",
        "transcripts",
        "transcription",
        "transcriptions",
        "normalized_text",
        "supervisions",
    ),
    "start": ("begin", "begin_time", "onset", "start_time", "start_sec", "start_seconds"),
    "end": ("end_time", "end_sec", "end_seconds", "stop"),
}
_MEANT = {name: key for key, names in _ELSEWHERE.items() for name in names}


def parsed(
    number: int, fields_of: Callable[[], Any], folder: Path, id_: str | None = None
) -> Utterance | BadLine:
    """The utterance of a row, or a `BadLine` that says what is wrong with it.

    Args:
        number: of its line.
        fields_of: gives its fields; may raise InputError.
        folder: the folder of relative paths.
        id_: the id it has, where that is known apart from its fields.
    """
    fields: Any = None
    try:
        fields = fields_of()
        return utterance_of(fields, folder)
    except InputError as error:
        if isinstance(fields, dict) and isinstance(fields.get("id"), str | int):
            id_ = str(fields["id"])
        return BadLine(number, id_, str(error))


def utterance_of(fields: Any, folder: Path) -> Utterance:
    """The utterance that the fields describe.

    Raises:
        InputError: what is wrong with them.
    """
    if isinstance(fields, list) and fields and isinstance(fields[0], Mapping):
        raise InputError(JSON_ARRAY)
    if not isinstance(fields, dict):
        raise InputError(f"expected a JSON object with 'id' and 'audio', found {shown(fields)}")
    fields = with_times({key: value for key, value in fields.items() if value is not None or key not in KEYS})
    known = {key: value for key, value in fields.items() if key in KEYS}
    others = {key: value for key, value in fields.items() if key not in KEYS}
    _refuse_misnamed(others, known)
    if isinstance(known["id"], int) and not isinstance(known["id"], bool):
        known["id"] = str(known["id"])
    for key in known.keys() & set(TEXTS):
        if not isinstance(known[key], str):
            hint = (
                "; write the path of its file" if key == "audio" and isinstance(known[key], Mapping) else ""
            )
            raise InputError(f"{key!r} must be a string, not {shown(known[key])}{hint}")
    for key in ("id", "audio"):
        if not known[key].strip() or "\0" in known[key]:
            raise InputError(f"{key!r} must not be empty or hold a null character")
    for key in known.keys() & set(NUMBERS):
        known[key] = finite_number(known[key], repr(key))
    start, end = known.get("start"), known.get("end")
    if (start or 0.0) < 0 or (end is not None and end <= (start or 0.0)):
        raise InputError(f"'start' ({start} s) and 'end' ({end} s) must be 0 <= start < end")
    meta = known.pop("meta", {})
    if not isinstance(meta, Mapping):
        raise InputError(f"'meta' must be an object, not {shown(meta)}")
    twice = others.keys() & meta.keys()
    if twice:
        raise InputError(f"{shown(min(twice))} occurs both in the line and in its 'meta'; write it once")
    for key in ("audio", "clean_audio"):
        if key in known:
            known[key] = folder / known[key]
    return Utterance(**known, meta={**meta, **others})


def with_times(fields: dict[str, Any]) -> dict[str, Any]:
    """Replaces `offset` and `duration` in the fields by `start` and `end`.

    A `duration` without an `offset` is how long the recording is, and no part of it.

    Raises:
        InputError: times that are no numbers, or that say two things.
    """
    if fields.get("onset") is not None and fields.get("offset") is not None:  # an offset is an end there
        raise InputError("unknown key 'onset'; name 'onset' and 'offset' 'start' and 'end'")
    offset, duration = fields.get("offset"), fields.get("duration")
    start, end = fields.get("start"), fields.get("end")
    if offset is not None and start is not None and finite_number(offset, "'offset'") != start:
        raise InputError(f"'start' ({shown(start)}) and 'offset' ({shown(offset)}) differ; write one of them")
    if offset is None and start is not None and end is None and duration is not None:
        raise InputError(
            "'duration' beside 'start' may be that of the part or that of the recording; write 'end' for the part's"
        )
    if offset is None:
        return fields
    fields = {key: value for key, value in fields.items() if key != "offset"}
    fields["start"] = finite_number(offset, "'offset'")
    if end is None and duration is not None:
        seconds = finite_number(fields.pop("duration"), "'duration'")
        if seconds > 0:  # NeMo, whose keys these are, takes others for "to the end"
            fields["end"] = fields["start"] + seconds
    return fields


def looks_like(key: str, names: Iterable[str]) -> str | None:
    """The first of `names` that means `key` in another program, or that spells it in another way."""
    others = {key, *_ELSEWHERE.get(key, ())}
    return next((name for name in names if name.strip().lower() in others), None)


def _refuse_misnamed(others: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for key in others:
        plain = key.strip().lower()
        near = difflib.get_close_matches(plain, KEYS, n=1, cutoff=0.8)
        if near or (plain == "offset" != key):
            raise InputError(f"unknown key {shown(key)}; did you mean {(near or [plain])[0]!r}?")
    for key in ("id", "audio"):
        if key not in known:
            meant = looks_like(key, others)
            hint = f"; name {meant!r} so" if meant else ""
            raise InputError(f"key {key!r} is missing; every utterance needs 'id' and 'audio'{hint}")
    for key in others:
        meant = _MEANT.get(key.strip().lower())
        if meant in ("text", "start", "end") and meant not in known:
            raise InputError(f"unknown key {shown(key)}; did you mean {meant!r}?")
