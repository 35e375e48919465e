"""Files of Robust HyPoradise become N-best lists and embeddings."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from tests.hypotheses.released_items import FRAMES, LISTS, expected, run, save, without_texts

from robustger.errors import InputError
from robustger.hypotheses.audio_embeddings import AudioEmbeddings
from robustger.hypotheses.robusthp import noise_embedding_of
from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.extractors import SentenceBert


def test_every_field_becomes_what_it_means(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    items[0]["audio_enc_len"] = FRAMES  # the adapted script adds such lengths
    source = save(tmp_path / "train_chime4.pt", items)
    lists, problems, summary = run(source, tmp_path / "lists.jsonl")
    assert (problems, summary.lists, summary.problems) == ([], 2, 0)
    assert [nbest.id for nbest in lists] == list(LISTS)
    embeddings = AudioEmbeddings(tmp_path)
    for nbest, item in zip(lists, items, strict=True):
        assert (nbest.texts, nbest.reference) == expected(nbest.id)
        assert [hypothesis.score for hypothesis in nbest.hypotheses] == item["am_score"]
        for kind, field in (("noisy", "audio_features"), ("clean", "clean_audio_features")):
            row = embeddings.get(nbest, kind)
            assert row is not None
            assert row.dtype == np.float32
            np.testing.assert_allclose(row, item[field].double().mean(0).numpy(), rtol=1e-6, atol=1e-7)
    assert embeddings.ids("lists.embeddings.safetensors", "clean") == list(LISTS)
    assert lists[0].meta == {"audio_enc_len": FRAMES}
    assert lists[1].meta == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "lists.embeddings.safetensors",
        "lists.jsonl",
        "train_chime4.pt",
    ]


def test_tokens_are_decoded_where_there_are_no_texts(
    tmp_path: Path, items: list[dict[str, Any]], tiny_base: Path
) -> None:
    training = [without_texts(item) for item in items]
    testing = [{"input_ids_no_response": item["input_ids_no_response"]} for item in training]
    for item, whole in zip(testing, items, strict=True):
        item["ground_truth"] = whole["ground_truth"]
    for name, content in (("train_x", training), ("test_x", testing)):
        source = save(tmp_path / f"{name}.pt", content)
        lists, problems, _ = run(source, tmp_path / "lists.jsonl", tokenizer=str(tiny_base))
        assert problems == []
        assert [(nbest.texts, nbest.reference) for nbest in lists] == [expected(id_) for id_ in LISTS]
    assert [nbest.id for nbest in lists] == ["test_x-00000", "test_x-00001"]  # there is none of their own
    assert lists[0].audio_embedding is None


def test_tokens_without_a_tokenizer_are_one_line(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    source = save(tmp_path / "x.pt", [items[0], without_texts(items[1])])
    with pytest.raises(
        InputError, match=r"x.pt: item 2: holds tokens and no texts; name the tokenizer"
    ) as caught:
        run(source, tmp_path / "lists.jsonl")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_emb_diff_becomes_e_ln(tmp_path: Path, tiny_encoder: Path, items: list[dict[str, Any]]) -> None:
    """Our variant `released` is the script's; the utterance rows of `paper` differ from it in order only."""
    extractor = SentenceBert(str(tiny_encoder))
    texts = [expected(id_)[0] for id_ in LISTS]
    released, paper = (NoiseEmbedder(extractor, variant)(texts) for variant in ("released", "paper"))
    for item, emb_diff in zip(items, released, strict=True):
        item["emb_diff"] = emb_diff
    run(save(tmp_path / "x.pt", items), tmp_path / "lists.jsonl", noise_embeddings=True)
    stored = load_file(tmp_path / "lists.noise.safetensors")
    e_ln = torch.from_numpy(stored["e_ln"]).view(2, 20, -1)
    torch.testing.assert_close(e_ln[:, :10], paper[:, :10])
    assert [json.loads(line) for line in stored["e_ln.ids"].tobytes().splitlines()] == list(LISTS)
    # A token row is that of its pair, with the sign turned: worse minus better.
    pairs = list(combinations(range(5), 2))
    row_of = {pair: row for row, pair in enumerate((j, i) for i in range(5) for j in range(i))}
    for row, pair in enumerate(pairs):
        torch.testing.assert_close(e_ln[:, 10 + row_of[pair]], -released[:, row])
    assert released[:, :10].norm() > 0.1


@given(st.integers(2, 7))
def test_e_ln_of_any_n_is_the_same_rows_negated(n: int) -> None:
    emb_diff = torch.randn(n * (n - 1), 3, generator=torch.Generator().manual_seed(n))
    half = n * (n - 1) // 2
    e_ln = noise_embedding_of(emb_diff)
    for ours, theirs in ((e_ln[:half], emb_diff[half:]), (e_ln[half:], emb_diff[:half])):
        assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, (-theirs).tolist()))


@pytest.mark.parametrize("shape", [(6,), (7, 3), (0, 3), (10, 3), (2, 3, 4), ()])
def test_rows_of_no_n_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="not N"):
        noise_embedding_of(torch.zeros(shape))


def test_a_folder_is_read_file_by_file(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    folder = tmp_path / "chunks"
    folder.mkdir()
    for number, item in enumerate(items):
        save(folder / f"train.pt.chunk{number:06d}.pt", [item])
    (folder / "train.pt.chunk000002.pt").write_bytes(b"torn")
    save(folder / "train.pt.chunk000003.pt", [items[0]])
    lists, problems, summary = run(folder, tmp_path / "lists.jsonl")
    assert [nbest.id for nbest in lists] == list(LISTS)
    assert summary.problems == 2
    assert problems[0].startswith("train.pt.chunk000002.pt: not a ")
    assert "a list of 'F01_BUS' stands at" in problems[1]
    assert AudioEmbeddings(tmp_path).ids("lists.embeddings.safetensors") == list(LISTS)


def test_what_is_not_wanted_is_not_looked_at(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    other: dict[Any, Any] = {"emb_diff": torch.zeros(7, 16), 7: "seven"}
    items[0].update(other)
    source = save(tmp_path / "x.pt", items)
    assert run(source, tmp_path / "lists.jsonl")[1] == []
    items[0]["audio_features"] = "none"
    lists, problems, _ = run(save(source, items), tmp_path / "alone.jsonl", embeddings=False)
    assert problems == []
    assert [nbest.audio_embedding for nbest in lists] == [None, None]
    assert not (tmp_path / "alone.embeddings.safetensors").exists()


def test_the_command(tmp_path: Path, items: list[dict[str, Any]], tiny_base: Path) -> None:
    save(tmp_path / "train.pt", [*map(without_texts, items), dict.fromkeys(items[0])])
    command = [
        sys.executable,
        "-m",
        "robustger",
        "import-nbest",
        "train.pt",
        "-f",
        "robusthp",
        "-o",
        "lists.jsonl",
    ]
    result = subprocess.run(
        [*command, "--tokenizer", str(tiny_base), "--noise-embeddings"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "robustger: train.pt: item 3: has neither texts nor tokens: the script that made the file failed on this "
        "utterance",
        "robustger: 2 lists, 1 problems",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {
        "train.pt",
        "lists.jsonl",
        "lists.embeddings.safetensors",
        "lists.noise.safetensors",
    }
