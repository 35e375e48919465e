"""The oracles of Hu et al. (ICLR 2024): the fewest errors that a perfect choice from a list can reach.

Both oracles count errors of normalized words, and always satisfy o_cp <= o_nb <= 1-best: a reference word that occurs
in no hypothesis costs every hypothesis an error.

A recording that was recognized in windows has one list per window and one reference, and nobody knows which reference
words belong to which window. For o_nb, one hypothesis is chosen per window. For o_cp, each window's text may use the
words of that window's list. The reference words are divided among the windows in the way that costs least.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein


def n_best_errors(reference: Sequence[str], hypotheses: Iterable[Sequence[str]]) -> int:
    """o_nb: errors of the best hypothesis of the list, the floor of every reranker.

    Args:
        reference: words of the reference, normalized.
        hypotheses: words of each hypothesis, normalized, at least one hypothesis.

    Returns:
        The fewest word errors any single hypothesis has.

    Raises:
        ValueError: no hypotheses.
    """
    fewest = None
    for words in hypotheses:
        # the cutoff lets rapidfuzz stop at the best so far; a worse one comes back as fewest + 1
        errors = Levenshtein.distance(reference, words, score_cutoff=fewest)
        fewest = errors if fewest is None else min(fewest, errors)
        if fewest == 0:
            break
    if fewest is None:
        raise ValueError("n_best_errors needs at least one hypothesis")
    return fewest


def compositional_errors(reference: Sequence[str], hypotheses: Iterable[Iterable[str]]) -> int:
    """o_cp: fewest errors when every word of the list may be used anywhere and as often as wanted.

    The best such text copies each reference word that occurs in some hypothesis and pays one error (a
    substitution or a deletion) for each one that does not. So o_cp is the number of reference words, repeats
    counted, that occur in no hypothesis of the list. It never pays an insertion: an empty reference costs
    nothing. It is the floor of every corrector that only uses words of the list.

    Args:
        reference: words of the reference, normalized.
        hypotheses: words of each hypothesis, normalized.
    """
    available = {word for words in hypotheses for word in words}
    return sum(word not in available for word in reference)


def windowed_n_best_errors(reference: Sequence[str], windows: Sequence[Sequence[Sequence[str]]]) -> int:
    """o_nb of a recording in windows: errors of the best choice of one hypothesis per window, exactly.

    The row of the edit distance over the positions of the reference is carried from window to window: its entry j holds
    the fewest errors with which the windows so far can be written for the first j words, the minimum over the
    hypotheses of each window. Entries above the errors of the 1-bests cannot lie on the best path and are dropped, so
    that the time is that of a band around the diagonal.

    Args:
        reference: words of the reference, normalized.
        windows: for each window in order the words of each hypothesis, normalized, the 1-best first.

    Returns:
        The fewest word errors of any choice.

    Raises:
        ValueError: no windows, or one without hypotheses.
    """
    if not windows or not all(windows):
        raise ValueError("windowed_n_best_errors needs windows with at least one hypothesis each")
    numbers: dict[str, int] = {}
    truth = np.array([numbers.setdefault(word, len(numbers)) for word in reference], dtype=np.int64)
    most = Levenshtein.distance(reference, [word for texts in windows for word in texts[0]])
    first, row = 0, np.arange(min(len(truth), most) + 1)  # of the positions first to first + len(row) - 1
    for texts in windows:
        reach = min(len(truth) + 1 - first, len(row) + max(map(len, texts)))
        start = np.full(reach, most + 1)
        start[: len(row)] = row
        stretch = truth[first : first + reach - 1]
        row = np.minimum.reduce(
            [_row_behind(start, stretch, [numbers.get(word, -1) for word in words]) for words in texts]
        )
        useful = np.flatnonzero(row <= most)
        row = row[useful[0] : useful[-1] + 1]
        first += int(useful[0])
    return int(row[-1])


def _row_behind(row: NDArray[np.int64], truth: NDArray[np.int64], words: Sequence[int]) -> NDArray[np.int64]:
    """The row of the edit distance, shape (len(truth) + 1,), once `words` are written after what led to `row`."""
    places = np.arange(len(row))
    for word in words:
        after = row + 1  # the word is inserted
        np.minimum(after[1:], row[:-1] + (truth != word), out=after[1:])
        row = np.minimum.accumulate(after - places) + places  # words of the reference left out
    return row


def windowed_compositional_errors(
    reference: Sequence[str], windows: Sequence[Iterable[Iterable[str]]]
) -> int:
    """o_cp of a recording in windows: as `compositional_errors`, but a word serves only in its own window.

    Every window covers a stretch of the reference, and pays an error for each word there that occurs in none of its
    hypotheses; the stretches are those that cost least.

    Args:
        reference: words of the reference, normalized.
        windows: for each window in order the words of each hypothesis, normalized.
    """
    numbers: dict[str, int] = {}
    truth = np.array([numbers.setdefault(word, len(numbers)) for word in reference], dtype=np.int64)
    row = np.full(len(truth) + 1, len(truth))
    row[0] = 0  # before the first window nothing is covered
    for texts in windows:
        missing = np.ones(len(numbers) + 1, dtype=np.int64)  # the last one for words that the reference lacks
        missing[[numbers.get(word, -1) for words in texts for word in words]] = 0
        before = np.concatenate([[0], np.cumsum(missing[truth])])
        row = before + np.minimum.accumulate(row - before)
    return int(row[-1])
