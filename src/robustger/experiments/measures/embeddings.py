"""Measures what an embedding of lists knows about noise: distances from clean speech, and nearest neighbors.

The distance (the paper's Table 17) says how far noise moves an embedding away from that of clean speech. For every kind
of noise and every embedding, let c be the embedding of a sentence in clean speech and x that of the sentence in noise:

    distance = sqrt( mean over pairs of lists i, j of different sentences of (x_i - c_i) . (x_j - c_j) ) / S
    S^2 = mean over pairs of sentences of |c_i - c_j|^2 / 2, the variance of clean speech

The term under the root estimates |mean (x - c)|^2 without bias. With i = j included it would be above 0 even where
noise moves nothing, and the fewer the lists, the larger. A value below 0 counts as 0. The division by S makes
embeddings of any width and scale comparable: 1 says that noise moves the mean as far as a sentence lies from the mean.
The paper does not say how it measures, so that its figures cannot be compared with these. Intervals come from a
bootstrap over sentences with S held fixed.

The neighbors show whether lists of the same noise lie together: how many of the nearest lists have the same label.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from robustger.errors import InputError
from robustger.evaluation.bootstrap import draw_counts
from robustger.evaluation.intervals import Interval, percentile_interval
from robustger.evaluation.measured import RESAMPLES, Measured, mean
from robustger.experiments.conditions import level, noise_kind, sentence, snr_db
from robustger.hypotheses import NBest

EVERY_KIND, MEAN_OF_KINDS = "all kinds", "mean of kinds"
NEIGHBORS = 10
_BATCH = 256

Label = Callable[[NBest], Any]
"""The label of a list that neighbors may share: `noise_kind`, where clean speech is a kind too, or `snr_db`."""


def clean_spread(clean: np.ndarray) -> float:
    """The spread S of the embeddings of different sentences, shape (n, D) with n > 1."""
    return float(np.sqrt(clean.var(0, ddof=1).sum()))


class Moved:
    """How far noise moves the embeddings of some lists.

    Args:
        moved: x - c of every list, shape (n, D).
        sentences: the sentence of each list.

    Raises:
        ValueError: all lists are of one sentence.
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
        """|mean (x - c)| where each sentence counts `times` times, shape (sentences,); None counts each once."""
        weights = np.ones_like(self._counts) if times is None else times
        counted = weights * self._counts
        pairs_of_lists = counted.sum() ** 2 - (counted**2).sum()
        products = weights @ self._products @ weights - (weights**2 * self._products.diagonal()).sum()
        return float(np.sqrt(max(0.0, products) / pairs_of_lists)) if pairs_of_lists else 0.0

    def interval(self, seed: int = 0) -> Interval:
        """The 95 % interval of the length."""
        blocks = draw_counts(len(self._counts), resamples=RESAMPLES, seed=seed, drawing="multinomial")
        return percentile_interval([self.length(times) for block in blocks for times in block])


def pairs(
    clean: Sequence[NBest], noisy: Sequence[NBest], snrs_db: Sequence[float] | None
) -> list[tuple[NBest, NBest]]:
    """Pairs each noisy list with the clean list of its sentence.

    Args:
        clean: lists of clean speech, one for each sentence.
        noisy: lists of the same sentences in noise.
        snrs_db: the SNRs of the lists to take; None takes all lists.

    Raises:
        InputError: fewer than two sentences have both.
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
    """The distance of each kind of noise, of all lists together, and the mean over the kinds.

    Args:
        found: pairs of lists.
        noisy: the embedding of each pair's noisy list, shape (pairs, D).
        clean: the embedding of each clean list, shape (sentences, D).
        partners: the row in `clean` of each pair's clean list.

    Returns:
        the distances by kind, `EVERY_KIND` and `MEAN_OF_KINDS`. A kind needs lists of at least two sentences.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, (nbest, _) in enumerate(found):
        rows[noise_kind(nbest)].append(row)
    spread, moved = clean_spread(clean), noisy - clean[partners]
    names = [sentence(nbest) for nbest, _ in found]
    result: dict[str, Measured] = {}
    for kind, chosen in (dict(sorted(rows.items())) | {EVERY_KIND: list(range(len(found)))}).items():
        if len({names[row] for row in chosen}) < 2:
            continue
        one = Moved(moved[chosen], [names[row] for row in chosen])
        ends = one.interval()
        result[kind] = Measured(one.length() / spread, Interval(ends.low / spread, ends.high / spread))
    kinds = [one.value for kind, one in result.items() if kind != EVERY_KIND]
    return result | {MEAN_OF_KINDS: Measured(float(np.mean(kinds)))}


def averaged(seeds: Sequence[Mapping[str, Measured]]) -> dict[str, Measured]:
    """The mean distances over the seeds of a training, without intervals where there are several seeds."""
    if len(seeds) == 1:
        return dict(seeds[0])
    return {kind: Measured(float(np.mean([one[kind].value for one in seeds]))) for kind in seeds[0]}


def same_label(
    vectors: np.ndarray, lists: Sequence[NBest], label: Label, neighbors: int = NEIGHBORS
) -> Measured:
    """The share of a list's nearest neighbors that have the list's label.

    Neighbors are the nearest lists of other sentences, by Euclidean distance. Lists of the same sentence are not
    counted, because the sentence brings them together.

    Args:
        vectors: the embeddings of the lists, shape (n, D).
        lists: n lists; each needs at least `neighbors` lists of other sentences.
        label: gives the label of a list.
        neighbors: the number of neighbors.
    """
    labels = np.array([str(label(nbest)) for nbest in lists])
    sentences = np.array([sentence(nbest) for nbest in lists])
    squares = (vectors**2).sum(1)
    shares = np.empty(len(lists))
    for start in range(0, len(lists), _BATCH):
        rows = slice(start, start + _BATCH)
        # The square of a list's own length is left out: it is the same for all neighbors of the list.
        apart = squares[None] - 2 * vectors[rows] @ vectors.T
        apart[sentences[rows, None] == sentences[None]] = np.inf
        nearest = np.argpartition(apart, neighbors, axis=1)[:, :neighbors]
        shares[rows] = (labels[nearest] == labels[rows, None]).mean(1)
    return mean(shares, sentences.tolist())


def same_by_chance(lists: Sequence[NBest], label: Label) -> float:
    """The expectation of `same_label` for an embedding that knows nothing, which draws neighbors at random."""
    given = [(label(nbest), sentence(nbest)) for nbest in lists]
    labels, sentences = Counter(one for one, _ in given), Counter(name for _, name in given)
    both = Counter(given)
    shares = [(labels[one] - both[one, name]) / (len(lists) - sentences[name]) for one, name in given]
    return float(np.mean(shares))
