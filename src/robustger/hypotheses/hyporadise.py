"""Reads the JSON files of HyPoradise, the published N-best lists with references.

Two layouts of an entry are in use:

- ``{"input": [hypotheses], "output": reference}``, some files with ``"am_score": [scores]``, as the generator of the
  data set writes (Hypotheses-Paradise/Hypo2Trans, `generate_data/whisper/generate_hp_dataset.py`);
- ``{"input1": best, "input2": others, "output": reference}``, as the same repository's finetuning code reads
  (`H2T-LoRA/finetune.py`). That code puts `others` into its prompt as it is and does not say how the hypotheses are
  joined: here a list is taken as it is and a string is split at ". ", a separator that is in no hypothesis, since the
  generator's normalizer deletes it.

- as the second, with ``"input1"``, ``"input2"``, ``"input3"``, ..., each one hypothesis.

Entries stand in a list, in an object under their ids, column by column (``{"input": [...], "output": [...]}``, as
pandas writes it), or one a line (JSON Lines, as `datasets` and the hub write them).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.files import closing_unless_stdin, open_binary, shown_name
from robustger.hypotheses.checks import printable, shown
from robustger.hypotheses.jsonl import BadLine, parse_json
from robustger.hypotheses.values import NBest, parse_fields

_REFERENCE = "output"
_SCORES = ("am_score", "am_scores", "score", "scores")
_NUMBERED = re.compile(r"input([1-9]\d?)")


def read_hyporadise(path: str | Path) -> list[NBest]:
    """Reads a file of HyPoradise, JSON in any of its layouts, or JSON Lines.

    Args:
        path: the file, or "-" for standard input.

    Returns:
        The lists in the order of the file. An entry without an id of its own is named after file and position
        ("test_chime4-00000"). Keys that the layouts do not have are kept in `meta`.

    Raises:
        InputError: the file cannot be opened, is not JSON, or has neither layout; "file: entry k: what is wrong".
    """
    lists: list[NBest] = []
    for number, value in numbered_hyporadise(path):
        if isinstance(value, BadLine):
            raise InputError(f"{shown_name(path)}: entry {number}: {value.message}")
        lists.append(value)
    return lists


def numbered_hyporadise(path: str | Path) -> Iterator[tuple[int, NBest | BadLine]]:
    """As `read_hyporadise`, each entry with its number from 1. Entries that cannot be read do not end the reading.

    Args:
        path: the file, or "-" for standard input.

    Raises:
        InputError: the file cannot be opened, is not JSON, or holds no entries; raised here, before the first value.
    """
    name = shown_name(path)
    with closing_unless_stdin(open_binary(path)) as file:
        content = file.read()
    stem = "stdin" if name == "stdin" else printable(Path(path).stem)
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        entries = _lines(content, stem) or list(_entries(parse_json(content, constants=True), stem))
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if not entries:
        raise InputError(f"{name}: holds no entries")
    return ((number, _list(number, id_, entry)) for number, (id_, entry) in enumerate(entries, start=1))


def _lines(content: bytes, stem: str) -> list[tuple[str, Any]]:
    """The entries of JSON Lines, each an object or the problem of its line; empty if the file has another form.

    It is of this form where it has several lines, and the first of them is an object by itself.
    """
    lines = [line for line in content.split(b"\n") if line.strip()]
    if len(lines) < 2 or not lines[0].lstrip().startswith(b"{"):
        return []
    entries: list[tuple[str, Any]] = []
    for index, line in enumerate(lines):
        try:
            entry = parse_json(line, constants=True)
        except InputError as error:
            if index == 0:
                return []
            entry = error
        entries.append((f"{stem}-{index:05d}", entry))
    return entries


def _list(number: int, id_: str, entry: Any) -> NBest | BadLine:
    try:
        if isinstance(entry, InputError):
            raise entry
        return parse_fields(_fields(id_, entry))
    except InputError as error:
        return BadLine(number, id_, str(error))


def _entries(data: Any, stem: str) -> Iterator[tuple[str, Any]]:
    if isinstance(data, list):
        for index, entry in enumerate(data):
            yield f"{stem}-{index:05d}", entry
    elif isinstance(data, Mapping) and _REFERENCE in data and not isinstance(data[_REFERENCE], str):
        yield from _rows(data, stem)
    elif isinstance(data, Mapping) and _REFERENCE in data:
        yield f"{stem}-00000", data
    elif isinstance(data, Mapping):
        yield from data.items()
    else:
        raise InputError("is not HyPoradise JSON: expected a list of entries or an object of entries")


def _rows(columns: Mapping[str, Any], stem: str) -> Iterator[tuple[str, Any]]:
    """Columns, each a list or an object keyed by row, as entries."""
    keys: list[str] | None = None
    for name, column in columns.items():
        if isinstance(column, list):
            rows = [str(index) for index in range(len(column))]
        elif isinstance(column, Mapping):
            rows = list(column)
        else:
            raise InputError(f"column {shown(name)} is neither a list nor an object, though 'output' is")
        if keys is not None and rows != keys:
            raise InputError(
                f"column {shown(name)} has {len(rows)} rows that are not those of the columns before it"
            )
        keys = rows
    for index, key in enumerate(keys or []):
        entry = {
            name: column[index] if isinstance(column, list) else column[key]
            for name, column in columns.items()
        }
        yield (f"{stem}-{int(key):05d}" if key.isdecimal() else key), entry


def _fields(id_: str, entry: Any) -> dict[str, Any]:
    """The fields of the package's own format."""
    if not isinstance(entry, Mapping):
        raise InputError("is not an object with 'input' and 'output'")
    if "input" in entry:
        hypotheses = entry["input"]
    elif "input1" in entry:
        hypotheses = _numbered(entry)
    else:
        raise InputError("has neither 'input' nor 'input1'; HyPoradise entries hold their hypotheses there")
    used = {"id", "input", _REFERENCE, *_SCORES, *filter(_NUMBERED.fullmatch, entry)}
    return {
        "id": entry.get("id", id_),
        "hypotheses": hypotheses,
        "scores": next((entry[key] for key in _SCORES if key in entry), None),
        "reference": entry.get(_REFERENCE),
        "meta": {key: value for key, value in entry.items() if key not in used},
    }


def _numbered(entry: Mapping[str, Any]) -> list[Any]:
    """The hypotheses of `input1`, `input2`, ...: of two keys, the second holds all but the best."""
    numbers = sorted(int(match[1]) for key in entry if (match := _NUMBERED.fullmatch(str(key))))
    if numbers != list(range(1, len(numbers) + 1)):
        gap = next(number for number in range(1, numbers[-1]) if number not in numbers)
        raise InputError(f"has 'input{numbers[-1]}', but no 'input{gap}'")
    if len(numbers) <= 2:
        return [entry["input1"], *_others(entry.get("input2"))]
    return [entry[f"input{number}"] for number in numbers if entry[f"input{number}"] is not None]


def _others(others: Any) -> list[Any]:
    if others is None or others == "":
        return []
    if isinstance(others, str):
        return [text.strip() for text in others.removesuffix(".").split(". ")]
    return others if isinstance(others, list) else [others]
