"""Manifests: which recordings there are, what is said in them, and which clean recording belongs to which noisy one.

Three forms are read:

- JSON Lines, one object a line, and CSV or TSV with a header line, with the keys of `Utterance`. `id` and `audio` are
  required. Other keys (`speaker`, `duration`, ...) go to `meta`, unless they look like a misspelt one;
- a Kaldi data folder: `wav.scp`, with `text` and `segments` beside it where there are any;
- a `wav.scp` file by itself, which is read as its folder is.

Relative paths are relative to the manifest's folder, so that a folder of recordings and its manifest can be moved.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.hypotheses.files import atomic_writer, closing_unless_stdin, open_binary, shown_name
from robustger.hypotheses.jsonl import BadLine, decode
from robustger.hypotheses.values import finite_number, shown

_TEXTS = ("id", "audio", "text", "clean_audio", "noise")
_NUMBERS = ("snr_db", "start", "end")
_KEYS = (*_TEXTS, *_NUMBERS, "meta")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording, or a stretch of one.

    Attributes:
        id: names the utterance; not empty.
        audio: the recording.
        text: what is said in it, where known.
        clean_audio: the same utterance without noise, sample by sample alongside `audio`; `start` and `end` hold for
            both.
        noise: what noise there is: a label or a file.
        snr_db: how loud the speech is against the noise, in dB.
        start: where the utterance begins in the recording, in seconds; None is the beginning.
        end: where it ends, in seconds; None is the end.
        meta: anything else.
    """

    id: str
    audio: Path
    text: str | None = None
    clean_audio: Path | None = None
    noise: str | None = None
    snr_db: float | None = None
    start: float | None = None
    end: float | None = None
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_dict(self, folder: str | Path | None = None) -> dict[str, Any]:
        """The fields of one line of a JSONL manifest; what is not known is left out.

        Args:
            folder: paths of files inside this folder are written relative to it, others absolute. None leaves all
                paths as they are.
        """
        fields: dict[str, Any] = {"id": self.id, "audio": _path_in(folder, self.audio)}
        for key in _KEYS[2:-1]:
            value = getattr(self, key)
            if value is not None:
                fields[key] = _path_in(folder, value) if isinstance(value, Path) else value
        if self.meta:
            fields["meta"] = dict(self.meta)
        return fields


def read_manifest(path: str | Path) -> Iterator[tuple[int, Utterance | BadLine]]:
    """Streams a manifest: one value for every line that is not blank, in order, each with the number of its line.

    Only ids, and what a Kaldi folder has in `text`, are held in memory. Whether the recordings exist is not looked at.

    Args:
        path: JSON Lines; CSV or TSV, told by the suffix; a Kaldi data folder or its `wav.scp`; "-" is JSON Lines from
            standard input, with paths relative to the working folder.

    Returns:
        an iterator over (line number from 1, utterance or what is wrong with the line). A repeated id is wrong.

    Raises:
        InputError: the file cannot be opened, a CSV lacks the columns `id` and `audio`, a Kaldi folder lacks `wav.scp`;
            raised here, before the first value is asked for.
    """
    source = Path(path)
    if source.is_dir():
        source = source / "wav.scp"
        if not source.is_file():
            raise InputError(
                f"{path}: is a folder without wav.scp; name a manifest file or a Kaldi data folder"
            )
    if source.suffix == ".scp":
        return _unique(_read_kaldi(source))
    if source.suffix in (".csv", ".tsv"):
        return _unique(_read_csv(source))
    return _unique(_read_jsonl(path))


def load_manifest(path: str | Path) -> list[Utterance]:
    """Reads a whole manifest.

    Args:
        path: as for `read_manifest`.

    Raises:
        InputError: the file cannot be opened, or the first line that cannot be read ("file:line: what is wrong").
    """
    utterances = []
    for line, value in read_manifest(path):
        if isinstance(value, BadLine):
            raise InputError(f"{shown_name(path)}:{line}: {value.message}")
        utterances.append(value)
    return utterances


def save_manifest(utterances: Iterable[Utterance], path: str | Path) -> None:
    """Writes a JSONL manifest, whole or not at all; paths inside its folder are written relative to it.

    Args:
        utterances: may be a generator; it is written as it comes.
        path: the file, or "-" for standard output, where all paths stay as they are.

    Raises:
        InputError: the file cannot be written, or an utterance holds what JSON cannot.
    """
    folder = None if str(path) == "-" else Path(path).parent
    with atomic_writer(path) as file:
        for utterance in utterances:
            try:
                line = json.dumps(utterance.to_dict(folder), ensure_ascii=False, allow_nan=False)
                line.encode()  # half of a surrogate pair is a str, but not text
            except (TypeError, ValueError, RecursionError) as error:
                raise InputError(f"utterance {utterance.id!r} cannot be written as JSON: {error}") from None
            file.write(line + "\n")


def _path_in(folder: str | Path | None, path: Path) -> str:
    if folder is None:
        return str(path)
    absolute, base = os.path.abspath(path), os.path.abspath(folder)
    inside = os.path.commonpath([absolute, base]) == base
    return Path(os.path.relpath(absolute, base)).as_posix() if inside else absolute


def _unique(
    rows: Iterator[tuple[int, Utterance | BadLine]],
) -> Iterator[tuple[int, Utterance | BadLine]]:
    seen: dict[str, int] = {}
    for line, value in rows:
        if isinstance(value, Utterance) and value.id in seen:
            problem = f"id {shown(value.id)} stands in line {seen[value.id]} already; make ids unique"
            value = BadLine(line, value.id, problem)
        elif isinstance(value, Utterance):
            seen[value.id] = line
        yield line, value


def _read_jsonl(path: str | Path) -> Iterator[tuple[int, Utterance | BadLine]]:
    file = open_binary(path)
    folder = Path() if str(path) == "-" else Path(path).parent

    def rows() -> Iterator[tuple[int, Utterance | BadLine]]:
        with closing_unless_stdin(file):
            for number, line in enumerate(file, start=1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.strip():
                    yield number, _parsed(number, lambda line=line: decode(line), folder)

    return rows()


def _read_csv(path: Path) -> Iterator[tuple[int, Utterance | BadLine]]:
    # Bytes that are not UTF-8 become surrogates, which are found row by row: one bad row does not end the reading.
    text = io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, delimiter="\t" if path.suffix == ".tsv" else ",")
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [key for key in ("id", "audio") if key not in header]
        if missing:
            raise InputError(
                f"{path}:1: no column {missing[0]!r}; the first line must name the columns, among them 'id' and 'audio'"
            )
        if len(set(header)) < len(header):
            raise InputError(f"{path}:1: a column name stands there twice; make column names unique")
    except csv.Error as error:
        text.close()
        raise InputError(f"{path}:1: not readable as CSV: {error}") from None
    except InputError:
        text.close()
        raise

    def cells(row: list[str]) -> dict[str, Any]:
        if len(row) != len(header):
            raise InputError(f"{len(row)} cells under {len(header)} column names")
        try:
            "".join(row).encode()
        except UnicodeEncodeError:
            raise InputError("the row is not UTF-8; save the file as UTF-8") from None
        fields: dict[str, Any] = {name: cell for name, cell in zip(header, row, strict=True) if cell.strip()}
        for key in fields.keys() & set(_NUMBERS):
            try:
                fields[key] = float(fields[key])
            except ValueError:
                raise InputError(f"{key!r} must be a number, not {shown(fields[key])}") from None
        return fields

    def rows() -> Iterator[tuple[int, Utterance | BadLine]]:
        with text:
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield reader.line_num, BadLine(reader.line_num, None, f"not readable as CSV: {error}")
                    continue
                if any(cell.strip() for cell in row):
                    yield reader.line_num, _parsed(reader.line_num, lambda row=row: cells(row), path.parent)

    return rows()


def _read_kaldi(path: Path) -> Iterator[tuple[int, Utterance | BadLine]]:
    folder = path.parent
    table = recordings = _table(path)
    if (folder / "segments").is_file():
        table = _table(folder / "segments")
    lines_of_text = _table(folder / "text") if (folder / "text").is_file() else {}
    audio = dict(recordings.values())
    texts = dict(lines_of_text.values())

    def fields_of(id_: str, value: str) -> dict[str, Any]:
        fields: dict[str, Any] = {"id": id_, "text": texts.get(id_)}
        if table is not recordings:
            value, times = _segment(value, audio)
            fields |= times
        if value.endswith("|"):
            raise InputError(
                "the recording is a command ('... |'), and commands in files are not run; write its output to a "
                "file and name that"
            )
        if not value or value.rpartition(":")[2].isdigit():
            raise InputError("names no audio file; write 'id path' (archives, 'file.ark:123', are not read)")
        return fields | {"audio": value}

    def rows() -> Iterator[tuple[int, Utterance | BadLine]]:
        for number, (id_, value) in table.items():
            yield number, _parsed(number, lambda id_=id_, value=value: fields_of(id_, value), folder, id_)
        known = {id_ for id_, _ in table.values()}
        for number, (id_, _) in lines_of_text.items():
            if id_ not in known:
                problem = f"id {shown(id_)} stands in the file 'text' but has no recording"
                yield number, BadLine(number, id_, problem)

    return rows()


def _segment(value: str, audio: Mapping[str, str]) -> tuple[str, dict[str, float]]:
    """The recording of a line of `segments`, and where in it the utterance lies."""
    parts = value.split()
    if len(parts) != 3 or parts[0] not in audio:
        raise InputError(
            f"segments: write 'id recording start end' with a recording of wav.scp, not {shown(value)}"
        )
    try:
        start, end = float(parts[1]), float(parts[2])
    except ValueError:
        raise InputError(f"segments: start and end must be numbers, not {shown(value)}") from None
    # A negative end is Kaldi's way to say: to the end of the recording.
    return audio[parts[0]], {"start": start} if end < 0 else {"start": start, "end": end}


def _table(path: Path) -> dict[int, tuple[str, str]]:
    """Lines of 'key rest of the line' under their numbers, as Kaldi writes tables."""
    rows = {}
    with closing_unless_stdin(open_binary(path)) as file:
        for number, line in enumerate(file, start=1):
            try:
                parts = line.decode("utf-8-sig" if number == 1 else "utf-8").split(maxsplit=1)
            except UnicodeDecodeError:
                raise InputError(f"{path}:{number}: not UTF-8; save the file as UTF-8") from None
            if parts:
                rows[number] = (parts[0], parts[1].strip() if len(parts) > 1 else "")
    return rows


def _parsed(
    number: int, fields_of: Callable[[], Any], folder: Path, id_: str | None = None
) -> Utterance | BadLine:
    fields: Any = None
    try:
        fields = fields_of()
        return _parse_fields(fields, folder)
    except InputError as error:
        if isinstance(fields, dict) and isinstance(fields.get("id"), str | int):
            id_ = str(fields["id"])
        return BadLine(number, id_, str(error))


def _parse_fields(fields: Any, folder: Path) -> Utterance:
    if not isinstance(fields, dict):
        raise InputError(f"expected a JSON object with 'id' and 'audio', found {shown(fields)}")
    known = {key: value for key, value in fields.items() if key in _KEYS and value is not None}
    others = {key: value for key, value in fields.items() if key not in _KEYS}
    for key in others:
        near = difflib.get_close_matches(key.strip().lower(), _KEYS, n=1, cutoff=0.8)
        if near:
            raise InputError(f"unknown key {shown(key)}; did you mean {near[0]!r}?")
    for key in ("id", "audio"):
        if key not in known:
            raise InputError(f"key {key!r} is missing; every utterance needs 'id' and 'audio'")
    if isinstance(known["id"], int) and not isinstance(known["id"], bool):
        known["id"] = str(known["id"])
    for key in known.keys() & set(_TEXTS):
        if not isinstance(known[key], str):
            raise InputError(f"{key!r} must be a string, not {shown(known[key])}")
    for key in ("id", "audio"):
        if not known[key].strip() or "\0" in known[key]:
            raise InputError(f"{key!r} must not be empty or hold a null character")
    for key in known.keys() & set(_NUMBERS):
        known[key] = finite_number(known[key], repr(key))
    start, end = known.get("start"), known.get("end")
    if (start or 0.0) < 0 or (end is not None and end <= (start or 0.0)):
        raise InputError(f"'start' ({start} s) and 'end' ({end} s) must be 0 <= start < end")
    meta = known.pop("meta", {})
    if not isinstance(meta, Mapping):
        raise InputError(f"'meta' must be an object, not {shown(meta)}")
    twice = others.keys() & meta.keys()
    if twice:
        raise InputError(f"{shown(min(twice))} stands both in the line and in its 'meta'; write it once")
    for key in ("audio", "clean_audio"):
        if key in known:
            known[key] = folder / known[key]
    return Utterance(**known, meta={**meta, **others})
