"""Reads corrections to evaluate, from `robustger correct` or any other program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.files import closing_unless_stdin, open_binary, shown_name

_ARRAY = "a JSON array, not JSON Lines; write each correction as a line of its own, without brackets around all of them"


def load_corrections(path: str | Path, *, written: bool = False) -> dict[str, str]:
    """Reads corrected texts by list id from JSON Lines.

    Only the keys `id` (text, or a whole number), `text` and perhaps `written` are read, so that corrections of other
    programs can be measured too. Blank lines, a byte order mark, and lines with the key `error` (lists that could not
    be read and therefore were not corrected) are skipped.

    Args:
        path: the file, or "-" for standard input.
        written: take the text with case and punctuation, `written`, of the corrections that have one.

    Raises:
        InputError: the file cannot be opened; or, naming file and line: a line that is not a JSON object, an `id` or
            `text` that is missing or of the wrong kind, or an id that an earlier line has.
    """
    texts: dict[str, str] = {}
    with closing_unless_stdin(open_binary(path)) as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                fields = _fields(line)
                if "error" in fields:
                    continue
                identifier, text = _identifier_and_text(fields, written)
                if identifier in texts:
                    raise InputError(f"id {identifier!r} was corrected before; keep one correction per id")
            except InputError as error:
                raise InputError(f"{shown_name(path)}:{number}: {error}") from None
            texts[identifier] = text
    return texts


def _fields(line: bytes) -> dict[str, Any]:
    try:
        fields: Any = json.loads(line.decode("utf-8"))
    except json.JSONDecodeError as error:
        if line.strip() == b"[":  # an array with one correction a line
            raise InputError(_ARRAY) from None
        raise InputError(f"not valid JSON: {error.msg} at column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"byte {error.start + 1} of the line is not UTF-8; save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits; brackets without end
        raise InputError(f"not readable as JSON: {error}") from None
    if isinstance(fields, list):
        raise InputError(_ARRAY)
    if not isinstance(fields, dict):
        raise InputError("not a JSON object; write one with 'id' and 'text' per line")
    return fields


def _identifier_and_text(fields: dict[str, Any], written: bool) -> tuple[str, str]:
    identifier = fields.get("id")
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        identifier = str(identifier)
    if not isinstance(identifier, str) or not identifier:
        raise InputError("'id' must be the id of a list, as text")
    if "hypotheses" in fields and "text" not in fields:
        raise InputError(
            f"id {identifier!r} is an N-best list; corrections of it are what robustger correct writes"
        )
    if not isinstance(fields.get("text"), str):
        raise InputError(f"'text' of id {identifier!r} must be a string; give the corrected text")
    form = fields.get("written") if written else None
    if form is not None and not isinstance(form, str):
        raise InputError(
            f"'written' of id {identifier!r} must be a string; give the text with case and punctuation"
        )
    return identifier, fields["text"] if form is None else form
