"""Streams, loads and saves N-best lists in JSONL. The docstring of `robustger.hypotheses` describes the format."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from robustger.errors import InputError, one_line
from robustger.files import atomic_writer, closing_unless_stdin, open_binary, shown_name
from robustger.hypotheses.checks import JSON_ARRAY, shown
from robustger.hypotheses.values import NBest, each_nbest, parse_fields

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of an N-best file that could not be read.

    Attributes:
        line: its number, from 1.
        id: the id it gives, where that much could be read.
        message: what is wrong and what to do, without file and line; a long one is cut.
    """

    line: int
    id: str | None
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message))


def read_nbest(path: str | Path) -> Iterator[NBest | BadLine]:
    """Streams an N-best JSONL file in constant memory: yields one value for every line that is not blank, in order.

    Whether ids repeat is not looked at, which would need memory; `load_nbest` does.

    Args:
        path: the file, or "-" for standard input.

    Raises:
        InputError: the file cannot be opened or is a recording; raised here, before the first value is asked for.
    """
    return (value for _, value in read_numbered(path))


def read_numbered(path: str | Path) -> Iterator[tuple[int, NBest | BadLine]]:
    """As `read_nbest`, each value with the number of its line, from 1; blank lines count.

    Args:
        path: the file, or "-" for standard input.

    Raises:
        InputError: the file cannot be opened or is a recording; raised here, before the first value is asked for.
    """
    return _numbered(open_json_lines(path))


def stream_nbest(path: str | Path) -> Iterator[NBest]:
    """Streams an N-best JSONL file in constant memory and stops at the first line that cannot be read.

    Args:
        path: the file, or "-" for standard input.

    Raises:
        InputError: the file cannot be opened, or, when it is reached, a line cannot be read ("file:line: what is
            wrong").
    """
    return _checked(open_json_lines(path), shown_name(path))


def _checked(file: BinaryIO, name: str) -> Iterator[NBest]:
    for line, value in _numbered(file):
        if isinstance(value, BadLine):
            raise InputError(f"{name}:{line}: {value.message}")
        yield value


def load_nbest(path: str | Path, strict: bool = True) -> list[NBest]:
    """Reads a whole N-best JSONL file.

    Args:
        path: the file, or "-" for standard input.
        strict: False leaves out lines that cannot be read, and lists whose id an earlier one has, with a logged warning
            each.

    Raises:
        InputError: the file cannot be opened; if strict, the first line that cannot be read or repeats an id
            ("file:line: what is wrong").
    """
    lists: dict[str, tuple[int, NBest]] = {}
    for line, value in _numbered(open_json_lines(path)):
        if isinstance(value, BadLine):
            problem = value.message
        elif value.id in lists:
            problem = f"id {shown(value.id)} stands in line {lists[value.id][0]} already; make ids unique"
        else:
            lists[value.id] = (line, value)
            continue
        message = f"{shown_name(path)}:{line}: {problem}"
        if strict:
            raise InputError(message)
        logger.warning("%s (left out)", message)
    return [nbest for _, nbest in lists.values()]


def save_nbest(lists: Iterable[NBest], path: str | Path) -> None:
    """Writes an N-best JSONL file, whole or not at all.

    Args:
        lists: may be a generator; it is written as it comes.
        path: the file, or "-" for standard output.

    Raises:
        InputError: the file cannot be written, or a list holds what JSON cannot, or is none.
    """
    lists = each_nbest(lists)
    with atomic_writer(path) as file:
        for nbest in lists:
            try:
                line = json.dumps(nbest.to_dict(), ensure_ascii=False, allow_nan=False)
                line.encode()  # half of a surrogate pair is a str, but not text
            except (TypeError, ValueError, RecursionError) as error:
                raise InputError(f"N-best list {nbest.id!r} cannot be written as JSON: {error}") from None
            file.write(line + "\n")


def open_json_lines(path: str | Path) -> BinaryIO:
    """Opens a JSON Lines file; "-" is standard input.

    Raises:
        InputError: the file cannot be opened, or it is a recording or an archive, which would fail line by line.
    """
    file = open_binary(path)
    if str(path) != "-" and Path(path).is_file():
        start = file.read(12)
        file.seek(0)
        if kind := kind_of_binary(start):
            file.close()
            raise InputError(
                f"{shown_name(path)}: is {kind} where JSON Lines are needed; recordings go to robustger transcribe, or "
                "into a manifest for robustger nbest (docs/how-to/nbest.md)"
            )
    return file


def kind_of_binary(start: bytes) -> str | None:
    """What a file is that begins with these bytes; None where it may be text."""
    if start.startswith((b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\x1aE\xdf\xa3")):
        return "a recording"
    if (start[:4] == b"RIFF" and start[8:] == b"WAVE") or start[4:8] == b"ftyp":
        return "a recording"
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        return "a packed file"
    return None


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | BadLine]]:
    """The lines of a JSON Lines file that are not blank, numbered from 1, without a byte order mark.

    An array that is spread over lines is named as such, once; its other lines say that they belong to it. The file is
    closed at the end, unless it is standard input.
    """
    began: int | None = None  # the line in which an array begins
    first = True
    with closing_unless_stdin(file):
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            if first and _begins_array(line):
                began = number
                yield number, BadLine(number, None, JSON_ARRAY)
            elif began is not None:
                yield number, BadLine(number, None, f"belongs to the JSON array that begins in line {began}")
            else:
                yield number, line
            first = False


def _begins_array(line: bytes) -> bool:
    """Whether an array begins in the line and does not end in it; a line like "[INFO] loading" begins none."""
    start = line.strip()
    if not start.startswith(b"[") or start[1:].lstrip()[:1] not in (b"", b"{"):
        return False
    try:
        parse_json(line)
    except InputError:
        return True
    return False


def _numbered(file: BinaryIO) -> Iterator[tuple[int, NBest | BadLine]]:
    for number, line in numbered_lines(file):
        yield number, line if isinstance(line, BadLine) else _read_line(number, line)


def _read_line(number: int, line: bytes) -> NBest | BadLine:
    fields: Any = None
    try:
        fields = parse_json(line)
        return parse_fields(fields)
    except InputError as error:
        id_ = fields.get("id") if isinstance(fields, dict) else None
        known = isinstance(id_, str | int) and not isinstance(id_, bool)
        return BadLine(number, str(id_) if known else None, str(error))


def parse_json(text: bytes, *, constants: bool = False) -> Any:
    """Parses one JSON value strictly.

    Args:
        text: one value, in UTF-8.
        constants: take NaN and Infinity, which Python's programs write, for numbers; for files of many entries, of
            which one that holds such a score must not make the others unreadable.

    Raises:
        InputError: what is wrong with it: not UTF-8, not JSON, half a character, or a key that stands twice in one
            object, of which a dictionary would silently keep the last.
    """
    refuse = None if constants else _refuse_constant
    try:
        fields = json.loads(text.decode("utf-8"), parse_constant=refuse, object_pairs_hook=_unique_keys)
        if b"\\ud" in text.lower():
            json.dumps(fields, ensure_ascii=False).encode()  # fails on half of a surrogate pair
    except UnicodeEncodeError:
        raise InputError(
            "a \\u escape stands for half a character (a lone surrogate); write both halves"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"byte {error.start + 1} of the line is not UTF-8; save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise InputError(f"not valid JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise InputError("nested too deeply; an N-best list is a flat JSON object") from None
    except ValueError as error:  # an integer of thousands of digits
        raise InputError(f"not readable as JSON: {error}") from None
    return fields


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise InputError(f"key {shown(twice)} occurs twice in one object; write it once")
    return fields


def _refuse_constant(name: str) -> float:
    raise InputError(f"{name} is not JSON; write a finite number or null")
