from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robustger.noise.controls import donors, one_level, random_like
from robustger.noise.embedding import NOISE_LEVELS, NoiseEmbedder
from robustger.noise.word_extractors import HashedNgrams

LISTS = [["a b", "a c"], ["a b", "a b"], ["x", "y"]]
NOISE = (
    torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(1))
    * torch.tensor([1.0, 0.0, 9.0])[:, None, None]
)


def test_random_noise_has_the_norms_of_the_real_and_nothing_else() -> None:
    drawn = random_like(NOISE, LISTS)
    torch.testing.assert_close(drawn.norm(dim=-1), NOISE.norm(dim=-1))
    assert not drawn[1].any()
    assert torch.cosine_similarity(drawn[[0, 2]], NOISE[[0, 2]], dim=-1).abs().max() < 0.99


def test_random_noise_depends_on_the_texts_alone() -> None:
    torch.manual_seed(0)
    drawn = random_like(NOISE, LISTS)
    torch.manual_seed(1)
    assert torch.equal(random_like(NOISE[[2, 0]], [LISTS[2], LISTS[0]]), drawn[[2, 0]])
    assert not torch.equal(random_like(NOISE, LISTS[::-1]), drawn)


@given(st.integers(2, 200), st.integers(0, 2**31))
def test_every_list_gives_to_one_other(count: int, seed: int) -> None:
    found = donors(count, seed)
    assert sorted(found) == list(range(count))
    assert all(source != place for place, source in enumerate(found))
    assert donors(count, seed) == found


def test_one_list_has_no_other() -> None:
    assert donors(1) == [0]
    assert donors(0) == []


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_the_levels_are_the_halves_of_the_rows(variant: str) -> None:
    texts = ["one two", "one ten", "two"]
    embedder = NoiseEmbedder(HashedNgrams(8), variant, n=3)
    noise = embedder([texts])
    sentences = embedder.extractor.encode(texts)
    pairs = [(1, 0), (2, 0), (2, 1)] if variant == "paper" else [(0, 1), (0, 2), (1, 2)]
    differences = torch.stack([sentences[i] - sentences[j] for i, j in pairs])
    utterance, token = (one_level(noise, embedder.rows_of(level)) for level in NOISE_LEVELS)
    torch.testing.assert_close(noise[0, embedder.rows_of("utterance")], differences)
    assert torch.equal(utterance + token, noise)
    assert not (utterance * token).any()
    assert utterance.any()
    assert token.any()
