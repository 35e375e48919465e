"""The baselines of E_LN compute the same values, with the number of calls that they report."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from benchmarks.lists import distinct_lists
from benchmarks.noise_embedding import BASELINES, calls_of
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from robustger.noise.embedding import NoiseEmbedder


class LetterCounts:
    """A small exact extractor: how often each of 5 letters occurs."""

    dimension = 5

    def encode(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([[float(t.count(c)) for c in "abcht"] for t in texts]).view(len(texts), 5)


words = st.sampled_from(["a", "b", "c", "the", "cat"])
nbest_lists = st.lists(st.lists(words, max_size=6).map(" ".join), min_size=5, max_size=5)


@pytest.mark.parametrize("variant", BASELINES)
@given(texts=nbest_lists)
def test_one_call_each_gives_the_same_embedding(variant: str, texts: list[str]) -> None:
    extractor = LetterCounts()
    style, _ = BASELINES[variant]
    expected = NoiseEmbedder(extractor, variant)([texts])[0]
    torch.testing.assert_close(style(texts, lambda text: extractor.encode([text])[0]), expected)


def test_calls_are_counted() -> None:
    lists = [["turn it off", "turn it of", "turn it off", "please turn it off", "turn it off"]]
    # 10 pairs of sentences; 3 with (off, of), 3 with (Ø, please), 1 with both: 20 + 6 + 3 + 3
    assert calls_of(BASELINES["released"][0], lists) == 32
    # 20 sentences; each hypothesis is in 4 pairs: 4 * (3 + 3 + 3 + 4 + 3) words
    assert calls_of(BASELINES["paper"][0], lists) == 84
    assert calls_of(BASELINES["released"][0], lists * 3) == 96


def test_no_list_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBUSTGER_DATA", raising=False)
    lists = distinct_lists(100)
    assert len(lists) == 100
    assert len({nbest.id for nbest in lists}) == 100
    assert len({nbest.texts for nbest in lists}) == 100
    assert distinct_lists(20) == lists[:20]
