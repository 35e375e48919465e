from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.evaluation import compositional_errors, n_best_errors
from robustger.evaluation.oracles import windowed_compositional_errors, windowed_n_best_errors
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


WINDOWS = st.lists(
    st.lists(st.lists(st.sampled_from("abcde"), max_size=4), min_size=1, max_size=3), min_size=1, max_size=3
)
SHORT = st.lists(st.sampled_from("abcd"), max_size=8)


@given(SHORT, WINDOWS)
def test_o_nb_of_windows_is_the_best_choice_of_one_hypothesis_for_each(reference, windows):
    choices = itertools.product(*windows)
    expected = min(count_errors(reference, list(itertools.chain(*choice))) for choice in choices)
    assert windowed_n_best_errors(reference, windows) == expected
    if len(windows) == 1:
        assert expected == n_best_errors(reference, windows[0])


@given(SHORT, WINDOWS)
def test_o_cp_of_windows_is_the_best_way_to_share_the_reference_out(reference, windows):
    length = len(reference)

    def errors(cuts: tuple[int, ...]) -> int:
        ends = zip((0, *cuts), (*cuts, length), strict=True)
        return sum(
            compositional_errors(reference[start:end], texts)
            for (start, end), texts in zip(ends, windows, strict=True)
        )

    cuts = itertools.combinations_with_replacement(range(length + 1), len(windows) - 1)
    assert windowed_compositional_errors(reference, windows) == min(map(errors, cuts))
    assert windowed_compositional_errors(reference, windows) <= windowed_n_best_errors(reference, windows)


def test_an_hour_in_windows():
    """9,000 words in 120 windows: words that are wrong in one hypothesis are right in another."""
    reference = [str(number) for number in range(9000)]
    windows = []
    for start in range(0, 9000, 75):
        words = reference[start : start + 75]
        windows.append([[*words[:-1], "x"], ["y", *words[1:]], [*words[:40], *words[41:]]])
    assert windowed_n_best_errors(reference, windows) == 120
    assert windowed_compositional_errors(reference, windows) == 0


def test_windows_need_hypotheses():
    for windows in ([], [[["a"]], []]):
        with pytest.raises(ValueError, match="at least one hypothesis"):
            windowed_n_best_errors(["a"], windows)
