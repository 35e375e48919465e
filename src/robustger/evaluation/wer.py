"""Corpus word error rate, and character error rate.

    WER = (substitutions + deletions + insertions) / reference words        summed over the corpus

after the same normalizer has rewritten reference and hypothesis. `str.split` cuts texts into words. The counts come
from one minimal Levenshtein alignment of the two word lists (by rapidfuzz, which jiwer also uses: both report the same
numbers). With the unit `char`, characters other than white space take the place of words, and the rate is the CER;
"words" then means characters.

Edge cases, decided once:

- An empty reference (also one the normalizer empties) adds no reference words; each hypothesis word is an
  insertion.
- An utterance without a reference (None) is left out of every sum and counted in `without_reference`.
- A corpus without a single reference word has no WER: the rate is NaN.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rapidfuzz.distance import Levenshtein

from robustger.errors import InputError
from robustger.evaluation.alignment import Edits
from robustger.evaluation.units import ERROR_UNITS
from robustger.text import get_normalizer

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors of a corpus.

    Attributes:
        substitutions: reference words replaced by another word.
        deletions: reference words missing from the hypothesis.
        insertions: hypothesis words the reference does not have.
        words: reference words.
        utterances: utterances scored.
        without_reference: utterances left out because they have no reference.
    """

    substitutions: int
    deletions: int
    insertions: int
    words: int
    utterances: int
    without_reference: int = 0

    @property
    def errors(self) -> int:
        """Substitutions + deletions + insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """The WER as a fraction (it can exceed 1); NaN when there is no reference word."""
        return self.errors / self.words if self.words else float("nan")

    def __add__(self, other: WordErrors) -> WordErrors:
        """The errors of both corpora together."""
        return WordErrors(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class UtteranceErrors:
    """Word errors of each scored utterance, every array of shape (utterances,), in input order."""

    substitutions: IntArray
    deletions: IntArray
    insertions: IntArray
    words: IntArray
    without_reference: int = 0

    @property
    def errors(self) -> IntArray:
        """Errors of each utterance, shape (utterances,)."""
        return self.substitutions + self.deletions + self.insertions

    def take(self, rows: IntArray) -> UtteranceErrors:
        """The errors of some of the utterances, by their numbers."""
        return UtteranceErrors(
            self.substitutions[rows], self.deletions[rows], self.insertions[rows], self.words[rows]
        )

    def total(self) -> WordErrors:
        """The sums over the corpus."""
        return WordErrors(
            substitutions=int(self.substitutions.sum()),
            deletions=int(self.deletions.sum()),
            insertions=int(self.insertions.sum()),
            words=int(self.words.sum()),
            utterances=len(self.words),
            without_reference=self.without_reference,
        )


def error_rates(errors: ArrayLike, words: ArrayLike) -> FloatArray:
    """WER from errors and words, elementwise; NaN where there are no words."""
    errors, words = np.asarray(errors, dtype=np.float64), np.asarray(words, dtype=np.float64)
    return np.divide(errors, words, out=np.full(errors.shape, np.nan), where=words > 0)


def relative_reductions(base: ArrayLike, new: ArrayLike) -> FloatArray:
    """1 - new / base, elementwise; 0 where both are 0 (nothing changed), -inf where only the base is 0."""
    base, new = np.asarray(base, dtype=np.float64), np.asarray(new, dtype=np.float64)
    ratio = np.divide(new, base, out=np.where(new > 0, np.inf, 1.0), where=base > 0)
    return 1.0 - ratio


def count_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Fewest word edits between two word lists, which must be normalized already."""
    return Levenshtein.distance(reference, hypothesis)


def count_edits(reference: Sequence[str], hypothesis: Sequence[str]) -> Edits:
    """`count_errors` split by kind of edit.

    Several alignments can be minimal; their sums agree, the split is that of the alignment rapidfuzz (and
    jiwer) picks.
    """
    if reference == hypothesis:
        return Edits(0, 0, 0)
    tags = [operation.tag for operation in Levenshtein.editops(reference, hypothesis)]
    return Edits(tags.count("replace"), tags.count("delete"), tags.count("insert"))


def utterance_errors(
    pairs: Iterable[tuple[str | None, str]], normalizer: str = "raw", unit: str = "word"
) -> UtteranceErrors:
    """Word errors of each (reference, hypothesis) pair.

    The pairs are read once and only four integers per utterance are kept, so they may stream from a file of
    any size.

    Args:
        pairs: reference and hypothesis texts, not normalized; a reference of None leaves the pair out.
        normalizer: name of the normalizer for both sides (see `robustger.text.NORMALIZERS`).
        unit: what is counted, "word" or "char".

    Raises:
        InputError: unknown normalizer or unit.
    """
    normalize, split = get_normalizer(normalizer), ERROR_UNITS.get(unit).split
    counts = array("q")  # four per utterance: one flat buffer of machine integers instead of lists of objects
    without_reference = 0
    for reference, hypothesis in pairs:
        if reference is None:
            without_reference += 1
            continue
        words = split(normalize(reference))
        counts.extend((*count_edits(words, split(normalize(hypothesis))), len(words)))
    columns = np.array(counts, dtype=np.int64).reshape(-1, 4).T
    return UtteranceErrors(*columns, without_reference=without_reference)


def wer(
    references: Iterable[str | None],
    hypotheses: Iterable[str],
    *,
    normalizer: str = "raw",
    unit: str = "word",
) -> WordErrors:
    """Corpus word error rate of `hypotheses` against `references`.

    Args:
        references: one text per utterance, or None where there is none.
        hypotheses: one text per utterance, in the same order.
        normalizer: name of the normalizer for both sides.
        unit: what is counted: "word", or "char" for the CER of languages written without spaces.

    Returns:
        The counts; `.rate` is the WER (or CER) as a fraction.

    Raises:
        InputError: a single string where a collection of texts belongs, collections of different length, or
            an unknown normalizer or unit.

    Example:
        >>> wer(["the cat sat"], ["the cat sat down"]).rate
        0.3333333333333333
    """
    if isinstance(references, str) or isinstance(hypotheses, str):  # would be scored letter by letter
        raise InputError("wer: got one string; pass two lists of texts, one text per utterance")
    truths, texts = list(references), list(hypotheses)
    if len(truths) != len(texts):
        raise InputError(
            f"wer: {len(truths)} references but {len(texts)} hypotheses; pass one of each per utterance"
        )
    return utterance_errors(zip(truths, texts, strict=True), normalizer, unit).total()
