"""Files of audio embeddings: every row comes back, and one row costs the memory of one row."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings, write_embeddings


@given(
    counts=st.dictionaries(st.sampled_from(["noisy", "clean"]), st.integers(1, 5), min_size=1),
    size=st.integers(1, 9),
    ids=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=5, max_size=5),
)
def test_any_embeddings_come_back(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[str, int], size: int, ids: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("embeddings")
    given_ = {
        kind: np.random.default_rng(count).normal(size=(count, size)).astype(np.float32)
        for kind, count in counts.items()
    }
    for kind, rows in given_.items():
        (folder / f"{kind}.f32").write_bytes(rows.tobytes())
        text = "".join(json.dumps(id_) + "\n" for id_ in ids[: len(rows)])
        (folder / f"{kind}.ids").write_text(text, encoding="utf-8")
    with (folder / "e").open("wb") as file:
        write_embeddings(
            file,
            {kind: folder / f"{kind}.f32" for kind in counts},
            {kind: folder / f"{kind}.ids" for kind in counts},
            size,
        )
    embeddings = AudioEmbeddings(folder)
    for kind, rows in given_.items():
        assert embeddings.ids("e", kind) == ids[: len(rows)]
        for row, values in enumerate(rows):
            nbest = NBest.from_texts("u", ["a"], audio_embedding={"file": "e", kind: row})
            np.testing.assert_array_equal(embeddings.get(nbest, kind), values)
        beyond = NBest.from_texts("u", ["a"], audio_embedding={"file": "e", kind: len(rows)})
        with pytest.raises(InputError, match=f"has no row {len(rows)}"):
            embeddings.get(beyond, kind)


def test_a_row_among_a_hundred_thousand_costs_the_memory_of_a_row(tmp_path: Path) -> None:
    count, size = 100_000, 64
    (tmp_path / "noisy.f32").write_bytes(bytes(4 * count * size))
    (tmp_path / "noisy.ids").write_text("".join(f'"{k:05d}"\n' for k in range(count)))
    with (tmp_path / "e").open("wb") as file:
        write_embeddings(file, {"noisy": tmp_path / "noisy.f32"}, {"noisy": tmp_path / "noisy.ids"}, size)
    lists = [
        NBest.from_texts("u", ["a"], audio_embedding={"file": "e", "noisy": k})
        for k in range(0, count, 20_000)
    ]
    tracemalloc.start()
    try:
        embeddings = AudioEmbeddings(tmp_path)
        found = [embeddings.get(nbest) for nbest in lists]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(row is not None and row.shape == (size,) for row in found)
    assert peak < 1_000_000  # of 25.6 MB


def test_embeddings_that_are_not_there(tmp_path: Path) -> None:
    embeddings = AudioEmbeddings(tmp_path)
    assert embeddings.get(NBest.from_texts("u", ["a"])) is None
    gone = NBest.from_texts("u", ["a"], audio_embedding={"file": "gone", "noisy": 0})
    with pytest.raises(InputError, match="gone: cannot be read"):
        embeddings.get(gone)
    (tmp_path / "gone").write_bytes(b"not safetensors")
    with pytest.raises(InputError, match="gone: cannot be read"):
        embeddings.get(gone)
