"""Word errors of the 1-best, the oracles and the corrections, by utterance and normaliser."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from robustger.errors import InputError
from robustger.evaluation.oracles import compositional_errors, n_best_errors
from robustger.evaluation.wer import IntArray, UtteranceErrors, count_edits
from robustger.hypotheses import NBest
from robustger.text import get_normalizer


@dataclass(frozen=True, slots=True)
class Scores:
    """Counts under one normaliser, every array of shape (utterances,), in input order.

    Attributes:
        best: errors of the 1-best.
        o_nb: errors of the best hypothesis of each list.
        o_cp: errors of the compositional oracle.
        corrected: errors of the corrections, None where none are evaluated.
        changed: whether the normalised correction differs from the normalised 1-best; None without
            corrections.
    """

    best: UtteranceErrors
    o_nb: IntArray
    o_cp: IntArray
    corrected: UtteranceErrors | None
    changed: NDArray[np.bool_] | None

    @property
    def words(self) -> IntArray:
        """Reference words of each utterance."""
        return self.best.words

    def errors(self) -> dict[str, IntArray]:
        """Errors by system; `corrected` is there only when corrections are evaluated."""
        systems = {"best": self.best.errors, "o_nb": self.o_nb, "o_cp": self.o_cp}
        if self.corrected is not None:
            systems["corrected"] = self.corrected.errors
        return systems


def score_lists(
    lists: Iterable[NBest],
    corrections: Mapping[str, str] | None,
    normalizers: Sequence[str],
    *,
    where: str = "",
) -> dict[str, Scores]:
    """Score every list that has a reference; the lists are read once and may stream.

    Args:
        lists: N-best lists; those without a reference are left out and counted.
        corrections: corrected text by list id, or None.
        normalizers: names of the normalisers.
        where: what the lists are, put before error messages ("chime4: ").

    Returns:
        The scores by normaliser.

    Raises:
        InputError: no list has a reference; or, with corrections: an id occurs twice, a scored list has no
            correction, a correction belongs to no list, or a correction is not a string.
    """
    functions = {name: get_normalizer(name) for name in normalizers}
    counts = {name: array("q") for name in functions}
    seen: set[str] = set()
    missing: list[str] = []
    without_reference = 0
    for nbest in lists:
        if corrections is not None:
            if nbest.id in seen:
                raise InputError(
                    f"{where}id {nbest.id!r} occurs twice, so corrections cannot be matched; make ids unique"
                )
            seen.add(nbest.id)
        if nbest.reference is None:
            without_reference += 1
            continue
        corrected = None
        if corrections is not None:
            if nbest.id not in corrections:
                missing.append(nbest.id)
                continue
            corrected = corrections[nbest.id]
            if not isinstance(corrected, str):
                raise InputError(
                    f"{where}the correction of {nbest.id!r} is not a string; give the corrected text"
                )
        for name, normalize in functions.items():
            counts[name].extend(_score_list(nbest.reference, nbest.texts, corrected, normalize))
    if corrections is not None:
        _check_ids(seen, missing, corrections, where)
    if not any(counts.values()):
        read = (
            f"none of the {without_reference} lists has a reference"
            if without_reference
            else "there are no lists"
        )
        raise InputError(f"{where}{read}, so there is nothing to score; give lists with a 'reference'")
    return {
        name: _as_scores(values, corrections is not None, without_reference)
        for name, values in counts.items()
    }


def _score_list(
    reference: str, hypotheses: Sequence[str], corrected: str | None, normalize: Callable[[str], str]
) -> Iterator[int]:
    """Ten counts of one list, in the order `_as_scores` reads; each distinct text is normalised once."""

    @cache
    def words_of(text: str) -> tuple[str, ...]:
        return tuple(normalize(text).split())

    truth, best = words_of(reference), words_of(hypotheses[0])
    distinct = dict.fromkeys(map(words_of, hypotheses))  # normalising makes many hypotheses equal
    yield len(truth)
    yield from count_edits(truth, best)
    yield n_best_errors(truth, distinct)
    yield compositional_errors(truth, distinct)
    final = best if corrected is None else words_of(corrected)
    yield from count_edits(truth, final)
    yield final != best


def _as_scores(values: array[int], with_corrections: bool, without_reference: int) -> Scores:
    columns = np.array(values, dtype=np.int64).reshape(-1, 10).T
    words, substitutions, deletions, insertions, o_nb, o_cp, *rest = columns
    best = UtteranceErrors(substitutions, deletions, insertions, words, without_reference)
    if not with_corrections:
        return Scores(best, o_nb, o_cp, None, None)
    *edits, changed = rest
    corrected = UtteranceErrors(*edits, words=words, without_reference=without_reference)
    return Scores(best, o_nb, o_cp, corrected, changed.astype(bool))


def _check_ids(seen: set[str], missing: list[str], corrections: Mapping[str, str], where: str) -> None:
    # no silent fall-back to the 1-best: half a corrections file would look like a cautious corrector
    if missing:
        raise InputError(
            f"{where}no correction for {len(missing)} of the lists ({_first(missing)}); correct "
            "the whole file, or leave those lists out"
        )
    unknown = [identifier for identifier in corrections if identifier not in seen]
    if unknown:
        raise InputError(
            f"{where}corrections for {len(unknown)} ids that no list has ({_first(unknown)}); evaluate "
            "them against the file they were made from"
        )


def _first(identifiers: list[str], shown: int = 3) -> str:
    return ", ".join(map(repr, identifiers[:shown])) + (", ..." if len(identifiers) > shown else "")
