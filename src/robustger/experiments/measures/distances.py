"""How far noise moves an embedding away from that of clean speech, kind by kind (the paper's Table 17).

For every kind of noise and every embedding, with c the embedding of a sentence in clean speech and x that of the same
in noise:

    distance = sqrt( mean over pairs of lists i, j of different sentences of (x_i - c_i) . (x_j - c_j) ) / S
    S^2 = mean over pairs of sentences of |c_i - c_j|^2 / 2, the variance of clean speech

Under the root is |mean (x - c)|^2 without bias. With i = j included it would be above 0 where noise moves nothing, and
the more so the fewer lists there are. A value below 0 counts as 0. Division by S makes embeddings of any width and
scale comparable: 1 says that noise moves the mean as far as a sentence is from the mean. The paper does not say how it
measures, so its figures are not to be compared with these. Intervals come from a bootstrap over sentences with S as it
is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from robustger.errors import InputError
from robustger.evaluation.bootstrap import draw_counts
from robustger.evaluation.intervals import Interval, percentile_interval
from robustger.experiments.measures.conditions import level, noise_kind, sentence, snr_db
from robustger.experiments.measures.measured import RESAMPLES, Measured
from robustger.hypotheses import NBest

EVERY, MEAN = "all kinds", "mean of kinds"


def clean_spread(clean: np.ndarray) -> float:
    """S of the embeddings of different sentences, shape (n, D), n > 1."""
    return float(np.sqrt(clean.var(0, ddof=1).sum()))


class Moved:
    """How far noise moves the embeddings of some lists.

    Args:
        moved: x - c of every list, shape (n, D).
        sentences: which sentence each is of.

    Raises:
        ValueError: they are all of one sentence.
    """

    def __init__(self, moved: np.ndarray, sentences: Sequence[str]) -> None:
        rows = {name: row for row, name in enumerate(dict.fromkeys(sentences))}
        if len(rows) < 2:
            raise ValueError("at least two sentences are needed")
        places = [rows[name] for name in sentences]
        sums = np.zeros((len(rows), moved.shape[1]))
        np.add.at(sums, places, moved)
        self._products = sums @ sums.T
        self._counts = np.bincount(places).astype(float)

    def length(self, times: np.ndarray | None = None) -> float:
        """|mean (x - c)|, each sentence taken as often as `times` says, shape (sentences,); None takes all once."""
        weights = np.ones_like(self._counts) if times is None else times
        counted = weights * self._counts
        pairs_of_lists = counted.sum() ** 2 - (counted**2).sum()
        products = weights @ self._products @ weights - (weights**2 * self._products.diagonal()).sum()
        return float(np.sqrt(max(0.0, products) / pairs_of_lists)) if pairs_of_lists else 0.0

    def interval(self, seed: int = 0) -> Interval:
        """Of the length, at 95 %."""
        blocks = draw_counts(len(self._counts), resamples=RESAMPLES, seed=seed, drawing="multinomial")
        return percentile_interval([self.length(times) for block in blocks for times in block])


def pairs(
    clean: Sequence[NBest], noisy: Sequence[NBest], snrs_db: Sequence[float] | None
) -> list[tuple[NBest, NBest]]:
    """(noisy list, clean list) of the same sentence.

    Args:
        clean: lists of clean speech, one a sentence.
        noisy: lists of the same sentences in noise.
        snrs_db: only lists at these are taken; None takes all.

    Raises:
        InputError: there are none, or all are of one sentence.
    """
    by_sentence = {sentence(nbest): nbest for nbest in clean}
    levels = None if snrs_db is None else set(map(level, snrs_db))
    found = [
        (nbest, by_sentence[sentence(nbest)])
        for nbest in noisy
        if (levels is None or snr_db(nbest) in levels) and sentence(nbest) in by_sentence
    ]
    if len({partner.id for _, partner in found}) < 2:
        at = "" if snrs_db is None else f" at {', '.join(f'{snr:g}' for snr in snrs_db)} dB"
        raise InputError(
            f"no two sentences{at} have clean partners; name lists of clean speech of the same sentences"
        )
    return found


def distances(
    found: Sequence[tuple[NBest, NBest]], noisy: np.ndarray, clean: np.ndarray, partners: Sequence[int]
) -> dict[str, Measured]:
    """The distance for each kind of noise, that for all lists together (`EVERY`), and the mean over the kinds (`MEAN`).

    Args:
        found: pairs of lists.
        noisy: the embedding of each pair's noisy list, shape (pairs, D).
        clean: of every clean list, shape (sentences, D).
        partners: of each pair, the row in `clean`.

    Returns:
        kinds of which there are lists of at least two sentences.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, (nbest, _) in enumerate(found):
        rows[noise_kind(nbest)].append(row)
    spread, moved = clean_spread(clean), noisy - clean[partners]
    names = [sentence(nbest) for nbest, _ in found]
    result: dict[str, Measured] = {}
    for kind, chosen in (dict(sorted(rows.items())) | {EVERY: list(range(len(found)))}).items():
        if len({names[row] for row in chosen}) < 2:
            continue
        one = Moved(moved[chosen], [names[row] for row in chosen])
        ends = one.interval()
        result[kind] = Measured(one.length() / spread, Interval(ends.low / spread, ends.high / spread))
    kinds = [one.value for kind, one in result.items() if kind != EVERY]
    return result | {MEAN: Measured(float(np.mean(kinds)))}


def averaged(seeds: Sequence[Mapping[str, Measured]]) -> dict[str, Measured]:
    """Mean distances over the seeds of a training; their intervals are dropped where there are several."""
    if len(seeds) == 1:
        return dict(seeds[0])
    return {kind: Measured(float(np.mean([one[kind].value for one in seeds]))) for kind in seeds[0]}
