"""Cuts a manifest into chunks. They depend neither on shards nor on the progress of earlier runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.manifest import Utterance, read_manifest
from robustger.manifest.rows import ManifestRow
from robustger.text import get_normalizer

EMBEDDING_FRAMES = ("real", "all")


@dataclass(frozen=True, slots=True)
class Request:
    """The settings of a run that makes lists of all recordings of a manifest.

    Attributes:
        n: hypotheses per list.
        beams: width of the beam search; None leaves it to the recognizer.
        normalizer: the name of the normalizer that rewrites the hypotheses, see `robustger.text.NORMALIZERS`.
        batch_size: rows of the manifest in a chunk, and windows that the recognizer gets at once.
        embeddings: whether embeddings of the audio are stored, and of clean audio where the manifest names it.
        embedding_frames: the frames over which an embedding is the mean: the frames of the audio itself (`real`), or
            also the frames of the padding (`all`), as the released code takes them for its mutual information.
        shard: (i, n) takes chunks i, i + n, i + 2n, ..., counted from 1.
        find_speech: whether recordings longer than a window are cut at pauses in speech and lose the stretches in which
            nobody speaks. False cuts them at their quietest places. A recording that fits a window is taken whole.
        track: which audio track of a file is read, from 1; None is the first.
        channel: which channel is read, from 1; None is the mean of all.
        keep_going: whether the readable rest of a damaged recording is recognized; what is missing is a problem.
    """

    n: int = 5
    beams: int | None = None
    normalizer: str = "raw"
    batch_size: int = 16
    embeddings: bool = True
    embedding_frames: str = "real"
    shard: tuple[int, int] = (1, 1)
    find_speech: bool = False
    track: int | None = None
    channel: int | None = None
    keep_going: bool = False

    def __post_init__(self) -> None:
        part, parts = self.shard
        if not 1 <= part <= parts:
            raise InputError(f"shard {part}/{parts}: give i/n with i from 1 to n")
        if self.batch_size < 1:
            raise InputError(f"the batch size is {self.batch_size}; give at least 1")
        if self.embedding_frames not in EMBEDDING_FRAMES:
            choices = " or ".join(EMBEDDING_FRAMES)
            raise InputError(f"embedding frames {self.embedding_frames!r}: choose {choices}")
        get_normalizer(self.normalizer)


@dataclass(frozen=True, slots=True)
class Survey:
    """The result of the first reading of a manifest.

    Attributes:
        utterances: rows of this shard.
        digest: SHA-256 over all rows.
        numbered_ids: ids that look like the id of a window: "...#3".
    """

    utterances: int
    digest: str
    numbered_ids: frozenset[str]


def survey_manifest(manifest: str | Path, folder: Path, request: Request) -> Survey:
    """Reads a manifest to its end without opening a recording.

    Args:
        manifest: see `robustger.manifest.read_manifest`.
        folder: the folder of the lists.
        request: gives the batch size and the shard.

    Raises:
        InputError: the manifest cannot be opened, or has no rows.
    """
    digest = hashlib.sha256()
    numbered = set()
    rows = own = 0
    part, parts = request.shard
    for line, value in read_manifest(manifest):
        if isinstance(value, Utterance):
            # Files are digested as the lists name them, so that manifest, recordings and lists may move together.
            fields: Any = value.to_dict(folder)
            if value.id.rpartition("#")[2].isdecimal():
                numbered.add(value.id)
        else:
            fields = value.message
        digest.update(json.dumps([line, fields]).encode())
        own += rows // request.batch_size % parts == part - 1
        rows += 1
    if not rows:
        raise InputError(f"{manifest}: names no recordings; give one line for each")
    return Survey(own, digest.hexdigest(), frozenset(numbered))


def manifest_chunks(manifest: str | Path, request: Request) -> Iterator[list[ManifestRow]]:
    """The chunks of this shard, in order."""
    part, parts = request.shard
    values = read_manifest(manifest)
    index = 0
    while rows := list(islice(values, request.batch_size)):
        if index % parts == part - 1:
            yield rows
        index += 1
