from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.evaluation.alignment import align
from robustger.evaluation.matched_pairs import SegmentSums, segment_differences

WORDS = st.lists(st.sampled_from("abcd"), max_size=10)


def differences(reference: str, base: str, new: str) -> list[int]:
    truth = reference.split()
    return segment_differences(align(truth, base.split()), align(truth, new.split()))


def sums(values: list[int]) -> SegmentSums:
    return SegmentSums(len(values), sum(values), sum(value**2 for value in values))


@pytest.mark.parametrize(
    ("base", "new", "expected"),
    [
        ("a b c d e f g h", "a b c d e f g h", []),
        ("X b c d e f g h", "a b c d e f g h", [1]),
        ("X b c d e f g Y", "a b c d e f g h", [1, 1]),
        ("a X c Y e f g h", "a b c d e f g h", [2]),  # one word right between them: not enough
        ("a X c d Y f g h", "a b c d e f g h", [1, 1]),  # two are
        ("a X c d e f g h", "a b c d Y f g h", [1, -1]),
        ("a X c d e f g h", "a b c Y e f g h", [0]),  # the errors of either system make the segments
        ("a X c d e f g h", "a Y c d e f g h", [0]),  # wrong in both, and so a segment
        ("a b c Z d e f g h", "a b c d e f g h", [1]),  # an insertion
        ("a X c Z d e f g h", "a b c d e f g h", [2]),  # interrupts the words that are right
        ("a b c d e f g h Z", "X b c d e f g h", [-1, 1]),
        ("a b c d e f", "a b c d e f g h", [2]),
    ],
)
def test_segments(base: str, new: str, expected: list[int]):
    assert differences("a b c d e f g h", base, new) == expected


def test_an_empty_reference_is_one_segment():
    assert differences("", "x y", "z") == [1]
    assert differences("", "", "") == []


@given(WORDS, WORDS, WORDS)
def test_segments_hold_all_errors_of_both(reference: list[str], base: list[str], new: list[str]):
    one, two = align(reference, base), align(reference, new)
    found = segment_differences(one, two)
    assert sum(found) == sum(one.edits) - sum(two.edits)
    assert [-value for value in found] == segment_differences(two, one)
    assert bool(found) == (sum(one.edits) + sum(two.edits) > 0)


def test_hand_computed_statistic():
    # Z = 2, 1, 0, -1: mean 1/2; deviations 3/2, 1/2, -1/2, -3/2, so s^2 = 5 / 3; z = (1/2) / sqrt(5/3 / 4)
    result = sums([2, 1, 0, -1]).test()
    assert (result.segments, result.mean_difference) == (4, 0.5)
    assert result.z == pytest.approx(0.5 / math.sqrt(5 / 12), abs=1e-12)
    assert result.z == pytest.approx(0.7746, abs=1e-4)
    assert result.p_value == pytest.approx(0.4386, abs=1e-4)  # 2 * (1 - Phi(0.7746)), from a table


def test_the_level_of_five_percent():
    assert (
        sums([1] * 30 + [-1] * 14 + [0] * 20).test().p_value
        < 0.05
        < sums([1] * 28 + [-1] * 17).test().p_value
    )


def test_segments_without_spread():
    assert (sums([]).test().z, sums([]).test().p_value) == (0, 1)
    assert sums([3]).test().p_value == 1  # one segment says nothing
    assert sums([0] * 50).test().p_value == 1
    certain = sums([1] * 50).test()
    assert (certain.z, certain.p_value) == (math.inf, 0)
    assert sums([-1] * 50).test().z == -math.inf


@given(st.lists(st.integers(-3, 3), max_size=9), st.lists(st.integers(-3, 3), max_size=9))
def test_sums_add_up(one: list[int], other: list[int]):
    assert sums(one) + sums(other) == sums(one + other)


def test_equal_systems_are_told_apart_about_once_in_twenty():
    """Two systems with the same rate of errors, made independently: p < 0.05 in about 5 % of the corpora."""
    random_ = random.Random(7)
    corpora, found = 1000, 0
    for _ in range(corpora):
        both = [(random_.random() < 0.3) - (random_.random() < 0.3) for _ in range(80)]
        found += sums(both).test().p_value < 0.05
    assert 0.03 < found / corpora < 0.07
