"""A list of exactly N: what differs only in typography counts once, samples come next, then repetition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.hypotheses import Hypothesis
from robustger.recognition.fill import as_spoken, distinct, fill_up
from robustger.text import NORMALIZERS, normalize

TEXTS = st.sampled_from(["a", "A.", "b", "B", "", " ", "twenty one", "21", "a b", "a-b", "c"])
LISTS = st.lists(st.builds(Hypothesis, TEXTS, st.floats(-9, 0)), max_size=12)


def of(*texts: str) -> list[Hypothesis]:
    return [Hypothesis(text, -float(rank)) for rank, text in enumerate(texts)]


def test_typography_does_not_make_a_hypothesis() -> None:
    kept = distinct(of("It's 21.", "its twenty-one", "it is 21", "ITS 21"))
    assert [one.text for one in kept] == ["It's 21.", "its twenty-one"]


@pytest.mark.parametrize("name", NORMALIZERS.names())
def test_whichever_way_a_list_is_written_its_hypotheses_differ(name: str) -> None:
    texts = (
        "It's a nice colour, Mr. Smith.",
        "It is a nice color, Mister Smith.",
        "Um, it's a nice colour, Mr Smith.",
        "[Music] it's a nice colour mister smith",
        "It's a nice caller, Mr. Smith.",
        "It's 21 colours.",
        "it's twenty one colors",
    )
    kept = distinct(of(*texts))
    assert len({normalize(one.text, name) for one in kept}) == len(kept) == 3


def test_that_nothing_was_said_is_a_hypothesis() -> None:
    assert [one.text for one in distinct(of("", "a", ".", "b"))] == ["", "a", "b"]


def test_samples_come_behind_the_searched_and_repetition_last() -> None:
    hypotheses, count = fill_up(of("a", "A", "b"), 5, of("B.", "c", "a"))
    assert [one.text for one in hypotheses] == ["a", "b", "c", "c", "c"]
    assert count == 3


def test_samples_are_not_drawn_for_a_full_list() -> None:
    def never() -> st.SearchStrategy[Hypothesis]:
        raise AssertionError("sampled without need")
        yield

    hypotheses, count = fill_up(of("a", "b", "c"), 2, never())  # type: ignore[arg-type]
    assert [one.text for one in hypotheses] == ["a", "b"]
    assert count == 2


@given(LISTS.filter(bool), st.integers(1, 8), LISTS)
def test_every_list_has_n_of_which_the_first_are_distinct(
    searched: list[Hypothesis], n: int, sampled: list[Hypothesis]
) -> None:
    hypotheses, count = fill_up(searched, n, sampled)
    assert len(hypotheses) == n
    normalised = [as_spoken(one.text) for one in hypotheses]
    assert len(set(normalised[:count])) == count == len(set(normalised))
    assert hypotheses[0] == searched[0]
    assert set(hypotheses[count:]) <= {hypotheses[count - 1]}
    possible = len({as_spoken(one.text) for one in [*searched, *sampled]})
    assert count == min(n, possible)


@given(LISTS)
def test_the_best_of_its_kind_is_kept(hypotheses: list[Hypothesis]) -> None:
    kept = distinct(hypotheses)
    assert distinct(kept) == kept
    for one in kept:
        alike = [h for h in hypotheses if as_spoken(h.text) == as_spoken(one.text)]
        assert one is alike[0]


@pytest.mark.parametrize("n", [0, 3])
def test_no_more_than_asked_for(n: int) -> None:
    assert len(distinct(of("a", "b", "c", "d"), n)) == n
