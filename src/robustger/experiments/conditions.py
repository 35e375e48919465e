"""What a list says of how it came to be: which sentence, in which noise, at which SNR."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robustger.evaluation.significance import Interval, percentile_interval
from robustger.hypotheses import NBest

CLEAN = "clean"
RESAMPLES = 1000


def sentence(nbest: NBest) -> str:
    """What was said, by whom: the unit that is resampled.

    A mixture names the recording that it was made of, or has its id as the beginning of its own (`ID_NOISE_5dB`); any
    other list is a sentence of its own.
    """
    mix = nbest.meta.get("mix")
    source = mix.get("source_id") if isinstance(mix, Mapping) else None
    if isinstance(source, str):
        return source
    found = re.fullmatch(r"(.+)_[^_]+_-?[\d.]+dB", nbest.id)
    return found[1] if found and nbest.meta.get("snr_db") is not None else nbest.id


def snr_db(nbest: NBest) -> int | None:
    """The SNR, rounded to whole dB; None where the list names none."""
    value = nbest.meta.get("snr_db")
    return None if value is None else round(float(value))


def noise_kind(nbest: NBest) -> str:
    """The kind of noise, `brown` of the recording `brown-1`; "clean" where the list names neither noise nor SNR."""
    noise = nbest.meta.get("noise")
    if noise is None:
        return CLEAN if nbest.meta.get("snr_db") is None else "noise"
    return re.sub(r"-\d+$", "", str(noise)) or "noise"


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its 95 % interval; None where none was taken."""

    value: float
    interval: Interval | None = None

    def to_json(self) -> dict[str, object]:
        """The value and the ends of its interval."""
        ends = None if self.interval is None else [self.interval.low, self.interval.high]
        return {"value": self.value, "interval": ends}


def mean_over(values: Sequence[float] | np.ndarray, units: Iterable[str], seed: int = 0) -> Measured:
    """The mean, with a bootstrap interval over units that are drawn whole.

    Args:
        values: one a list, at least one.
        units: of each, what is drawn whole: its sentence.
        seed: of the draws.
    """
    given = np.asarray(values, dtype=float)
    rows: dict[str, int] = {}
    places = [rows.setdefault(unit, len(rows)) for unit in units]
    sums = np.bincount(places, weights=given)
    counts = np.bincount(places).astype(float)
    n = len(rows)
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)
    return Measured(float(given.mean()), percentile_interval((times @ sums) / (times @ counts)))
