"""E_LN in both definitions: hand-computed rows, laws that hold for any list, and real lists."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from robustger.errors import InputError
from robustger.noise.alignment import align_all, edited_pairs
from robustger.noise.embedding import NOISE_VARIANTS, NoiseEmbedder
from robustger.noise.extractors import SentenceBert

VARIANTS = NOISE_VARIANTS.names()
LISTS = [
    ["turn it off", "turn it of", "turn it on", "turn off", "turn it off"],
    ["what is the price", "what is price", "what's the prize", "what is the price now", "was is the price"],
    ["yes", "yes", "yes", "yes", "yes"],
    ["", "uh", "", "oh", "uh oh"],
    ["a b c", "b c a", "c a b", "a b c d", "d"],
]

words = st.sampled_from(["a", "b", "c", "the", "cat"])
texts = st.lists(words, max_size=6).map(" ".join)
nbest_lists = st.lists(texts, min_size=1, max_size=7)


class LetterCounts:
    """A small exact extractor: how often each of 5 letters occurs, 0 for blank texts."""

    dimension = 5

    def encode(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([[float(t.count(c)) for c in "abcht"] for t in texts]).view(len(texts), 5)


@pytest.fixture(params=VARIANTS)
def embedder(request: pytest.FixtureRequest, sentence_bert: SentenceBert) -> NoiseEmbedder:
    return NoiseEmbedder(sentence_bert, request.param)


def test_identical_hypotheses_give_exactly_zero(embedder: NoiseEmbedder) -> None:
    long = " ".join(f"word{k}" for k in range(400))
    noise = embedder([[text] * 5 for text in ("yes", "", "the cat sat on the mat", long)] + [["only one"]])
    assert noise.shape == (5, 20, 384)
    assert noise.dtype == torch.float32
    assert not noise.any()


def test_paper_rows_by_hand(sentence_bert: SentenceBert) -> None:
    better, worse = "turn it off", "please turn it of"
    noise = NoiseEmbedder(sentence_bert, "paper", n=2)([[better, worse]])[0]
    s_better, s_worse, please, of, off = sentence_bert.encode([better, worse, "please", "of", "off"])
    torch.testing.assert_close(noise, torch.stack([s_worse - s_better, please + of - off]))


def test_released_rows_by_hand(sentence_bert: SentenceBert) -> None:
    better, worse = "turn it off", "please turn it of"
    noise = NoiseEmbedder(sentence_bert, "released", n=2)([[better, worse]])[0]
    s_better, s_worse, please, of, off = sentence_bert.encode([better, worse, "please", "of", "off"])
    # two edits: (Ø, please) and (off, of)
    torch.testing.assert_close(noise, torch.stack([((0 - please) + (off - of)) / 2, s_better - s_worse]))


def test_a_single_word_differs_in_one_of_five(embedder: NoiseEmbedder) -> None:
    noise = embedder([["turn it off", "turn it of", "turn it off", "turn it off", "turn it off"]])[0]
    of, off = embedder.extractor.encode(["of", "off"])
    paper = embedder.variant == "paper"
    pairs = [(i, j) for i in range(5) for j in range(i)] if paper else list(combinations(range(5), 2))
    token = noise[10:] if paper else noise[:10]
    for row, (i, j) in zip(token, pairs, strict=True):
        expected = (of - off) * ((i == 1) - (j == 1))
        torch.testing.assert_close(row, expected)


@pytest.mark.parametrize("n", range(2, 8))
@pytest.mark.parametrize("variant", VARIANTS)
def test_row_order_for_any_n(variant: str, n: int) -> None:
    hypotheses = [" ".join(["a"] * k + ["cat"] * (k % 3) + ["the"]) for k in range(n)]
    embedder = NoiseEmbedder(LetterCounts(), variant, n=n)
    noise = embedder([hypotheses])[0]
    assert noise.shape == (n * (n - 1), 5) == (embedder.rows, embedder.dimension)
    counts = LetterCounts().encode(hypotheses)
    row = 0
    for i in range(n):
        for j in range(n):
            if not (i > j if variant == "paper" else i < j):
                continue
            half = n * (n - 1) // 2
            utterance, token = (row, half + row) if variant == "paper" else (half + row, row)
            torch.testing.assert_close(noise[utterance], counts[i] - counts[j])
            edits = len(edited_pairs(hypotheses[i].split(), hypotheses[j].split()))
            scale = 1 if variant == "paper" else 1 / edits
            # LetterCounts adds up over words, so here the two levels agree up to the mean
            torch.testing.assert_close(noise[token], (counts[i] - counts[j]) * scale)
            row += 1


@given(nbest_lists, st.integers(2, 7))
def test_the_variants_hold_the_same_differences(hypotheses: list[str], n: int) -> None:
    half = n * (n - 1) // 2
    paper = NoiseEmbedder(LetterCounts(), "paper", n)([hypotheses])[0]
    released = NoiseEmbedder(LetterCounts(), "released", n)([hypotheses])[0]
    filled = [text.split() for text in (hypotheses + [hypotheses[-1]] * n)[:n]]
    order = {pair: k for k, pair in enumerate(combinations(range(n), 2))}
    pairs = [(i, j) for i in range(n) for j in range(i)]
    mirrored = torch.tensor([order[j, i] for i, j in pairs])
    edits = torch.tensor([len(edited_pairs(filled[i], filled[j])) for i, j in pairs])
    torch.testing.assert_close(paper[:half], -released[half:][mirrored])
    # the sum of eq. 6 does not depend on the alignment; the released rows divide it by the number of edits
    torch.testing.assert_close(paper[half:], -released[:half][mirrored] * edits.unsqueeze(1))


@given(nbest_lists)
def test_paper_token_rows_follow_equation_6_literally(hypotheses: list[str]) -> None:
    n = len(hypotheses)
    if n < 2:
        return
    noise = NoiseEmbedder(LetterCounts(), "paper", n)([hypotheses])[0]
    rows = align_all([text.split() for text in hypotheses])
    vectors = torch.stack([LetterCounts().encode([t or "" for t in row]) for row in rows])  # (N, T, D)
    expected = [(vectors[i] - vectors[j]).sum(0) for i in range(n) for j in range(i)]
    torch.testing.assert_close(noise[n * (n - 1) // 2 :], torch.stack(expected))


def test_more_disagreement_gives_a_larger_norm(embedder: NoiseEmbedder) -> None:
    said = "the quick brown fox jumps over the lazy dog"
    heard = [
        [said] * 5,
        [said] * 4 + ["the quick brown box jumps over the lazy dog"],
        [
            said,
            "the quick brown box jumps over the lazy dog",
            said,
            "the quick crown fox jumps over a dog",
            said,
        ],
        [
            said,
            "the quick box jumps over",
            "a quiet clown fox",
            "the lazy frog jumped",
            "the brick was thrown",
        ],
    ]
    norms = embedder(heard).flatten(1).norm(dim=1)
    assert norms[0] == 0
    assert (norms.diff() > 0.1).all()


def test_a_moved_word_cancels_in_the_token_rows(sentence_bert: SentenceBert) -> None:
    for variant, token in (("paper", 1), ("released", 0)):
        noise = NoiseEmbedder(sentence_bert, variant, n=2)([["now turn it off", "turn it off now"]])[0]
        assert not noise[token].any()
        assert noise[1 - token].any()


def test_batch_order_and_memo_do_not_matter(embedder: NoiseEmbedder) -> None:
    together = embedder(LISTS)
    fresh = NoiseEmbedder(SentenceBert(batch_tokens=12, memo_bytes=0), embedder.variant)
    for again in (
        torch.cat([embedder([texts]) for texts in LISTS]),
        torch.cat([fresh([texts]) for texts in LISTS]),
        fresh(LISTS[::-1]).flip(0),
        embedder(LISTS),
    ):
        torch.testing.assert_close(again, together, atol=1e-5, rtol=0)


def test_lists_that_agree_cost_no_vector() -> None:
    asked: list[str] = []

    class Listening(LetterCounts):
        def encode(self, texts: Sequence[str]) -> Tensor:
            asked.extend(texts)
            return super().encode(texts)

    noise = NoiseEmbedder(Listening())([["a cat"] * 5, ["a the", "a b"], ["the cat"]])
    assert sorted(asked) == ["", "a b", "a the", "b", "the"]
    assert not noise[[0, 2]].any()
    assert noise[1].any()


def test_short_lists_repeat_their_last_and_long_ones_are_cut(embedder: NoiseEmbedder) -> None:
    short, filled, long = embedder(
        [["a", "b"], ["a", "b", "b", "b", "b"], ["a", "b", "b", "b", "b", "c", "d"]]
    )
    assert torch.equal(short, filled)
    assert torch.equal(long, filled)


def test_an_empty_hypothesis_counts_as_nothing(sentence_bert: SentenceBert) -> None:
    noise = NoiseEmbedder(sentence_bert, "paper", n=2)([["yes", ""]])[0]
    yes = sentence_bert.encode(["yes"])[0]
    torch.testing.assert_close(noise, torch.stack([-yes, -yes]))


def test_blanks_between_words_do_not_count_as_edits(embedder: NoiseEmbedder) -> None:
    noise = embedder([["turn it off", " turn  it\toff\n"]])[0]
    token = noise[10:] if embedder.variant == "paper" else noise[:10]
    assert not token.any()


def test_odd_texts_are_embedded(embedder: NoiseEmbedder) -> None:
    odd = ["🙂 ok", "漢字 テスト", "half a \ud83d pair", "\x00", "x" * 1000]
    assert embedder([odd]).isfinite().all()


def test_no_lists_give_an_empty_batch(embedder: NoiseEmbedder) -> None:
    assert embedder([]).shape == (0, 20, 384)


def test_it_can_enter_a_training_step(embedder: NoiseEmbedder) -> None:
    layer = torch.nn.Linear(384, 2)
    layer(embedder(LISTS)).sum().backward()
    assert layer.weight.grad is not None


def test_misuse_is_refused() -> None:
    with pytest.raises(InputError, match="unknown noise variant 'papers'; choose one of: paper, released"):
        NoiseEmbedder(LetterCounts(), "papers")
    with pytest.raises(InputError, match="n is 1"):
        NoiseEmbedder(LetterCounts(), n=1)
    embedder = NoiseEmbedder(LetterCounts())
    with pytest.raises(InputError, match="N-best list 1 of the batch has no hypotheses"):
        embedder([["a"], []])
    with pytest.raises(TypeError, match="a batch"):
        embedder(["turn it off", "turn it of"])


def test_ten_thousand_words(embedder: NoiseEmbedder) -> None:
    said = [f"w{k * k % 97}" for k in range(10_000)]
    lists = [[" ".join(w for k, w in enumerate(said) if (k + shift) % 11) for shift in range(5)]]
    started = time.perf_counter()
    assert embedder(lists).isfinite().all()
    assert time.perf_counter() - started < 60


def test_a_hundred_real_lists(embedder: NoiseEmbedder) -> None:
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        pytest.skip("ROBUSTGER_DATA is not set")
    with (Path(data) / "hyporadise" / "chime4.dev.jsonl").open(encoding="utf-8") as lines:
        lists = [json.loads(line)["hypotheses"] for _, line in zip(range(100), lines, strict=False)]
    noise = embedder(lists)
    assert noise.isfinite().all()
    agree = torch.tensor([len(set(hypotheses)) == 1 for hypotheses in lists])
    assert torch.equal(~noise.flatten(1).any(1), agree)
    torch.testing.assert_close(torch.cat([embedder([texts]) for texts in lists]), noise, atol=1e-5, rtol=0)
