"""Confidence intervals of word error rates by the paired bootstrap over utterances (Bisani and Ney 2004).

A corpus WER is a ratio of sums, errors over reference words, so whole utterances are resampled with
replacement and both sums are taken anew. All systems, normalizers and the words are resampled together:
differences between systems are paired. Utterances are taken as independent. Where they are not (a few speakers
make up the corpus, a sentence stands there at every SNR), the true intervals are wider: then what is independent,
the speakers or the sentences, is resampled whole (`cluster_sums`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robustger.errors import InputError

LEVEL = 0.95
FEWEST_UNITS = (
    20  # utterances, clusters or segments below which intervals and p-values say less than they seem to
)
_DRAWS_AT_ONCE = 2_000_000  # index draws held in memory at a time: 16 MB, and as much again for their counts

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; both ends are NaN where the quantity has no value."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A new system against a base on the same utterances; positive reductions mean fewer errors.

    Attributes:
        absolute_reduction: WER of the base - WER of the new system, in WER units (0.01 is one point).
        absolute_interval: its 95 % interval.
        relative_reduction: 1 - errors of the new system / errors of the base.
        relative_interval: its 95 % interval.
        share_not_better: share of the resamples in which the new system has at least as many errors as the
            base; reads like a one-sided p-value (below 0.025: significant at the level of the intervals).
    """

    absolute_reduction: float
    absolute_interval: Interval
    relative_reduction: float
    relative_interval: Interval
    share_not_better: float


def resampled_sums(columns: ArrayLike, *, resamples: int, seed: int | np.random.SeedSequence) -> FloatArray:
    """Column sums over bootstrap resamples of the rows.

    Memory stays bounded by drawing a block of resamples at a time; the block size does not change the result.

    Args:
        columns: shape (utterances, columns), whole numbers (counts), at least one row.
        resamples: number of resamples.
        seed: the same seed and number of rows draw the same resamples.

    Returns:
        Shape (resamples, columns); exact, as sums of whole numbers below 2**53.

    Raises:
        InputError: `resamples` below 1, or a negative seed.
        ValueError: no rows.
    """
    values = np.asarray(columns, dtype=np.float64)  # (n, K); float64 for BLAS, still exact for counts
    n = len(values)
    if isinstance(seed, int):
        check_bootstrap(resamples, seed)
    if n == 0:
        raise ValueError("resampled_sums needs at least one row")
    random = np.random.default_rng(seed)
    block = max(1, _DRAWS_AT_ONCE // n)
    sums = np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        rows = random.integers(n, size=(size, n))
        rows += (
            n * np.arange(size)[:, None]
        )  # a range of row numbers for each resample: one bincount counts all
        times = np.bincount(rows.ravel(), minlength=size * n).reshape(size, n)
        sums[start : start + size] = times.astype(np.float64) @ values
    return sums


def cluster_sums(columns: ArrayLike, clusters: ArrayLike) -> NDArray[np.int64]:
    """Column sums of each cluster: the rows that `resampled_sums` draws from where rows depend on each other.

    Args:
        columns: shape (utterances, columns), whole numbers.
        clusters: shape (utterances,), the cluster of each row, any values that compare equal within a cluster.

    Returns:
        Shape (clusters, columns), clusters in ascending order.
    """
    values = np.asarray(columns)
    names, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]), dtype=np.int64)
    np.add.at(sums, numbers, values)
    return sums


def check_bootstrap(resamples: int, seed: int) -> None:
    """Refuse settings no bootstrap can run with.

    Raises:
        InputError: `resamples` below 1, or a negative seed.
    """
    if resamples < 1:
        raise InputError(f"resamples must be at least 1, not {resamples}")
    if seed < 0:
        raise InputError(f"seed must be 0 or greater, not {seed}")


def percentile_interval(samples: ArrayLike, level: float = LEVEL) -> Interval:
    """The central `level` of the samples, ends rounded outwards; NaN samples (no value) are left out."""
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    ordered = ordered[~np.isnan(ordered)]
    if not len(ordered):
        return Interval(float("nan"), float("nan"))
    # picked, not interpolated: infinite samples (a base without errors) must not turn into NaN
    last = len(ordered) - 1
    tail = (1 - level) / 2
    return Interval(
        float(ordered[int(np.floor(tail * last))]), float(ordered[int(np.ceil((1 - tail) * last))])
    )


def rates(errors: ArrayLike, words: ArrayLike) -> FloatArray:
    """WER from errors and words, elementwise; NaN where there are no words."""
    errors, words = np.asarray(errors, dtype=np.float64), np.asarray(words, dtype=np.float64)
    return np.divide(errors, words, out=np.full(errors.shape, np.nan), where=words > 0)


def relative_reductions(base: ArrayLike, new: ArrayLike) -> FloatArray:
    """1 - new / base, elementwise; 0 where both are 0 (nothing changed), -inf where only the base is 0."""
    base, new = np.asarray(base, dtype=np.float64), np.asarray(new, dtype=np.float64)
    ratio = np.divide(new, base, out=np.where(new > 0, np.inf, 1.0), where=base > 0)
    return 1.0 - ratio


def compare(
    base: int,
    new: int,
    words: int,
    base_samples: FloatArray,
    new_samples: FloatArray,
    word_samples: FloatArray,
) -> Comparison:
    """The comparison from total counts and their resampled sums, each of shape (resamples,)."""
    return Comparison(
        absolute_reduction=float(rates(base - new, words)),
        absolute_interval=percentile_interval(rates(base_samples - new_samples, word_samples)),
        relative_reduction=float(relative_reductions(base, new)),
        relative_interval=percentile_interval(relative_reductions(base_samples, new_samples)),
        share_not_better=float(np.mean(new_samples >= base_samples)),
    )


def paired_bootstrap(
    base_errors: ArrayLike,
    new_errors: ArrayLike,
    words: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Comparison:
    """Compare two systems on the same utterances.

    Args:
        base_errors: errors of the base in each utterance, shape (utterances,).
        new_errors: errors of the new system, same shape.
        words: reference words, same shape.
        clusters: the speaker or sentence of each utterance, same shape: these are resampled whole. None
            resamples utterances.
        seed: seed of the resampling.
        resamples: number of resamples.

    Raises:
        InputError: arrays of different or zero length, `resamples` below 1, or a negative seed.
    """
    columns = [np.asarray(column) for column in (base_errors, new_errors, words)]
    if len({column.shape for column in columns}) != 1 or columns[0].ndim != 1 or not len(columns[0]):
        shapes = ", ".join(str(column.shape) for column in columns)
        raise InputError(
            f"paired_bootstrap needs three arrays of one equal, non-zero length; got shapes {shapes}"
        )
    table = np.stack(columns, axis=1)
    if clusters is not None:
        labels = np.asarray(clusters)
        if labels.shape != columns[0].shape:
            raise InputError(
                f"paired_bootstrap needs one cluster for each of {len(table)} utterances; got shape {labels.shape}"
            )
        table = cluster_sums(table, labels)
    samples = resampled_sums(table, resamples=resamples, seed=seed)
    base, new, total = (int(column.sum()) for column in columns)
    return compare(base, new, total, *samples.T)
