"""What an embedding knows, by the labels of nearest neighbors: whether lists of the same noise lie together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robustger.experiments.measures.conditions import sentence
from robustger.experiments.measures.measured import Measured, mean
from robustger.hypotheses import NBest

NEIGHBORS = 10
_BATCH = 256

Label = Callable[[NBest], Any]
"""What is compared: `noise_kind`, of which clean speech counts as one, or `snr_db`."""


def same_label(
    vectors: np.ndarray, lists: Sequence[NBest], label: Label, neighbors: int = NEIGHBORS
) -> Measured:
    """The share of a list's nearest neighbors that have its label.

    Neighbors are lists of other sentences, by Euclidean distance: those of the same sentence are near because of the
    sentence.

    Args:
        vectors: shape (n, D).
        lists: n, so many that each has that many neighbors.
        label: what is compared.
        neighbors: how many.
    """
    labels = np.array([str(label(nbest)) for nbest in lists])
    sentences = np.array([sentence(nbest) for nbest in lists])
    squares = (vectors**2).sum(1)
    shares = np.empty(len(lists))
    for start in range(0, len(lists), _BATCH):
        rows = slice(start, start + _BATCH)
        # the square of a list's own length is the same for all its neighbors
        apart = squares[None] - 2 * vectors[rows] @ vectors.T
        apart[sentences[rows, None] == sentences[None]] = np.inf
        nearest = np.argpartition(apart, neighbors, axis=1)[:, :neighbors]
        shares[rows] = (labels[nearest] == labels[rows, None]).mean(1)
    return mean(shares, sentences.tolist())


def same_by_chance(lists: Sequence[NBest], label: Label) -> float:
    """What `same_label` is on average where the embedding knows nothing: of lists of other sentences at random."""
    given = [(label(nbest), sentence(nbest)) for nbest in lists]
    labels, sentences = Counter(one for one, _ in given), Counter(name for _, name in given)
    both = Counter(given)
    shares = [(labels[one] - both[one, name]) / (len(lists) - sentences[name]) for one, name in given]
    return float(np.mean(shares))
