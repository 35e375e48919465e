"""Means and rates with intervals over sentences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustger.evaluation.intervals import Interval
from robustger.evaluation.measured import Measured, error_counts, mean, ratio
from robustger.hypotheses import NBest

WORDS = st.lists(st.sampled_from("abcd"), max_size=6).map(" ".join)


def test_a_ratio_is_that_of_the_sums() -> None:
    found = ratio([1, 2, 0], [4, 4, 2], ["a", "b", "c"])
    assert found.value == pytest.approx(0.3)
    assert found.interval is not None
    assert 0 <= found.interval.low < 0.3 < found.interval.high <= 0.5
    assert np.isnan(ratio([1, 1], [0, 0], ["a", "b"]).value)


def test_sentences_are_drawn_whole() -> None:
    """Ten copies of every list say no more than one."""
    values = np.random.default_rng(0).normal(size=30)
    names = [str(number) for number in range(30)]
    once, often = mean(values, names), mean(np.repeat(values, 10), np.repeat(names, 10).tolist())
    apart = mean(np.repeat(values, 10), map(str, range(300)))
    assert often.value == pytest.approx(once.value)
    assert _width(often) == pytest.approx(_width(once))
    assert _width(apart) < 0.5 * _width(once)


def test_one_sentence_has_no_interval() -> None:
    assert mean([1.0, 3.0], ["a", "a"]) == Measured(2.0, None)


def test_a_covering_interval() -> None:
    """Of 200 samples whose true mean is 0, about 95 % of the intervals hold it."""
    random = np.random.default_rng(1)
    names = [str(number) for number in range(40)]
    held = 0
    for seed in range(200):
        ends = mean(random.normal(size=40), names, seed).interval
        assert ends is not None
        held += ends.low <= 0 <= ends.high
    assert 0.88 <= held / 200 <= 0.99


def test_how_it_is_shown() -> None:
    one = Measured(0.123456, Interval(0.1, 0.2))
    assert one.percent().cell(1) == "12.3 [10.0, 20.0]"
    assert Measured(0.5).percent().cell() == "50.00"
    assert one.to_json_dict() == {"value": 0.123456, "interval": [0.1, 0.2]}
    assert Measured(float("nan")).to_json_dict() == {"value": None, "interval": None}


@settings(max_examples=50)
@given(st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=4)), min_size=1, max_size=4))
def test_oracles_never_have_more_errors_than_the_1_best(given_lists: list[tuple[str, list[str]]]) -> None:
    lists = [
        NBest.from_texts(str(number), texts, reference=reference)
        for number, (reference, texts) in enumerate(given_lists)
    ]
    errors, words = error_counts(lists, "raw")
    assert (errors["o_cp"] <= errors["o_nb"]).all()
    assert (errors["o_nb"] <= errors["best"]).all()
    assert words.tolist() == [len(reference.split()) for reference, _ in given_lists]


def _width(one: Measured) -> float:
    assert one.interval is not None
    return one.interval.high - one.interval.low
