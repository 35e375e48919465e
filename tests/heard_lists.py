"""Writes N-best lists with embeddings of their audio."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from robustger.hypotheses import NBest, save_nbest
from robustger.hypotheses.audio_embeddings import embeddings_path, write_embeddings


def save_heard_lists(lists: Sequence[NBest], path: Path, **rows: np.ndarray) -> None:
    """Writes lists with embeddings of their audio beside them, as `robustger nbest` does.

    Args:
        lists: to write.
        path: of the lists.
        rows: float32 (lists, D) for each kind; random ones for both where none is given.
    """
    random = np.random.default_rng(len(lists))
    given = rows or {
        kind: random.normal(size=(len(lists), 6)).astype(np.float32) for kind in ("noisy", "clean")
    }
    files, ids = {}, {}
    for kind, values in given.items():
        files[kind], ids[kind] = path.with_suffix(f".{kind}"), path.with_suffix(f".{kind}.ids")
        files[kind].write_bytes(values.tobytes())
        ids[kind].write_text("".join(f"{json.dumps(nbest.id)}\n" for nbest in lists), encoding="utf-8")
    with embeddings_path(path).open("wb") as file:
        write_embeddings(file, files, ids, next(iter(given.values())).shape[1])
    for leftover in (*files.values(), *ids.values()):
        leftover.unlink()
    name = embeddings_path(path).name
    places = [{"file": name, **dict.fromkeys(given, row)} for row in range(len(lists))]
    save_nbest(
        [replace(nbest, audio_embedding=place) for nbest, place in zip(lists, places, strict=True)], path
    )
