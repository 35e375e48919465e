"""Confidence intervals: taken from resampled values, and printed.

Every table, page and figure note of the package prints a value and its interval through `with_interval` or `percent`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval. Both ends are NaN where the quantity has no value."""

    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        """Both ends times a positive factor."""
        return Interval(factor * self.low, factor * self.high)


def percentile_interval(
    samples: ArrayLike,
    level: float = CONFIDENCE_LEVEL,
    *,
    ends: Literal["outward", "interpolated"] = "outward",
) -> Interval:
    """The central part of resampled values.

    Args:
        samples: the quantity in each resample, shape (resamples,). NaN samples, where it has no value, are left out.
        level: the share of the samples that the interval holds.
        ends: how an end that falls between two samples is chosen. "outward" takes the sample farther out, so that
            infinite samples (a base without errors) do not turn into NaN. "interpolated" lies between the two.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    ordered = ordered[~np.isnan(ordered)]
    if not len(ordered):
        return Interval(float("nan"), float("nan"))
    tail = (1 - level) / 2
    if ends == "interpolated":
        low, high = np.quantile(ordered, [tail, 1 - tail])
        return Interval(float(low), float(high))
    last = len(ordered) - 1
    return Interval(
        float(ordered[int(np.floor(tail * last))]), float(ordered[int(np.ceil((1 - tail) * last))])
    )


def decimal(value: float, digits: int, *, signed: bool = False, negative_zero: bool = False) -> str:
    """A number with a fixed number of decimal places, "n/a" where it is not finite.

    Args:
        value: the number.
        digits: decimal places.
        signed: whether positive numbers get a plus sign.
        negative_zero: whether a small negative number that rounds to zero keeps its sign, as in "-0.00".
    """
    if not math.isfinite(value):
        return "n/a"
    rounded = value if negative_zero else round(value, digits) + 0.0  # adding 0.0 turns -0.0 into 0.0
    return format(rounded, f"{'+' if signed else ''}.{digits}f")


def with_interval(
    value: float,
    interval: Interval | None,
    digits: int,
    *,
    signed: bool = False,
    negative_zero: bool = False,
) -> str:
    """A value and its interval, as in "0.31 [0.27, 0.36]".

    Args:
        value: the value. Where it is not finite, "n/a" is all that is printed.
        interval: its interval; None prints the value alone.
        digits: decimal places.
        signed: see `decimal`.
        negative_zero: see `decimal`.
    """
    numbers = [value]
    if interval is not None and math.isfinite(value):
        numbers += [interval.low, interval.high]
    shown, *ends = (decimal(one, digits, signed=signed, negative_zero=negative_zero) for one in numbers)
    return f"{shown} [{', '.join(ends)}]" if ends else shown


def percent(
    fraction: float, interval: Interval | None = None, *, digits: int = 2, signed: bool = False
) -> str:
    """A fraction in percent, without the percent sign: "8.13 [7.60, 8.71]", or "n/a" where it has no value."""
    return with_interval(
        100 * fraction, None if interval is None else interval.scaled(100), digits, signed=signed
    )
