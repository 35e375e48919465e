"""LM_rank: reranks a list with a language model whose weight is tuned on lists with references.

    score(Y) = (1 - w) log p_recognizer(Y) + w log p_LM(Y)

The hypothesis with the highest score is taken, of several the first.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from rapidfuzz.distance import Levenshtein

from robustger.correction.baselines.baseline import baseline_transcript, in_chunks, softmax
from robustger.correction.baselines.ngram import NgramLanguageModel
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript
from robustger.text import get_normalizer
from robustger.text.normalizers import collapse_spaces

logger = logging.getLogger(__name__)

_LISTS_AT_ONCE = 256  # lists whose hypotheses are scored together
FOLDS = 5
# From the recognizer alone to the language model alone. Recognizers give sums over tokens or means, so that the best
# weight may be a hundredth as well as a half.
RANK_WEIGHTS = (
    *(0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07),
    *(0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)


class LanguageModel(Protocol):
    """A model that gives the probability of a text."""

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        """Natural logarithm of the probability of each text."""
        ...


def recognizer_scores(nbest: NBest) -> list[float]:
    """The recognizer's log-probability of each hypothesis, never higher than that of one before it.

    The list's own order is the recognizer's last word: where its scores rise, the lower ones before hold. Lists without
    scores get the logarithm of 1 / rank in their place.
    """
    scores = [hypothesis.score for hypothesis in nbest.hypotheses]
    if scores[0] is None:
        return [-math.log(rank) for rank in range(1, len(scores) + 1)]
    return list(accumulate((score for score in scores if score is not None), min))


def interpolated(recognizer: Sequence[float], language_model: Sequence[float], weight: float) -> list[float]:
    """(1 - w) times the first score plus w times the second; weight zero removes a score, even minus infinity."""
    return [
        (one * (1 - weight) if weight < 1 else 0.0) + (other * weight if weight > 0 else 0.0)
        for one, other in zip(recognizer, language_model, strict=True)
    ]


class LanguageModelRank:
    """LM_rank with a given weight.

    Args:
        language_model: scores the hypotheses.
        weight: w, from 0 (the 1-best, and the language model is not asked) to 1 (the language model alone).

    Raises:
        InputError: the weight is not between 0 and 1.
    """

    def __init__(self, language_model: LanguageModel, weight: float) -> None:
        if not 0 <= weight <= 1:
            raise InputError(f"weight is {weight}: it must lie between 0 (recognizer) and 1 (language model)")
        self.language_model = language_model
        self.weight = weight

    def transcribe(self, lists: Iterable[NBest]) -> Iterator[Transcript]:
        """One transcript a list; the confidence is the softmax of the scores, summed over equal hypotheses."""
        for chunk in in_chunks(lists, _LISTS_AT_ONCE):
            scored = language_model_scores(self.language_model, chunk) if self.weight else map(_zeros, chunk)
            for nbest, log_probabilities in zip(chunk, scored, strict=True):
                scores = interpolated(recognizer_scores(nbest), log_probabilities, self.weight)
                texts = [collapse_spaces(text) for text in nbest.texts]
                text = texts[scores.index(max(scores))]
                shares = zip(texts, softmax(scores), strict=True)
                yield baseline_transcript(
                    nbest, text, min(1.0, sum(p for other, p in shares if other == text))
                )


def language_model_scores(language_model: LanguageModel, lists: Sequence[NBest]) -> list[list[float]]:
    """The language model's log-probability of every hypothesis of every list; each distinct text is scored once.

    Lists whose hypotheses all agree need no scores and get zeros.
    """
    texts = [[collapse_spaces(text) for text in nbest.texts] for nbest in lists]
    asked = list(dict.fromkeys(text for row in texts if len(set(row)) > 1 for text in row))
    known = dict(zip(asked, language_model.log_probabilities(asked), strict=True))
    return [
        [known.get(text, 0.0) for text in row] if len(set(row)) > 1 else [0.0] * len(row) for row in texts
    ]


def _zeros(nbest: NBest) -> list[float]:
    return [0.0] * len(nbest.hypotheses)


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result of a search for the weight.

    Attributes:
        weight: the weight with the fewest errors, of several the smallest.
        errors: word errors on the lists at every weight that was tried.
    """

    weight: float
    errors: dict[float, int]


def tune_weight(
    lists: Sequence[NBest], scores: Sequence[Sequence[float]], normalizer: str = "number"
) -> Tuning:
    """The weight in `RANK_WEIGHTS` with the fewest word errors.

    Args:
        lists: all with a reference.
        scores: log p_LM of every hypothesis of every list.
        normalizer: of hypotheses and references, where errors are counted.

    Raises:
        InputError: there are no lists, or one has no reference.
    """
    normalize = get_normalizer(normalizer)
    errors = dict.fromkeys(RANK_WEIGHTS, 0)
    for nbest, log_probabilities in zip(_with_references(lists), scores, strict=True):
        reference = normalize(nbest.reference or "").split()
        counts = {text: Levenshtein.distance(reference, normalize(text).split()) for text in set(nbest.texts)}
        recognizer = recognizer_scores(nbest)
        for weight in RANK_WEIGHTS:
            total = interpolated(recognizer, log_probabilities, weight)
            errors[weight] += counts[nbest.texts[total.index(max(total))]]
    best = min(RANK_WEIGHTS, key=errors.__getitem__)
    logger.info(
        "weight %g of the language model: %d word errors on the %d lists it is tuned on, %d without the model",
        best,
        errors[best],
        len(lists),
        errors[0.0],
    )
    return Tuning(best, errors)


def _with_references(lists: Sequence[NBest]) -> Sequence[NBest]:
    if not lists:
        raise InputError(
            "there are no lists to tune the weight of the language model on; give some, or the weight"
        )
    for nbest in lists:
        if nbest.reference is None:
            raise InputError(
                f"list {nbest.id!r} has no reference to tune a weight on; give lists with references"
            )
    return lists


def causal_lm_rank(
    *,
    model: str | os.PathLike[str] = "smollm2-135m",
    dev: Sequence[NBest] | None = None,
    weight: float | None = None,
    normalizer: str = "number",
    device: str | None = None,
) -> LanguageModelRank:
    """LM_rank with a causal language model of transformers, which may have been trained on anything.

    Args:
        model: a folder or a name, see `robustger.models.resolve_model`.
        dev: lists with references that the weight is tuned on; they are not to be those that are measured.
        weight: given instead of tuned.
        normalizer: for the tuning.
        device: None picks the GPU where there is one.

    Raises:
        InputError: neither lists nor weight, or both; or what `CausalLanguageModel` and `tune_weight` raise.
    """
    from robustger.correction.llm.causal_lm import CausalLanguageModel

    if (dev is None) == (weight is None):
        raise InputError(
            "lm-rank: give lists to tune its weight on (dev), or the weight itself: one of the two"
        )
    known = _with_references(dev or ()) if weight is None else ()  # before a model is loaded
    language_model = CausalLanguageModel(model, device)
    if weight is None:
        weight = tune_weight(known, language_model_scores(language_model, known), normalizer).weight
    return LanguageModelRank(language_model, weight)


def ngram_rank(
    *,
    train: Sequence[NBest],
    dev: Sequence[NBest] | None = None,
    weight: float | None = None,
    order: int = 3,
    normalizer: str = "number",
) -> LanguageModelRank:
    """LM_rank with a small language model of the domain's own text, the references of `train`.

    The paper trains a Transformer there; these are n-grams. One that transformers can load goes into `causal_lm_rank`.

    Args:
        train: lists with references, the text.
        dev: lists with references that the weight is tuned on. None tunes on `train`: each fifth is scored by a model
            of the text of the other four, and equal references are in one fifth.
        weight: given instead of tuned.
        order: n of the n-grams.
        normalizer: for the tuning.

    Raises:
        InputError: no list has a reference, or lists and a weight are given.
    """
    if dev is not None and weight is not None:
        raise InputError(
            "ngram-rank: give lists to tune its weight on (dev), or the weight itself: one of the two"
        )

    def learn(lists: Iterable[NBest]) -> NgramLanguageModel:
        return NgramLanguageModel((nbest.reference or "" for nbest in lists), order)

    language_model = learn(train)
    if weight is None:
        if dev is not None:
            scores = language_model_scores(language_model, _with_references(dev))
            weight = tune_weight(dev, scores, normalizer).weight
        else:
            known = [nbest for nbest in train if nbest.reference is not None]
            weight = tune_weight(known, cross_validated_scores(known, learn), normalizer).weight
    return LanguageModelRank(language_model, weight)


def cross_validated_scores(
    lists: Sequence[NBest], learn: Callable[[Iterable[NBest]], LanguageModel]
) -> list[list[float]]:
    """As `language_model_scores`, but each list is scored by a model that was not trained on its reference.

    Args:
        lists: all with a reference, of at least two different ones.
        learn: makes a language model of lists.

    Raises:
        InputError: all have the same reference.
    """
    fold_of: dict[str, int] = {}
    for nbest in lists:
        fold_of.setdefault(collapse_spaces(nbest.reference or ""), len(fold_of) % FOLDS)
    if len(fold_of) < 2:
        raise InputError(
            "a weight cannot be tuned on fewer than two different references; give dev, or the weight"
        )
    folds = [fold_of[collapse_spaces(nbest.reference or "")] for nbest in lists]
    result: list[list[float]] = [[] for _ in lists]
    for fold in sorted(set(folds)):
        inside = [index for index, other in enumerate(folds) if other == fold]
        model = learn(nbest for nbest, other in zip(lists, folds, strict=True) if other != fold)
        scored = language_model_scores(model, [lists[index] for index in inside])
        for index, row in zip(inside, scored, strict=True):
            result[index] = row
    return result
