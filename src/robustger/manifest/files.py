"""Streams, loads and saves manifests; the file's name says which format it has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from robustger.errors import InputError
from robustger.files import atomic_writer, shown_name
from robustger.hypotheses.checks import shown
from robustger.hypotheses.jsonl import BadLine
from robustger.manifest.json_lines import read_json_lines
from robustger.manifest.kaldi import read_kaldi_folder
from robustger.manifest.rows import ManifestRow
from robustger.manifest.tables import read_table
from robustger.manifest.values import Utterance


def read_manifest(path: str | Path) -> Iterator[ManifestRow]:
    """Streams a manifest: yields the line number and one value for every line that is not blank, in order.

    Only ids, what a Kaldi folder has in `text`, and the lines of a manifest of NeMo's are held in memory. Whether the
    recordings exist is not looked at.

    Args:
        path: JSON Lines, NeMo's among them; CSV or TSV, told by the suffix; a Kaldi data folder or its `wav.scp`; "-"
            is JSON Lines from standard input, with paths relative to the working folder.

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
    suffix = source.suffix.lower()
    if suffix == ".scp":
        return _unique(read_kaldi_folder(source))
    if suffix in (".csv", ".tsv"):
        return _unique(read_table(source))
    return _unique(read_json_lines(path))


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
    if isinstance(utterances, Utterance):
        raise InputError(
            "several utterances are expected, and one was given; write it in brackets: [utterance]"
        )
    with atomic_writer(path) as file:
        for utterance in utterances:
            try:
                line = json.dumps(utterance.to_dict(folder), ensure_ascii=False, allow_nan=False)
                line.encode()  # half of a surrogate pair is a str, but not text
            except (TypeError, ValueError, RecursionError) as error:
                raise InputError(f"utterance {utterance.id!r} cannot be written as JSON: {error}") from None
            file.write(line + "\n")


def _unique(
    rows: Iterator[ManifestRow],
) -> Iterator[ManifestRow]:
    seen: dict[str, int] = {}
    for line, value in rows:
        if isinstance(value, Utterance) and value.id in seen:
            problem = f"id {shown(value.id)} stands in line {seen[value.id]} already; make ids unique"
            value = BadLine(line, value.id, problem)
        elif isinstance(value, Utterance):
            seen[value.id] = line
        yield line, value
