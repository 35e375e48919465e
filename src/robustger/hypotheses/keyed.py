"""Reads Kaldi's text archives, in which Kaldi, ESPnet and others write a key and a value on every line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.files import closing_unless_stdin, open_binary, shown_name
from robustger.hypotheses.jsonl import BadLine, parse_json
from robustger.hypotheses.values import NBest, shown

# A list or a bad line, and where it stands: "file:line", or "file: entry k" where a file is no sequence of lines.
Placed = tuple[str, NBest | BadLine]

_BLANKS = re.compile(r"[ \t]+")
_SCORE = re.compile(r"(?:tensor\()?([-+.\deE]+)(?:,.*)?\)?")  # Python's text of a number, or of torch's


@dataclass(slots=True)
class Archive:
    """One file of keys and values.

    Attributes:
        name: the file, as messages call it.
        values: the value of every key and the number of its line, in the order of the file.
        bad: lines that could not be read, and keys that stand there already.
    """

    name: str
    values: dict[str, tuple[int, str]] = field(default_factory=dict)
    bad: list[Placed] = field(default_factory=list)

    def place(self, key: str) -> str:
        return f"{self.name}:{self.values[key][0]}"

    def number(self, key: str) -> float | Placed:
        """The value of `key` as a finite number, or a message that says where and why there is none."""
        if key not in self.values:
            return self.name, BadLine(0, key, f"has no line for {key!r}; the list is kept without scores")
        line, text = self.values[key]
        number = parse_score(text)
        if number is None:
            message = f"{shown(text)} is not a finite number; the list is kept without scores"
            return f"{self.name}:{line}", BadLine(line, key, message)
        return number


def parse_score(text: str) -> float | None:
    """Parses a number, also in `tensor(-4.2)` and `tensor(-4.2, device='cuda:0')`; None if it is not finite."""
    match = _SCORE.fullmatch(text.strip())
    try:
        number = float(match[1]) if match else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_lines(path: str | Path, strip: str = " \t\r\n") -> Iterator[tuple[int, str | BadLine]]:
    """The lines that are not blank, without the characters `strip` around them, numbered from 1.

    Raises:
        InputError: the file cannot be opened.
    """
    with closing_unless_stdin(open_binary(path)) as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip(strip)
            except UnicodeDecodeError as error:
                yield number, BadLine(number, None, f"byte {error.start + 1} of the line is not UTF-8")
                continue
            if text.strip(" "):
                yield number, text


def read_archive(path: str | Path) -> Archive:
    """Reads a whole file of `key value` lines; a value may be empty.

    Raises:
        InputError: the file cannot be opened.
    """
    archive = Archive(shown_name(path))
    for number, line in read_lines(path):
        if isinstance(line, BadLine):
            archive.bad.append((f"{archive.name}:{number}", line))
            continue
        key, *value = _BLANKS.split(line, maxsplit=1)
        if key in archive.values:
            message = f"{key!r} stands in line {archive.values[key][0]} already; the first is kept"
            archive.bad.append((f"{archive.name}:{number}", BadLine(number, key, message)))
        else:
            archive.values[key] = (number, value[0] if value else "")
    return archive


def read_references(path: str | Path) -> Archive:
    """Reads references by id, from Kaldi's `text` or from JSON Lines with `id` and `text` (or `reference`).

    Raises:
        InputError: the file cannot be opened.
    """
    name = shown_name(path)
    first = (
        next((line for _, line in read_lines(path) if isinstance(line, str)), "") if name != "stdin" else ""
    )
    if not first.startswith("{"):
        return read_archive(path)
    archive = Archive(name)
    for number, line in read_lines(path):
        try:
            if isinstance(line, BadLine):
                raise InputError(line.message)
            fields = parse_json(line.encode())
            id_, text = _reference(fields)
            if id_ in archive.values:
                raise InputError(f"id {id_!r} stands in line {archive.values[id_][0]} already")
            archive.values[id_] = (number, text)
        except InputError as error:
            archive.bad.append((f"{name}:{number}", BadLine(number, None, str(error))))
    return archive


def _reference(fields: Any) -> tuple[str, str]:
    if not isinstance(fields, dict):
        raise InputError("expected a JSON object with 'id' and 'text'")
    id_ = fields.get("id")
    text = fields.get("text", fields.get("reference"))
    if isinstance(id_, bool) or not isinstance(id_, str | int) or not isinstance(text, str):
        raise InputError("needs 'id' and 'text', a string each")
    return str(id_), text
