"""Reads manifests in CSV and TSV with a line of column names.

In a TSV a quote is an ordinary character, because Kaldi, Common Voice and ESPnet write TSV in this way. In a CSV, a
cell that begins with a quote ends at the next quote, and may hold line ends before it. Somebody may have forgotten the
closing quote. That is assumed if the next quote does not end a cell, or if lines before it look like rows of their own.
The row is then reported, and reading goes on with the next line, so no other row is lost.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.files import open_binary
from robustger.hypotheses.checks import shown
from robustger.hypotheses.jsonl import BadLine
from robustger.manifest.rows import ManifestRow, looks_like, parsed
from robustger.manifest.values import NUMBERS

_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
_REQUIRED = ("id", "audio")
_TIMES = ("offset", "duration")
_FILE = re.compile(r"\S(.*\S)?\.\w{0,4}[A-Za-z]\w{0,4}|\S*/\S.*")  # a name with a suffix, or a path


def read_table(path: Path) -> Iterator[ManifestRow]:
    """The utterances of a table, each under the number of the line in which its row begins.

    Args:
        path: a TSV where its suffix says so, else a CSV, separated as its first line is: by commas, by semicolons, as
            programs in many countries write it (numbers may have a decimal comma then), or by tabs.

    Raises:
        InputError: the file cannot be opened, is UTF-16, or its first line does not name the columns; raised here,
            before the first value.
    """
    # Bytes that are not UTF-8 become surrogates, which are found row by row: one bad row does not end the reading.
    text = io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        lines = enumerate(text, start=1)
        table = _Table(path, lines)
    except InputError as error:
        text.close()
        raise InputError(f"{path}:1: {error}") from None
    except csv.Error as error:
        text.close()
        raise InputError(f"{path}:1: not readable as CSV: {error}") from None

    def rows() -> Iterator[ManifestRow]:
        with text:
            yield from table.rows()

    return rows()


class _Table:
    """The rows of one table, behind its column names.

    Args:
        path: of the file; its suffix says whether quotes are characters.
        lines: its lines, numbered, with their ends.

    Raises:
        InputError: the first line does not name the columns.
    """

    def __init__(self, path: Path, lines: Iterator[tuple[int, str]]) -> None:
        self._folder = path.parent
        self._lines = lines
        self._quotes = path.suffix.lower() != ".tsv"
        self._waiting: deque[tuple[int, str]] = deque()  # lines that were looked at and belong to no row yet
        _, first = next(lines, (1, ""))
        if first.startswith(("\udcff\udcfe", "\udcfe\udcff")):
            raise InputError("is UTF-16; save the file as UTF-8")
        self._separator = ","
        if not self._quotes:
            self._separator = "\t"
        elif match := re.fullmatch(r"sep=([,;|\t])", first.rstrip("\r\n")):  # a line by which Excel is told
            self._separator: str = match[1]
            _, first = next(lines, (1, ""))
        else:
            self._separator = next((one for one in _SEPARATORS if self._names_columns(first, one)), ",")
        self.header = self._columns(first)

    def rows(self) -> Iterator[ManifestRow]:
        """One value for every row that is not blank, and one for every line that cannot be a row."""
        while (line := self._next()) is not None:
            number, text = line
            try:
                row, open_ = self._cells(text)
            except csv.Error as error:
                yield number, BadLine(number, None, f"not readable as CSV: {error}")
                continue
            if open_:
                whole = self._whole(text)
                if whole is None:
                    message = (
                        "a quote is opened and not closed in this row; close it, or write a quote that is part of the "
                        'text as "" within quotes'
                    )
                    yield number, BadLine(number, self._id_before(row), message)
                    continue
                row = whole
            if any(cell.strip() for cell in row):
                yield number, parsed(number, lambda row=row: self._fields(row), self._folder)

    def _next(self) -> tuple[int, str] | None:
        return self._waiting.popleft() if self._waiting else next(self._lines, None)

    def _cells(self, text: str, separator: str = "") -> tuple[list[str], bool]:
        """The cells of one line, and whether the last of them is still open at its end.

        Raises:
            csv.Error: a cell is longer than cells may be.
        """
        between = separator or self._separator
        if not self._quotes:
            return text.rstrip("\r\n").split(between), False
        asked = False

        def lines() -> Iterator[str]:
            nonlocal asked
            yield text
            asked = True

        return next(csv.reader(lines(), delimiter=between), []), asked

    def _whole(self, text: str) -> list[str] | None:
        """The row that begins with `text` and continues in the following lines; None if these lines form no row.

        Lines that were looked at in vain wait to be read as rows.
        """
        taken: list[tuple[int, str]] = []

        def more() -> Iterator[str]:
            while (line := self._next()) is not None:
                taken.append(line)
                yield line[1]

        try:
            row = next(csv.reader(chain([text], more()), delimiter=self._separator, strict=True), [])
        except csv.Error:  # the quote was not closed, or closed in the middle of a word
            row = []
        if len(row) == len(self.header) and not any(self._is_row(line) for _, line in taken):
            return row
        self._waiting.extendleft(reversed(taken))
        return None

    def _is_row(self, text: str) -> bool:
        """Whether a line looks like a row of its own."""
        try:
            cells, _ = self._cells(text)
        except csv.Error:
            return False
        if len(cells) != len(self.header) or not cells[self.header.index("id")].strip():
            return False
        return _FILE.fullmatch(cells[self.header.index("audio")]) is not None

    def _fields(self, row: list[str]) -> dict[str, Any]:
        if len(row) != len(self.header):
            raise InputError(f"{len(row)} cells under {len(self.header)} column names")
        if not _is_text("".join(row)):
            raise InputError("the row is not UTF-8; save the file as UTF-8")
        fields: dict[str, Any] = {
            name: cell for name, cell in zip(self.header, row, strict=True) if cell.strip()
        }
        numbers = set(NUMBERS) | (set(_TIMES) if "offset" in fields else set())
        for key in fields.keys() & numbers:
            cell = fields[key].replace(",", ".", 1) if self._separator == ";" else fields[key]
            try:
                fields[key] = float(cell)
            except ValueError:
                raise InputError(f"{key!r} must be a number, not {shown(fields[key])}") from None
        return fields

    def _id_before(self, row: list[str]) -> str | None:
        """The id of a row that breaks off, where it stands before that."""
        place = self.header.index("id")
        return row[place] if place < len(row) - 1 and row[place].strip() and _is_text(row[place]) else None

    def _names_columns(self, line: str, separator: str) -> bool:
        names = [name.strip() for name in self._cells(line, separator)[0]]
        return all(key in names for key in _REQUIRED)

    def _columns(self, line: str) -> list[str]:
        cells, open_ = self._cells(line)
        header = [name.strip() for name in cells]
        if not _is_text(line):
            raise InputError("the line is not UTF-8; save the file as UTF-8")
        if open_:
            raise InputError("a quote is opened and not closed")
        for key in _REQUIRED:
            if key not in header:
                raise InputError(
                    f"no column {key!r}; the first line must name the columns, among them 'id' and 'audio'"
                    f"{self._why_missing(key, line, header)}"
                )
        if len(set(header)) < len(header):
            raise InputError("a column name occurs twice; make column names unique")
        return header

    def _why_missing(self, key: str, line: str, header: list[str]) -> str:
        if meant := looks_like(key, header):
            return f"; name {meant!r} so"
        for separator, name in _SEPARATORS.items():
            if separator != self._separator and self._names_columns(line, separator):
                return f"; they are separated by {name}, so call the file .csv"
        return ""


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
