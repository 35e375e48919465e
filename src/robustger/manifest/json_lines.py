"""Reads manifests in JSON Lines: one object per line with the keys of `Utterance`, or with those of NeMo.

A manifest whose first object names its recording `audio_filepath`, and has no `id`, is NeMo's. Its utterances are named
as `robustger.hypotheses.nemo_manifest` says, for which all its lines are held in memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.hypotheses.jsonl import BadLine, numbered_lines, open_json_lines, parse_json
from robustger.hypotheses.nemo_manifest import NEMO_AUDIO, named_rows, nemo_row
from robustger.manifest.rows import ManifestRow, parsed
from robustger.manifest.values import Utterance

Line = tuple[int, bytes | BadLine]


def read_json_lines(path: str | Path) -> Iterator[ManifestRow]:
    """The utterances of a JSON Lines manifest, each under the number of its line.

    Args:
        path: the file; "-" is standard input, with paths relative to the working folder.

    Raises:
        InputError: the file cannot be opened; raised here, before the first value.
    """
    file = open_json_lines(path)
    return _rows(numbered_lines(file), Path() if str(path) == "-" else Path(path).parent)


def _rows(lines: Iterator[Line], folder: Path) -> Iterator[ManifestRow]:
    before: list[Line] = []
    for line in lines:
        before.append(line)
        fields = _object(line[1])
        if isinstance(fields, dict):
            if NEMO_AUDIO in fields and not {"id", "audio"} & fields.keys():
                yield from _nemo_rows([*before, *lines], folder)
                return
            break
    for number, line in chain(before, lines):
        yield number, line if isinstance(line, BadLine) else _parsed(number, line, folder)


def _nemo_rows(lines: list[Line], folder: Path) -> Iterator[ManifestRow]:
    """The rows of a NeMo manifest; names depend on all of them."""
    found: dict[int, dict[str, Any]] = {}
    for number, line in lines:
        fields = _object(line)
        if isinstance(fields, dict) and "id" not in fields:
            with contextlib.suppress(InputError):  # told below, where the line is read again
                found[number] = nemo_row(fields)
    names = dict(zip(found, named_rows(list(found.values())), strict=True))
    for number, line in lines:
        yield (
            number,
            line if isinstance(line, BadLine) else _parsed(number, line, folder, names.get(number, {})),
        )


def _parsed(
    number: int, line: bytes, folder: Path, name: dict[str, Any] | None = None
) -> Utterance | BadLine:
    """The utterance of a line.

    Args:
        number: of the line.
        line: its JSON.
        folder: the folder of relative paths.
        name: in a manifest of NeMo's the name and times that the row got, empty where it could not be named.
    """

    def fields_of() -> Any:
        fields = parse_json(line)
        if not isinstance(fields, dict) or NEMO_AUDIO not in fields or "audio" in fields:
            return fields
        if name is not None and "id" not in fields:
            nemo_row(fields)  # raises an error that says what is wrong
            fields["id"] = name["id"]
            if "start" in name:
                fields["offset"] = name["start"]
        if "id" in fields:
            fields["audio"] = fields.pop(NEMO_AUDIO)
        return fields

    return parsed(number, fields_of, folder)


def _object(line: bytes | BadLine) -> Any:
    """The object in the line; None if it cannot be read."""
    try:
        return None if isinstance(line, BadLine) else parse_json(line)
    except InputError:
        return None
