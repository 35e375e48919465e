"""Weighs what was heard against what is probable, and decides edit by edit what a transcript says.

Every candidate Y for the transcript of a list gets a score, the softmax of which is P(Y)::

    score(Y) =   recognizer     * log p(Y | audio)
               + second         * log p(Y | audio)      by a second recognizer
               + language_model * log p(Y | list)       the conditioned language model
               + prior          * log p(Y)              the same language model, untrained and without the list
               + word           * number of words of Y
               + best           if Y is the recognizer's 1-best

The candidates are aligned word by word, the recognizer's 1-best first. In every column the word with the greatest
summed P wins, and neighboring columns in which it is not the word of the 1-best form an edit. So the text may combine
words of several candidates. An edit stays if some candidate holds all of it and it gains enough::

    gain(edit) = log P(candidates that hold it) - log P(candidates that hold the words of the 1-best in its place)

Published relatives are consensus decoding of confusion networks (Mangu et al., 2000) and ProGRes (Tur et al., 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from robustger.correction.config import EvidenceWeights
from robustger.hypotheses import JudgedEdit
from robustger.noise.alignment import AlignedWord, align_all

_LEAST = 1e-9  # of a probability, so that logarithms stay finite


@dataclass(frozen=True, slots=True)
class CandidateText:
    """A text that a list may be corrected to.

    Attributes:
        text: the text in plain words.
        recognizer: log p(text | audio) in nats, from the list or from hearing the audio again; None if the list has no
            scores.
        language_model: log p(text | list) in nats, under the conditioned language model; None if nobody asked for it.
        prior: log p(text) in nats, under the language model without training and list; None if nobody asked for it.
        second: log p(text | audio) in nats by a second recognizer, as `recognizer`.
    """

    text: str
    recognizer: float | None = None
    language_model: float | None = None
    prior: float | None = None
    second: float | None = None


def probabilities(candidates: Sequence[CandidateText], weights: EvidenceWeights) -> list[float]:
    """P(Y) of every candidate, the 1-best first: the softmax of the scores above."""
    scores = [
        weights.recognizer * (one.recognizer or 0.0)
        + weights.second * (one.second or 0.0)
        + weights.language_model * (one.language_model or 0.0)
        + weights.prior * (one.prior or 0.0)
        + weights.word * len(one.text.split())
        + weights.best * (place == 0)
        for place, one in enumerate(candidates)
    ]
    return _softmax(scores)


def weigh(
    candidates: Sequence[CandidateText], weights: EvidenceWeights, min_gain: float | None = None
) -> tuple[str, tuple[JudgedEdit, ...]]:
    """The transcript, and every edit that was considered.

    Args:
        candidates: the recognizer's 1-best first; no text twice.
        weights: what each kind of evidence counts.
        min_gain: the least gain in nats with which an edit stays; None takes that of the weights.

    Returns:
        the text, and the edits from left to right, also those that were not kept.
    """
    least = weights.min_gain if min_gain is None else min_gain
    shares = probabilities(candidates, weights)
    rows = align_all([one.text.split() for one in candidates])
    best = rows[0]
    winners = [_winner(column, shares) for column in zip(*rows, strict=True)]
    evidence = {
        kind: [getattr(one, kind) for one in candidates]
        for kind in ("recognizer", "second", "language_model", "prior")
    }
    words: list[AlignedWord] = []
    edits: list[JudgedEdit] = []
    for same, group in groupby(range(len(best)), key=lambda column: winners[column] == best[column]):
        columns = list(group)
        place = slice(columns[0], columns[-1] + 1)
        if same:
            words += best[place]
            continue
        holding = [row[place] == winners[place] for row in rows]
        denying = [row[place] == best[place] for row in rows]
        # Columns that different candidates win may form an edit that none of them holds.
        gain = _gain(shares, holding, denying) if any(holding) else math.log(_LEAST)
        single = {
            kind: None if values[0] is None else round(_gain(_softmax(values), holding, denying), 3)
            for kind, values in evidence.items()
        }
        kept = any(holding) and gain >= least
        words += (winners if kept else best)[place]
        edits.append(
            JudgedEdit(
                before=_joined(best[place]),
                after=_joined(winners[place]),
                word=sum(word is not None for word in best[: place.start]),
                gain=round(gain, 3),
                recognizer_gain=single["recognizer"],
                second_gain=single["second"],
                language_model_gain=single["language_model"],
                prior_gain=single["prior"],
                kept=kept,
            )
        )
    return _joined(words), tuple(edits)


def with_edits(best: str, edits: Sequence[JudgedEdit]) -> str:
    """The 1-best with some of the edits that `weigh` considered for it, in their order."""
    old, words, at = best.split(), list[str](), 0
    for edit in edits:
        words += [*old[at : edit.word], *edit.after.split()]
        at = edit.word + len(edit.before.split())
    return " ".join([*words, *old[at:]])


def estimated_scores(
    texts: Sequence[str], listed: Sequence[str], scores: Sequence[float], unheard_word: float
) -> list[float]:
    """Estimates log p(text | audio) of texts that nobody scored, from the scores of the list.

    A text loses what each hypothesis that is needed to supply its words loses against the best of all; a hypothesis
    counts once, however many words it supplies. A word that no hypothesis holds in its place loses `unheard_word`.

    Args:
        texts: the texts that are not in the list.
        listed: the hypotheses.
        scores: their log-probabilities.
        unheard_word: nats, positive.
    """
    top = max(scores)
    estimates = []
    for text in texts:
        rows = align_all([*(one.split() for one in listed), text.split()])
        *held, own = rows
        lost: set[int] = set()  # hypotheses whose loss counts; one that supplies several words counts once
        unheard = 0
        for column, word in enumerate(own):
            holders = [number for number, row in enumerate(held) if row[column] == word]
            if not holders:
                unheard += 1
            else:
                lost.add(max(holders, key=lambda number: scores[number]))
        estimates.append(top - sum(top - scores[number] for number in lost) - unheard_word * unheard)
    return estimates


def _winner(column: Sequence[AlignedWord], shares: Sequence[float]) -> AlignedWord:
    """The word with the greatest summed share; of several the one of the earliest candidate."""
    summed: dict[AlignedWord, float] = {}
    for word, share in zip(column, shares, strict=True):
        summed[word] = summed.get(word, 0.0) + share
    return max(summed, key=summed.__getitem__)


def _gain(shares: Sequence[float], holding: Sequence[bool], denying: Sequence[bool]) -> float:
    def summed(chosen: Sequence[bool]) -> float:
        return math.fsum(share for share, one in zip(shares, chosen, strict=True) if one)

    return math.log(summed(holding) + _LEAST) - math.log(summed(denying) + _LEAST)


def _softmax(scores: Sequence[float]) -> list[float]:
    greatest = max(scores)
    weights = [math.exp(score - greatest) for score in scores]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def _joined(words: Sequence[AlignedWord]) -> str:
    return " ".join(word for word in words if word is not None)
