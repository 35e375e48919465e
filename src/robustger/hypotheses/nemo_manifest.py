"""Reads rows of NeMo's manifests and gives them ids, because NeMo's rows have none.

A row is a JSON object with `audio_filepath`, perhaps `text`, and perhaps `offset` and `duration` in seconds. Several
rows with one `audio_filepath` are parts of one recording. NeMo's output manifests have `pred_text` and `beams` too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.files import shown_name
from robustger.hypotheses.checks import finite_number, shown
from robustger.hypotheses.jsonl import BadLine, parse_json
from robustger.hypotheses.keyed import read_lines

NEMO_AUDIO = "audio_filepath"


def load_nemo_manifest(manifest: str | Path) -> list[dict[str, Any]]:
    """The fields that a manifest gives every utterance, as arguments of `NBest.from_texts`.

    Raises:
        InputError: the file cannot be opened, or a line cannot be read. It is not skipped: all that follow would get
            the hypotheses of their neighbors.
    """
    name = shown_name(manifest)
    rows: list[dict[str, Any]] = []
    for number, line in read_lines(manifest):
        try:
            if isinstance(line, BadLine):
                raise InputError(line.message)
            rows.append(nemo_row(parse_json(line.encode())))
        except InputError as error:
            raise InputError(f"{name}:{number}: {error}") from None
    return named_rows(rows)


def nemo_row(fields: Any) -> dict[str, Any]:
    """The fields of one row: `audio`, and `reference`, `start` and `end` if they are known.

    Raises:
        InputError: it is no object with `audio_filepath`, or a time is no number.
    """
    if not isinstance(fields, Mapping) or NEMO_AUDIO not in fields:
        raise InputError(f"needs {NEMO_AUDIO!r}; a manifest of NeMo's is expected")
    if not isinstance(fields[NEMO_AUDIO], str) or not fields[NEMO_AUDIO].strip():
        raise InputError(f"{NEMO_AUDIO!r} must be the path of one file, not {shown(fields[NEMO_AUDIO])}")
    row: dict[str, Any] = {"audio": fields[NEMO_AUDIO]}
    if isinstance(text := fields.get("text"), str):
        row["reference"] = text
    if fields.get("offset") is not None:
        row["start"] = finite_number(fields["offset"], "'offset'")
    if fields.get("duration") is not None:
        duration = finite_number(fields["duration"], "'duration'")
        if duration > 0:  # NeMo takes others for "to the end"
            row["end"] = row.get("start", 0.0) + duration
    return row


def named_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of one manifest, each with an `id`; times that are those of a whole recording are left out.

    A row is named after its audio file, or after the file's path where files of one name are in several folders. Parts
    of one file get their times behind that, in milliseconds ("talk-00001500-00003500"), and rows that not even times
    tell apart their position.
    """
    parts = Counter(row["audio"] for row in rows)
    for row in rows:
        if "start" not in row and "end" in row:
            if parts[row["audio"]] > 1:
                row["start"] = 0.0
            else:
                del row["end"]  # the length of the whole recording, so this row is no part of it
    return [{"id": id_, **row} for id_, row in zip(_ids(rows), rows, strict=True)]


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    """For every row the first name that no other row has, from the file's own to one with the row's position."""
    files: dict[str, set[str]] = {}
    for row in rows:
        files.setdefault(Path(row["audio"]).stem, set()).add(row["audio"])
    names: list[list[str]] = []  # of every row, the last first
    for position, row in enumerate(rows):
        audio, stem = row["audio"], Path(row["audio"]).stem
        base = stem if len(files[stem]) == 1 else audio
        times = "".join(f"-{1000 * row[key]:08.0f}" for key in ("start", "end") if key in row)
        names.append([f"{base}-{position:05d}", f"{base}{times}", audio, stem])
    while True:
        count = Counter(own[-1] for own in names)
        repeated = [own for own in names if count[own[-1]] > 1]
        if not repeated:
            return [own[-1] for own in names]
        for own in repeated:
            if len(own) > 1:  # the last name ends in the row's position, so no two rows keep the same name
                own.pop()
