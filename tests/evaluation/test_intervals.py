from __future__ import annotations

import math

import numpy as np
import pytest

from robustger.evaluation.intervals import Interval, decimal, percent, percentile_interval, with_interval
from robustger.evaluation.json_values import json_value

NAN, INFINITE = float("nan"), float("inf")


def test_outward_ends_are_samples() -> None:
    samples = np.arange(1001.0)
    assert percentile_interval(samples, 0.5) == Interval(250, 750)
    assert percentile_interval(np.arange(4.0), 0.5) == Interval(0, 3)
    assert percentile_interval([-INFINITE, 0.0, 1.0, NAN]) == Interval(-INFINITE, 1.0)


def test_interpolated_ends_lie_between_samples() -> None:
    samples = np.random.default_rng(0).normal(size=57)
    ends = percentile_interval([*samples, NAN], ends="interpolated")
    assert (ends.low, ends.high) == pytest.approx(tuple(np.quantile(samples, [0.025, 0.975])))
    outward = percentile_interval(samples)
    assert outward.low < ends.low < ends.high < outward.high


def test_percentiles_are_rounded_outwards_and_skip_missing_values():
    interval = percentile_interval([*range(101), math.nan])
    assert (interval.low, interval.high) == (2, 98)
    assert math.isnan(percentile_interval([math.nan]).low)


def test_without_a_value_there_is_no_interval() -> None:
    for ends in (percentile_interval([]), percentile_interval([NAN, NAN])):
        assert math.isnan(ends.low)
        assert math.isnan(ends.high)


@pytest.mark.parametrize(
    ("value", "signed", "negative_zero", "expected"),
    [
        (1.25, False, False, "1.2"),
        (1.25, True, False, "+1.2"),
        (-0.01, False, False, "0.0"),
        (-0.01, True, False, "+0.0"),
        (-0.01, True, True, "-0.0"),
        (-0.06, False, False, "-0.1"),
        (NAN, True, False, "n/a"),
        (INFINITE, False, True, "n/a"),
    ],
)
def test_numbers(value: float, signed: bool, negative_zero: bool, expected: str) -> None:
    assert decimal(value, 1, signed=signed, negative_zero=negative_zero) == expected


def test_values_with_their_intervals() -> None:
    ends = Interval(-0.00001, 0.36)
    assert with_interval(0.31, ends, 2) == "0.31 [0.00, 0.36]"
    assert with_interval(0.31, ends, 4, signed=True, negative_zero=True) == "+0.3100 [-0.0000, +0.3600]"
    assert with_interval(0.31, None, 1) == "0.3"
    assert with_interval(NAN, ends, 1) == "n/a"
    assert with_interval(0.31, Interval(NAN, INFINITE), 1) == "0.3 [n/a, n/a]"
    assert percent(0.0813, Interval(0.076, 0.0871)) == "8.13 [7.60, 8.71]"
    assert percent(-0.0813, signed=True, digits=1) == "-8.1"


def test_json_has_no_numbers_that_are_not_finite() -> None:
    assert json_value({"a": Interval(0.5, INFINITE), "b": [NAN, 1.0, "x"]}) == {
        "a": [0.5, None],
        "b": [None, 1.0, "x"],
    }
