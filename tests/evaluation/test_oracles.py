from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.evaluation import compositional_errors, n_best_errors
from robustger.evaluation.wer import count_errors

WORDS = st.lists(st.sampled_from("abcdef"), max_size=7)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=6))
def test_oracles_are_ordered(reference: list[str], hypotheses: list[list[str]]):
    best = count_errors(reference, hypotheses[0])
    o_nb, o_cp = n_best_errors(reference, hypotheses), compositional_errors(reference, hypotheses)
    assert 0 <= o_cp <= o_nb <= best
    assert o_nb == min(count_errors(reference, words) for words in hypotheses)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4), WORDS)
def test_a_longer_list_never_raises_an_oracle(reference, hypotheses, further):
    assert n_best_errors(reference, [*hypotheses, further]) <= n_best_errors(reference, hypotheses)
    assert compositional_errors(reference, [*hypotheses, further]) <= compositional_errors(
        reference, hypotheses
    )


@given(
    st.lists(st.sampled_from("abc"), max_size=4),
    st.lists(st.lists(st.sampled_from("abc"), max_size=2), max_size=2),
)
def test_o_cp_is_the_best_text_of_the_lists_words(reference: list[str], hypotheses: list[list[str]]):
    """Against the definition: every text that the words of the list can form, by brute force."""
    available = {word for words in hypotheses for word in words}
    texts = (text for size in range(len(reference) + 1) for text in itertools.product(available, repeat=size))
    assert compositional_errors(reference, hypotheses) == min(
        count_errors(reference, list(text)) for text in texts
    )


def test_hand_computed():
    reference = ["we", "met", "in", "rome", "in", "may"]
    hypotheses = [["we", "met", "and", "roam", "in", "may"], ["he", "met", "in", "rome", "and", "may", "be"]]
    assert n_best_errors(reference, hypotheses) == 2  # in->and, rome->roam
    assert compositional_errors(reference, hypotheses) == 0
    assert compositional_errors(["in", "in", "oslo", "oslo"], hypotheses) == 2  # each occurrence of oslo


def test_empty_reference():
    assert n_best_errors([], [["a", "b"], ["a"]]) == 1
    assert compositional_errors([], [["a", "b"], ["a"]]) == 0


def test_empty_list():
    with pytest.raises(ValueError, match="at least one"):
        n_best_errors(["a"], [])
