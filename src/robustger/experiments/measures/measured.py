"""Values with their intervals, where what is averaged belongs to lists, and what is independent are sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from robustger.evaluation.figures import plain
from robustger.evaluation.scores import score_lists
from robustger.evaluation.significance import Interval, percentile_interval, rates
from robustger.evaluation.units import UNITS
from robustger.hypotheses import NBest

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its 95 % interval; None where none was taken."""

    value: float
    interval: Interval | None = None

    def to_json_dict(self) -> dict[str, Any]:
        """The value and the ends of its interval."""
        return {"value": plain(self.value), "interval": plain(self.interval)}

    def percent(self) -> Measured:
        """A fraction in percent."""
        ends = self.interval
        return Measured(100 * self.value, None if ends is None else Interval(100 * ends.low, 100 * ends.high))

    def cell(self, digits: int = 2) -> str:
        """As tables show it: "0.31 [0.27, 0.36]"."""
        if self.interval is None or np.isnan(self.interval.low):
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} [{self.interval.low:.{digits}f}, {self.interval.high:.{digits}f}]"


def ratio(numerators: ArrayLike, denominators: ArrayLike, units: Iterable[str], seed: int = 0) -> Measured:
    """The sum of the numerators over that of the denominators, with a bootstrap interval.

    Args:
        numerators: one a list, shape (lists,), at least one.
        denominators: same shape.
        units: of each list, what is drawn whole: its sentence.
        seed: of the draws.

    Returns:
        NaN where the denominators sum to 0; no interval where there is one unit alone.
    """
    above, below = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    rows: dict[str, int] = {}
    places = [rows.setdefault(unit, len(rows)) for unit in units]
    value, n = float(rates(above.sum(), below.sum())), len(rows)
    if n < 2:
        return Measured(value)
    sums = np.stack([np.bincount(places, weights=column) for column in (above, below)], axis=1)
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)
    samples = times @ sums
    return Measured(value, percentile_interval(rates(samples[:, 0], samples[:, 1])))


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
    scores = score_lists(lists, None, (normalizer,), unit=UNITS.get("word")).scores[normalizer]
    return dict(scores.errors()), scores.words
