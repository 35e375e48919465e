"""Extractors that compose vectors: the language model's token embeddings, and hashed n-grams."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from robustger.errors import InputError
from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.extractors import EXTRACTORS, Extractor
from robustger.noise.word_extractors import HashedNgrams, TokenEmbeddings

BLANK = ("", "  ", "\t\n")


@pytest.fixture(scope="module")
def extractors(tiny_base: Path) -> list[Extractor]:
    return [
        EXTRACTORS.get("llm")(str(tiny_base), device="cpu"),
        EXTRACTORS.get("ngrams")("hashed-24", device="cpu"),
    ]


def test_vectors_have_length_one_and_the_stated_width(extractors: list[Extractor]) -> None:
    for extractor in extractors:
        found = extractor.encode(["turn off the light", "nine", *BLANK, "nine"])
        assert found.shape == (6, extractor.dimension)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found[[0, 1, 5]].norm(dim=1), torch.ones(3))
        assert not found[2:5].any()
        assert torch.equal(found[1], found[5])
        assert extractor.encode([]).shape == (0, extractor.dimension)


def test_token_embeddings_are_the_mean_of_the_model_s_own(tiny_base: Path) -> None:
    from transformers import AutoTokenizer

    weights = load_file(tiny_base / "model.safetensors")["model.embed_tokens.weight"]
    tokens = AutoTokenizer.from_pretrained(tiny_base)(" turn off", add_special_tokens=False)["input_ids"]
    mean = torch.stack([weights[token] for token in tokens]).float().mean(0)
    found = TokenEmbeddings(tiny_base).encode(["turn  off"])
    torch.testing.assert_close(found[0], mean / mean.norm())


def test_a_folder_without_an_input_embedding_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    for path in tiny_base.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"no \*\.safetensors there with model\.embed_tokens\.weight"):
        TokenEmbeddings(tmp_path)


def test_words_are_as_near_as_the_n_grams_they_share() -> None:
    night, nights, knight, table = HashedNgrams(512).encode(["night", "nights", "knight", "table"])
    assert night @ nights > 0.4
    assert night @ knight > 0.3
    assert abs(night @ table) < 0.2


def test_a_word_alone_is_itself_and_its_n_grams() -> None:
    """`ab` between its marks is `<ab>`: the n-grams `<ab`, `ab>`, and all of it."""
    extractor = HashedNgrams(8)
    drawn = torch.stack([extractor._drawn(part) for part in ("<ab>", "<ab", "ab>")]).mean(0)
    torch.testing.assert_close(extractor.encode(["ab"])[0], drawn / drawn.norm())


@given(st.lists(st.text(max_size=12), max_size=6))
def test_hashed_vectors_depend_on_the_text_alone(texts: list[str]) -> None:
    one, other = HashedNgrams(8), HashedNgrams(8)
    other.encode(["something", "else"])
    assert torch.equal(one.encode(texts), other.encode(texts[::-1]).flip(0))


@pytest.mark.parametrize("name", ["minilm", "hashed-", "hashed-0", "hashed-x"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="takes hashed-D"):
        HashedNgrams.parse(name)


def test_equal_hypotheses_have_no_noise(extractors: list[Extractor]) -> None:
    for extractor in extractors:
        embedder = NoiseEmbedder(extractor, n=3)
        same, other = embedder([["a nine b"] * 3, ["a nine b", "a wine b", "nine"]])
        assert not same.any()
        assert other.norm(dim=-1).min() > 0
