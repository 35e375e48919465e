"""Fits the weights and the threshold of the guard `heard` to lists with references, and bounds the harm it does.

The weights minimize the expected word errors of the candidates under P, minus those of the 1-best. A difference counts
at most four words, so that a few loops do not decide, and large weights cost a little. `robustger.correction.weighing`
has the formula of P.

The threshold is measured by cross-validation: the lists are split by group, the weights are fitted without a group, and
the edits of this group are judged with them. If a risk is asked for, the threshold is the lowest at which at most this
share of the edits is harmful, with a confidence of 95 % over all thresholds together (Learn then Test, Angelopoulos et
al., 2021, with the correction of Bonferroni). Else it is the strictest that keeps nineteen
twentieths of the largest gain in word errors: the last twentieth would cost the most harm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from robustger.correction.config import EvidenceWeights
from robustger.correction.guards.margin_guard import edited_stretches, put_back
from robustger.correction.weighing import CandidateText, weigh, with_edits
from robustger.errors import InputError

MOST_ERRORS = 4  # words by which a candidate may differ from the 1-best in the objective
PENALTY = 0.002  # of squared weights, in word errors per 100 words
STEPS = 200
GRID = tuple(round(0.2 * step, 1) for step in range(-5, 31))  # thresholds in nats
KEPT_GAIN = 0.95  # share of the largest gain in word errors that a threshold without a risk has to keep
CONFIDENCE = 0.95
EVIDENCE = ("recognizer", "second", "language_model", "prior")
SPLITS = 5


@dataclass(frozen=True, slots=True)
class JudgedList:
    """The candidates of a list, and what was said.

    Attributes:
        candidates: the 1-best first.
        reference: what was said, in plain words.
        group: lists of the same group are never on both sides of a split: a speaker, or a sentence.
    """

    candidates: Sequence[CandidateText]
    reference: str
    group: str


@dataclass(frozen=True, slots=True)
class EditCounts:
    """What the decision did at a threshold.

    Attributes:
        min_gain: the threshold in nats.
        edits: edits that were kept.
        harmful: those of them that raise the number of word errors.
        helpful: those that lower it.
        errors: word errors of the texts.
        errors_before: word errors of the 1-best.
        words: words of the references.
    """

    min_gain: float
    edits: int
    harmful: int
    helpful: int
    errors: int
    errors_before: int
    words: int

    @property
    def harmful_bound(self) -> float:
        """The upper confidence bound of the share of harmful edits (Clopper and Pearson, 1934).

        The bounds of all thresholds hold together with 95 %, because each fails with a probability of 5 % divided by
        their number (Bonferroni). Edits count as independent.
        """
        return upper_bound(self.harmful, self.edits, 1 - (1 - CONFIDENCE) / len(GRID))


@dataclass(frozen=True, slots=True)
class Calibration:
    """The result of a calibration.

    Attributes:
        weights: fitted to all lists, with the chosen threshold.
        counts: for each threshold, over all held-out groups.
    """

    weights: EvidenceWeights
    counts: tuple[EditCounts, ...]

    @property
    def chosen(self) -> EditCounts:
        """The counts at the chosen threshold."""
        return next(one for one in self.counts if one.min_gain == self.weights.min_gain)


def calibrate(
    lists: Sequence[JudgedList],
    *,
    evidence: Collection[str],
    normalize: Callable[[str], str],
    risk: float | None = None,
    folds: int = SPLITS,
) -> Calibration:
    """The weights and the threshold for some lists.

    Args:
        lists: at least two groups of them.
        evidence: the kinds that take part, out of `EVIDENCE`; the others get no weight.
        normalize: the form in which words are compared.
        risk: the largest share of harmful edits; None keeps nineteen twentieths of the largest gain.
        folds: the number of splits.

    Raises:
        InputError: there are fewer than two groups, or no threshold keeps the risk.
    """
    groups = sorted({one.group for one in lists})
    if len(groups) < 2:
        raise InputError(
            f"calibration needs lists of at least two speakers or sentences, and there are {len(groups)}"
        )
    errors = [_errors(one, normalize) for one in lists]
    folds = min(folds, len(groups))
    fold_of = {group: number % folds for number, group in enumerate(groups)}
    totals = [[0] * 6 for _ in GRID]
    for fold in range(folds):
        inside = [place for place, one in enumerate(lists) if fold_of[one.group] != fold]
        weights = fit([lists[place] for place in inside], [errors[place] for place in inside], evidence)
        for one in lists:
            if fold_of[one.group] == fold:
                for number, row in enumerate(_outcomes(one, weights, normalize)):
                    totals[number] = [total + value for total, value in zip(totals[number], row, strict=True)]
    counts = tuple(EditCounts(gain, *row) for gain, row in zip(GRID, totals, strict=True))
    chosen = _chosen(counts, risk)
    fitted = fit(lists, errors, evidence)
    return Calibration(fitted.model_copy(update={"min_gain": chosen.min_gain}), counts)


def fit(
    lists: Sequence[JudgedList], errors: Sequence[Sequence[int]], evidence: Collection[str]
) -> EvidenceWeights:
    """The weights that minimize the expected word errors of the candidates.

    Args:
        lists: with their candidates.
        errors: word errors of every candidate.
        evidence: the kinds that take part, out of `EVIDENCE`.
    """
    features, costs, padding = _padded(lists, errors)
    words = sum(len(one.reference.split()) for one in lists)
    start = torch.tensor([1.0, 0.5, 0.3, 0.2, 0.0, 1.0])
    free = torch.tensor([float(kind in evidence) for kind in EVIDENCE] + [1.0, 1.0])
    best: tuple[float, Tensor] | None = None
    for scale in (0.5, 1.0, 2.0):
        point = (scale * start).requires_grad_()
        optimizer = torch.optim.Adam([point], lr=0.05)
        value = torch.tensor(math.inf)
        for _ in range(STEPS):
            optimizer.zero_grad()
            weights = point * free
            shares = (features @ weights + padding).softmax(-1)
            value = 100 * (shares * costs).sum() / max(words, 1) + PENALTY * weights.square().sum()
            value.backward()
            optimizer.step()
            with torch.no_grad():
                point[: len(EVIDENCE)] = point[: len(EVIDENCE)].clamp(min=0)
        if best is None or value.item() < best[0]:
            best = value.item(), (point * free).detach()
    assert best is not None
    names = (*EVIDENCE, "word", "best")
    values = (round(weight, 4) for weight in best[1].tolist())
    return EvidenceWeights(**dict(zip(names, values, strict=True)))


def upper_bound(harmful: int, edits: int, confidence: float = CONFIDENCE) -> float:
    """The upper confidence bound of a share, exact for the binomial distribution; 1 where nothing was counted."""
    if harmful >= edits:
        return 1.0
    low, high = harmful / edits, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(harmful, edits, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(count: int, trials: int, share: float) -> float:
    """The probability of at most so many successes."""
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * math.log(share)
            + (trials - k) * math.log1p(-share)
        )
        for k in range(count + 1)
    )


def _chosen(counts: Sequence[EditCounts], risk: float | None) -> EditCounts:
    if risk is None:
        least = min(one.errors for one in counts)
        enough = least + (1 - KEPT_GAIN) * (counts[0].errors_before - least)
        return max((one for one in counts if one.errors <= enough), key=lambda one: one.min_gain)
    allowed = [one for one in counts if one.edits and one.harmful_bound <= risk]
    if not allowed:
        most = max(counts, key=lambda one: one.edits)
        raise InputError(
            f"no threshold keeps the share of harmful edits below {risk:g} with a confidence of {CONFIDENCE:.0%}: "
            f"the lists have {most.edits} edits, {most.harmful} of them harmful; give more lists, or allow more"
        )
    return min(allowed, key=lambda one: one.min_gain)


def _errors(one: JudgedList, normalize: Callable[[str], str]) -> list[int]:
    reference = normalize(one.reference).split()
    return [Levenshtein.distance(normalize(text.text).split(), reference) for text in one.candidates]


def _padded(lists: Sequence[JudgedList], errors: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Features (L, C, kinds of evidence + 2) and costs (L, C), relative to those of the 1-best.

    The third result (L, C) is -inf where there is no candidate.
    """
    most = max(len(one.candidates) for one in lists)
    features = torch.zeros(len(lists), most, len(EVIDENCE) + 2)
    costs = torch.zeros(len(lists), most)
    padding = torch.full((len(lists), most), -math.inf)
    for row, (one, wrong) in enumerate(zip(lists, errors, strict=True)):
        best = one.candidates[0]
        for place, text in enumerate(one.candidates):
            features[row, place] = torch.tensor(
                [
                    *((getattr(text, kind) or 0.0) - (getattr(best, kind) or 0.0) for kind in EVIDENCE),
                    float(len(text.text.split()) - len(best.text.split())),
                    float(place == 0),
                ]
            )
            costs[row, place] = max(-MOST_ERRORS, min(MOST_ERRORS, wrong[place] - wrong[0]))
            padding[row, place] = 0
    return features, costs, padding


def _outcomes(
    one: JudgedList, weights: EvidenceWeights, normalize: Callable[[str], str]
) -> list[tuple[int, int, int, int, int, int]]:
    """For each threshold of the grid the numbers of `EditCounts`."""
    reference = normalize(one.reference).split()

    def wrong(text: str) -> int:
        return Levenshtein.distance(normalize(text).split(), reference)

    best = one.candidates[0].text
    before = wrong(best)
    effects: dict[str, tuple[int, int, int, int]] = {}
    rows = []
    _, edits = weigh(one.candidates, weights)
    for least in GRID:
        text = with_edits(best, [edit for edit in edits if edit.gain >= least])
        if text not in effects:
            old, new = best.split(), text.split()
            stretches = edited_stretches(old, new)
            alone = [
                wrong(put_back(old, new, [other for other in stretches if other is not stretch])) - before
                for stretch in stretches
            ]
            effects[text] = (
                len(alone),
                sum(change > 0 for change in alone),
                sum(change < 0 for change in alone),
                wrong(text),
            )
        rows.append((*effects[text], before, len(reference)))
    return rows
