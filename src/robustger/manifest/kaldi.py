"""Reads Kaldi data folders: `wav.scp`, and `text` and `segments` if they exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.files import closing_unless_stdin, open_binary
from robustger.hypotheses.checks import shown
from robustger.hypotheses.jsonl import BadLine
from robustger.manifest.rows import ManifestRow, parsed


def read_kaldi_folder(path: Path) -> Iterator[ManifestRow]:
    """The utterances of a `wav.scp` and the files beside it, each under the number of its line.

    Raises:
        InputError: a file cannot be opened, or is not UTF-8; raised here, before the first value.
    """
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

    def rows() -> Iterator[ManifestRow]:
        for number, (id_, value) in table.items():
            yield number, parsed(number, lambda id_=id_, value=value: fields_of(id_, value), folder, id_)
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
