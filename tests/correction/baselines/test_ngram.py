"""The n-gram model: probabilities worked out by hand, and that they are probabilities."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.correction.baselines.ngram import NgramLanguageModel, NgramWord

WORDS = ["a", "b", "c"]
SENTENCES = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join), min_size=1)


def test_the_probabilities_equal_those_worked_out_by_hand() -> None:
    model = NgramLanguageModel(["a b", "a c"], order=2)
    # Words: a twice, b, c, the end twice; 4 different ones of 6. All unknown ones together get a fifth share:
    unigram = {"a": (2 + 4 / 5) / 10, "b": (1 + 4 / 5) / 10, "c": (1 + 4 / 5) / 10, None: (2 + 4 / 5) / 10}
    begin_a = (2 + 1 * unigram["a"]) / (2 + 1)  # a begins both sentences
    a_b = (1 + 2 * unigram["b"]) / (2 + 2)  # after a: b and c, once each
    b_end = (1 + 1 * unigram[None]) / (1 + 1)  # after b: the end, once
    assert model.log_probabilities(["a b"]) == pytest.approx([math.log(begin_a * a_b * b_end)])
    b_c = 1 * unigram["c"] / (1 + 1)  # never seen after b
    assert model.probability("c", ("b",)) == pytest.approx(b_c)
    assert model.probability("unknown", ("b",)) == pytest.approx((4 / 5) / 10 / 2)
    assert model.probability("a", ("unknown",)) == pytest.approx(unigram["a"])
    assert model.log_probabilities([""]) == pytest.approx([math.log(1 * unigram[None] / (2 + 1))])


@given(SENTENCES, st.integers(1, 4), st.lists(st.sampled_from([*WORDS, "unknown", None]), max_size=3))
def test_they_add_up_to_one_after_any_history(
    sentences: list[str], order: int, before: list[NgramWord]
) -> None:
    model = NgramLanguageModel(sentences, order)
    history = (None, None, None, *before)[len(before) + 4 - order :] if order > 1 else ()
    known: set[NgramWord] = {word for sentence in sentences for word in sentence.split()} | {None}
    total = sum(model.probability(word, history) for word in [*known, "never seen"])
    assert total == pytest.approx(1)


def test_what_was_read_is_likelier_than_what_was_not_and_white_space_is_none() -> None:
    model = NgramLanguageModel(["show me the flights to boston", "show me the fares"])
    read, mixed, unknown, spaced = model.log_probabilities(
        ["show me the fares", "fares the me show", "zeig mir die tarife", " show  me the\tfares "]
    )
    assert read > mixed > unknown
    assert spaced == read
