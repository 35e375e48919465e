"""Lists in bulk: what a run writes."""

from __future__ import annotations

import itertools
import json
import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.recognition.bulk.manifest_runs import Listener, results, run
from tests.tiny_whisper import babble

from robustger.audio import read_audio, write_audio
from robustger.errors import InputError
from robustger.hypotheses import load_nbest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings
from robustger.recognition import Recognition, Recognizer
from robustger.recognition.bulk.chunks import Request
from robustger.recognition.bulk.prepare_lists import prepare_lists


@pytest.mark.parametrize("frames", ["real", "all"])
def test_what_a_recognizer_makes_of_a_manifest(folder: Path, whisper: Recognizer, frames: str) -> None:
    summary, problems = run(folder, whisper, n=3, beams=4, normalizer="number", embedding_frames=frames)
    lists = {nbest.id: nbest for nbest in load_nbest(folder / "lists.jsonl")}
    windows = [id_ for id_ in lists if id_.startswith("u2#")]
    assert windows == [f"u2#{k}" for k in range(1, len(windows) + 1)]
    assert list(lists) == ["u0", "u1", *windows, "u4", "u5", "u6", "u7"]
    assert [line for line, _ in problems] == [4, 6]
    assert problems[0][1].startswith(f"u3: {folder / 'none.wav'}: ")
    assert problems[1][1].startswith("u0: id 'u0' stands in line 1 already")
    assert (summary.utterances, summary.lists, summary.problems) == (9, len(lists), 2)
    assert summary.audio_seconds == pytest.approx(0.5 + 0.3 + 5.3 + 0.6 + 0.3 + 0.4 + 0.35, abs=0.05)

    embeddings = AudioEmbeddings(folder)
    for nbest in lists.values():
        assert nbest.audio is not None
        number = nbest.id[1]
        assert nbest.audio == f"{number}.wav"
        pair = [folder / nbest.audio]
        if (clean := folder / f"{number}.clean.flac").exists():
            pair.append(clean)
            assert (nbest.meta["noise"], nbest.meta["snr_db"], nbest.meta["speaker"]) == ("rain", 5, "s1")
        alone = [
            whisper.recognize(
                [read_audio(path, start=nbest.start, end=nbest.end)],
                n=3,
                beams=4,
            )[0]
            for path in pair
        ]
        assert len(nbest.hypotheses) == nbest.meta["distinct"] == alone[0].distinct <= 3
        scores = [hypothesis.score for hypothesis in nbest.hypotheses]
        assert scores == pytest.approx([h.score for h in alone[0].hypotheses], abs=1e-3)
        noisy = embeddings.get(nbest)
        assert noisy is not None
        mean = alone[0].embedding if frames == "real" else alone[0].padded_embedding
        assert mean is not None
        np.testing.assert_allclose(noisy, mean, atol=1e-4)
        clean_embedding = embeddings.get(nbest, "clean")
        assert (clean_embedding is None) == (len(pair) == 1)
        if clean_embedding is not None:
            mean = alone[1].embedding if frames == "real" else alone[1].padded_embedding
            assert mean is not None
            np.testing.assert_allclose(clean_embedding, mean, atol=1e-4)
    assert (lists["u6"].start, lists["u6"].end) == (0.1, 0.5)
    assert (lists["u0"].start, lists["u0"].end, lists["u0"].reference) == (None, None, "text 0")


def test_a_long_recording_becomes_a_list_per_window(folder: Path) -> None:
    run(folder, Listener())
    windows = [nbest for nbest in load_nbest(folder / "lists.jsonl") if nbest.id.startswith("u2#")]
    assert len(windows) >= 3
    edges = [(nbest.start, nbest.end) for nbest in windows]
    assert edges[0][0] == 0
    assert edges[-1][1] == pytest.approx(5.3, abs=0.01)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))
    for number, nbest in enumerate(windows, start=1):
        assert nbest.reference is None
        count = {"of": "u2", "number": number, "count": len(windows), "reference": "text 2"}
        assert nbest.meta["window"] == count


def test_the_embeddings_are_an_ordinary_safetensors_file(folder: Path) -> None:
    run(folder, Listener())
    tensors = load_file(folder / "lists.embeddings.safetensors")
    lists = load_nbest(folder / "lists.jsonl")
    assert tensors["noisy"].shape == (len(lists), 3)
    places = [nbest.audio_embedding or {} for nbest in lists]
    assert [place["noisy"] for place in places] == list(range(len(lists)))
    paired = [nbest.id for nbest, place in zip(lists, places, strict=True) if "clean" in place]
    assert tensors["clean"].shape == (len(paired), 3)
    embeddings = AudioEmbeddings(folder)
    assert embeddings.ids("lists.embeddings.safetensors") == [nbest.id for nbest in lists]
    assert embeddings.ids("lists.embeddings.safetensors", "clean") == paired


def test_readers_change_nothing(folder: Path, whisper: Recognizer) -> None:
    for recognizer in (whisper, Listener()):
        found = []
        for workers in (0, 1, 3):
            problems = run(folder, recognizer, restart=True, workers=workers, batch_size=4)[1]
            found.append((problems, results(folder)))
        assert found[0] == found[1] == found[2]
    assert not multiprocessing.active_children()


def test_clean_recordings_are_not_searched(folder: Path) -> None:
    class Counting(Listener):
        searched = 0

        def recognize(self, audios: Sequence[np.ndarray], **options: Any) -> list[Recognition]:
            type(self).searched += len(audios)
            return super().recognize(audios, **options)

    summary, _ = run(folder, Counting())
    assert Counting.searched == summary.lists
    assert any("clean" in (nbest.audio_embedding or {}) for nbest in load_nbest(folder / "lists.jsonl"))


def test_embeddings_over_all_frames(folder: Path) -> None:
    run(folder, Listener())
    real = load_file(folder / "lists.embeddings.safetensors")
    with pytest.raises(InputError, match="embedding_frames was 'real', now 'all'"):
        run(folder, Listener(), embedding_frames="all")
    run(folder, Listener(), target="all.jsonl", embedding_frames="all")
    padded = load_file(folder / "all.embeddings.safetensors")
    for kind in ("noisy", "clean"):
        np.testing.assert_array_equal(padded[kind], -real[kind])
        np.testing.assert_array_equal(padded[f"{kind}.ids"], real[f"{kind}.ids"])


def test_a_recognizer_that_does_not_pad_says_so(folder: Path) -> None:
    class Ragged(Listener):
        pads = False

    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match=r"pads no audio to a fixed length, .*; choose real") as error:
        run(folder, Ragged(), embedding_frames="all")
    assert "\n" not in str(error.value)
    assert sorted(folder.iterdir()) == before
    run(folder, Ragged(), embedding_frames="all", embeddings=False)


def test_without_embeddings_there_is_no_file_of_them(folder: Path) -> None:
    run(folder, Listener(), embeddings=False)
    assert not (folder / "lists.embeddings.safetensors").exists()
    assert all(nbest.audio_embedding is None for nbest in load_nbest(folder / "lists.jsonl"))


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_shards_are_the_whole(folder: Path, parts: int) -> None:
    """Also to the byte of every hypothesis, because batches do not depend on the shards."""

    def lines(path: Path) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        embeddings = AudioEmbeddings(path.parent)
        for row, nbest in zip(rows, load_nbest(path), strict=True):
            row["audio_embedding"] = [
                None if (found := embeddings.get(nbest, kind)) is None else found.tolist()
                for kind in ("noisy", "clean")
            ]
        return rows

    run(folder, Listener())
    whole = lines(folder / "lists.jsonl")
    names = [f"part{part}.jsonl" for part in range(1, parts + 1)]
    counts = [run(folder, Listener(), name, shard=(k, parts))[0] for k, name in enumerate(names, 1)]
    assert sum(summary.utterances for summary in counts) == 9
    joined = folder / "joined.jsonl"
    joined.write_bytes(b"".join((folder / name).read_bytes() for name in names))
    found = {row["id"]: row for row in lines(joined)}
    assert [found[row["id"]] for row in whole] == whole
    assert len(found) == len(whole)


def test_a_clean_recording_that_is_of_no_use_costs_no_list(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", babble(1, 1))
    write_audio(tmp_path / "short.wav", babble(0.5, 2))
    write_audio(tmp_path / "nearly.wav", babble(0.95, 2))
    rows = [
        {"id": name, "audio": "a.wav", "clean_audio": f"{name}.wav"} for name in ("short", "none", "nearly")
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "manifest.jsonl").write_text(text, encoding="utf-8")
    summary, problems = run(tmp_path, Listener())
    assert (summary.lists, summary.problems) == (3, 2)
    assert "short.wav: lasts 0.50 s, and " in problems[0][1]
    assert "none.wav: cannot be read" in problems[1][1]
    kinds = [set(nbest.audio_embedding or ()) for nbest in load_nbest(tmp_path / "lists.jsonl")]
    assert kinds == [{"file", "noisy"}, {"file", "noisy"}, {"file", "noisy", "clean"}]
    rows_ = load_file(tmp_path / "lists.embeddings.safetensors")
    assert rows_["clean"][0, 0] == 16_000  # filled up to the length of its noisy recording


def test_the_id_of_a_window_may_be_taken(folder: Path) -> None:
    with (folder / "manifest.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "u2#2", "audio": "0.wav"}\n')
    summary, problems = run(folder, Listener())
    assert summary.problems == 3
    assert problems[0] == (3, "u2: its window 'u2#2' bears the id of another utterance; rename one of them")
    ids = [nbest.id for nbest in load_nbest(folder / "lists.jsonl")]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shard": (0, 2)}, "shard 0/2: give i/n with i from 1 to n"),
        ({"shard": (3, 2)}, "shard 3/2: "),
        ({"batch_size": 0}, "the batch size is 0; "),
        ({"embedding_frames": "some"}, "embedding frames 'some': choose real or all"),
        ({"normalizer": "none"}, "unknown normalizer 'none'"),
        ({"target": "."}, "is a folder; name a file"),
        ({"target": "none/lists.jsonl"}, "none does not exist"),
    ],
)
def test_what_is_refused(folder: Path, arguments: dict[str, Any], message: str) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(InputError) as error:
        run(folder, Listener(), **arguments)
    assert message in str(error.value)
    assert sorted(folder.iterdir()) == before


def test_streams_are_refused(folder: Path) -> None:
    for manifest, target in (("-", folder / "lists.jsonl"), (folder / "manifest.jsonl", "-")):
        with pytest.raises(InputError, match="name files instead of '-'"):
            prepare_lists(Listener, manifest, target, Request(), settings={})


def test_a_manifest_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text("\n")
    with pytest.raises(InputError, match="names no recordings"):
        run(tmp_path, Listener())
