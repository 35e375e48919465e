"""What a perfect chooser could reach with a list: the oracles of Hu et al. (ICLR 2024).

Both are computed after normalisation, on word lists, and always satisfy o_cp <= o_nb <= 1-best in errors: a
reference word that occurs in no hypothesis costs every hypothesis an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rapidfuzz.distance import Levenshtein


def n_best_errors(reference: Sequence[str], hypotheses: Iterable[Sequence[str]]) -> int:
    """o_nb: errors of the best hypothesis of the list, the floor of every reranker.

    Args:
        reference: words of the reference, normalised.
        hypotheses: words of each hypothesis, normalised, at least one hypothesis.

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
        reference: words of the reference, normalised.
        hypotheses: words of each hypothesis, normalised.
    """
    available = {word for words in hypotheses for word in words}
    return sum(word not in available for word in reference)
