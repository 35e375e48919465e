"""The paired bootstrap over utterances, for confidence intervals of word error rates (Bisani and Ney 2004).

A corpus WER is a ratio of sums, errors over reference words. The bootstrap therefore draws whole utterances with
replacement and computes both sums anew. All systems, all normalizers and the words use the same draws, so differences
between systems are paired.

The bootstrap takes utterances as independent. Where they are not (a few speakers make up the corpus, or a sentence
occurs at every SNR), the true intervals are wider. The independent units, the speakers or the sentences, are then drawn
whole (`cluster_sums`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robustger.errors import InputError
from robustger.evaluation.intervals import Interval, percentile_interval
from robustger.evaluation.wer import FloatArray, error_rates, relative_reductions

# Below this many utterances, clusters or segments, intervals and p-values promise more than they hold.
FEWEST_UNITS = 20
_DRAWS_AT_ONCE = 2_000_000  # row numbers held in memory at a time: 16 MB, and as much again for their counts

Drawing = Literal["rows", "multinomial"]
"""How the resamples of a seed are drawn. Both follow the same distribution, but give different resamples:

- "rows": the numbers of the drawn rows, counted afterwards, in blocks of bounded memory.
- "multinomial": how often each row is drawn, for all resamples at once.
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A new system compared with a base on the same utterances; positive reductions mean fewer errors.

    Attributes:
        absolute_reduction: WER of the base - WER of the new system, in WER units (0.01 is one point).
        absolute_interval: its 95 % interval.
        relative_reduction: 1 - errors of the new system / errors of the base.
        relative_interval: its 95 % interval.
        share_not_better: share of the resamples in which the new system has at least as many errors as the base. It
            reads like a one-sided p-value (below 0.025: significant at the level of the intervals).
    """

    absolute_reduction: float
    absolute_interval: Interval
    relative_reduction: float
    relative_interval: Interval
    share_not_better: float


def draw_counts(
    rows: int, *, resamples: int, seed: int | np.random.SeedSequence, drawing: Drawing = "rows"
) -> Iterator[FloatArray]:
    """Draws bootstrap resamples and yields how often each row is in each of them.

    Args:
        rows: number of rows to draw from.
        resamples: number of resamples; each draws `rows` rows with replacement.
        seed: the same seed and number of rows draw the same resamples.
        drawing: see `Drawing`.

    Yields:
        the counts of a block of resamples, shape (resamples in the block, rows).

    Raises:
        InputError: `resamples` below 1, or a negative seed.
        ValueError: no rows.
    """
    if isinstance(seed, int):
        check_bootstrap(resamples, seed)
    if rows == 0:
        raise ValueError("there is no row to draw from")
    random = np.random.default_rng(seed)
    if drawing == "multinomial":
        yield random.multinomial(rows, np.full(rows, 1 / rows), size=resamples).astype(np.float64)
        return
    block = max(1, _DRAWS_AT_ONCE // rows)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = random.integers(rows, size=(size, rows))
        drawn += rows * np.arange(size)[:, None]  # each resample has its own numbers: one bincount counts all
        yield np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)


def resampled_sums(
    columns: ArrayLike, *, resamples: int, seed: int | np.random.SeedSequence, drawing: Drawing = "rows"
) -> FloatArray:
    """Column sums over bootstrap resamples of the rows.

    Args:
        columns: shape (rows, columns), at least one row. A row is an utterance, or the sums of a cluster.
        resamples: number of resamples.
        seed: the same seed and number of rows draw the same resamples.
        drawing: see `Drawing`.

    Returns:
        Shape (resamples, columns). Sums of whole numbers below 2**53 are exact, whatever the size of the blocks.

    Raises:
        InputError: `resamples` below 1, or a negative seed.
        ValueError: no rows.
    """
    values = np.asarray(columns, dtype=np.float64)  # float64 for BLAS, still exact for counts
    blocks = draw_counts(len(values), resamples=resamples, seed=seed, drawing=drawing)
    return np.concatenate([counts @ values for counts in blocks])


def cluster_sums(columns: ArrayLike, clusters: ArrayLike) -> NDArray[np.int64]:
    """Column sums of each cluster: the rows that `resampled_sums` draws from where utterances depend on each other.

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
    """Refuses settings that no bootstrap can run with.

    Raises:
        InputError: `resamples` below 1, or a negative seed.
    """
    if resamples < 1:
        raise InputError(f"resamples must be at least 1, not {resamples}")
    if seed < 0:
        raise InputError(f"seed must be 0 or greater, not {seed}")


def compare(
    base: int,
    new: int,
    words: int,
    base_samples: FloatArray,
    new_samples: FloatArray,
    word_samples: FloatArray,
) -> Comparison:
    """The comparison of two systems from total counts and their resampled sums, each of shape (resamples,)."""
    return Comparison(
        absolute_reduction=float(error_rates(base - new, words)),
        absolute_interval=percentile_interval(error_rates(base_samples - new_samples, word_samples)),
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
    """Compares two systems on the same utterances.

    Args:
        base_errors: errors of the base in each utterance, shape (utterances,).
        new_errors: errors of the new system, same shape.
        words: reference words, same shape.
        clusters: the speaker or sentence of each utterance, same shape. Each is drawn whole. None draws utterances.
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
