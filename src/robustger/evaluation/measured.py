"""Means and ratios over lists, with intervals from a bootstrap over sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from robustger.evaluation.bootstrap import resampled_sums
from robustger.evaluation.intervals import Interval, percentile_interval, with_interval
from robustger.evaluation.json_values import json_value
from robustger.evaluation.scores import score_lists
from robustger.evaluation.units import ERROR_UNITS
from robustger.evaluation.wer import error_rates
from robustger.hypotheses import NBest

RESAMPLES = 2000
COUNTED = {"best": "1-best", "o_nb": "o_nb", "o_cp": "o_cp"}  # titles of the systems of `error_counts`


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its 95 % interval; None where none was taken."""

    value: float
    interval: Interval | None = None

    def to_json_dict(self) -> dict[str, Any]:
        """The value and the ends of its interval."""
        return {"value": json_value(self.value), "interval": json_value(self.interval)}

    def percent(self) -> Measured:
        """A fraction in percent."""
        return Measured(100 * self.value, None if self.interval is None else self.interval.scaled(100))

    def cell(self, digits: int = 2) -> str:
        """As tables show it: "0.31 [0.27, 0.36]"."""
        known = self.interval is not None and not np.isnan(self.interval.low)
        return with_interval(self.value, self.interval if known else None, digits, negative_zero=True)


def ratio(numerators: ArrayLike, denominators: ArrayLike, units: Iterable[str], seed: int = 0) -> Measured:
    """The sum of the numerators over that of the denominators, with a bootstrap interval.

    Args:
        numerators: one a list, shape (lists,), at least one.
        denominators: same shape.
        units: for each list its unit of resampling, which is its sentence.
        seed: of the draws.

    Returns:
        NaN where the denominators sum to 0; no interval where there is one unit alone.
    """
    above, below = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    rows: dict[str, int] = {}
    places = [rows.setdefault(unit, len(rows)) for unit in units]
    value = float(error_rates(above.sum(), below.sum()))
    if len(rows) < 2:
        return Measured(value)
    sums = np.stack([np.bincount(places, weights=column) for column in (above, below)], axis=1)
    samples = resampled_sums(sums, resamples=RESAMPLES, seed=seed, drawing="multinomial")
    return Measured(value, percentile_interval(error_rates(samples[:, 0], samples[:, 1])))


def mean(values: ArrayLike, units: Iterable[str], seed: int = 0) -> Measured:
    """The mean of values that belong to lists, with a bootstrap interval; see `ratio`."""
    given = np.asarray(values, dtype=float)
    return ratio(given, np.ones_like(given), units, seed)


def error_counts(lists: Sequence[NBest], normalizer: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Word errors of the 1-best (`best`) and of the oracles `o_nb` and `o_cp` in each list, and words of its reference.

    Args:
        lists: all with a reference.
        normalizer: a name in `robustger.text.NORMALIZERS`.

    Returns:
        errors by system, and reference words; every array of shape (lists,).
    """
    scores = score_lists(lists, None, (normalizer,), unit=ERROR_UNITS.get("word")).scores[normalizer]
    return dict(scores.errors()), scores.words
