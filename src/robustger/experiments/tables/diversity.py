"""Measures how much the hypotheses of a list differ, by noise and SNR (the paper's Table 15).

This is the observation behind the method. It is measured on the first 5 hypotheses of every list, as the normalizer
writes them:

- `distinct`: the number of different hypotheses.
- `differing`: the share of words in which two hypotheses differ, which is the number of word edits between them over
  the number of words of the longer one; the mean over all pairs.
- `utterance`, `token`: the mean length of the rows of E_LN of either level (`robustger.noise`, variant `paper`), made
  from the texts without a normalizer, as a corrector reads them.

The table also shows the word error rates of the same lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from robustger.evaluation.json_values import json_value
from robustger.evaluation.measured import COUNTED, Measured, error_counts, mean, ratio
from robustger.evaluation.tables import Table
from robustger.experiments.conditions import CLEAN, noise_kind, sentence, snr_db
from robustger.experiments.experiment import NORMALIZER, Context, Experiment, Findings
from robustger.hypotheses import NBest
from robustger.text import get_normalizer

if TYPE_CHECKING:
    from torch import Tensor

LIST_SIZE = 5  # hypotheses of a list that are compared
EVERY_NOISE = "all noises"
MEASURES = {
    "distinct": "distinct",
    "differing": "words that differ (%)",
    "utterance": "E_LN, utterance level",
    "token": "E_LN, token level",
}
_BATCH = 256

Condition = tuple[str, float | None]
"""A kind of noise or the name of a test set, and the SNR in dB; None where the list names no SNR."""


@dataclass(frozen=True, slots=True)
class MeasuredLists:
    """Lists with the measures of each.

    Attributes:
        lists: all with a reference.
        conditions: of the lists.
        measures: arrays of shape (lists,), by the names of `MEASURES`.
        errors: number of word errors, same shape, by the names of `COUNTED`.
        words: number of words of the references, same shape.
    """

    lists: Sequence[NBest]
    conditions: Sequence[Condition]
    measures: Mapping[str, np.ndarray]
    errors: Mapping[str, np.ndarray]
    words: np.ndarray

    def summary(self, rows: Sequence[int]) -> dict[str, Measured]:
        """Means of the measures and word error rates over some of the lists, given by row number."""
        units = [sentence(self.lists[row]) for row in rows]
        chosen = np.asarray(rows)
        found = {name: mean(values[chosen], units) for name, values in self.measures.items()}
        return found | {
            name: ratio(errors[chosen], self.words[chosen], units) for name, errors in self.errors.items()
        }


def differing_words(texts: Sequence[Sequence[str]]) -> float:
    """The share of words in which two hypotheses differ, averaged over all pairs; 0 for fewer than two hypotheses.

    Args:
        texts: words of each hypothesis, normalized.
    """
    from rapidfuzz.distance import Levenshtein

    shares = [Levenshtein.normalized_distance(one, other) for one, other in combinations(texts, 2)]
    return float(np.mean(shares)) if shares else 0.0


def measure_lists(
    tests: Mapping[str, Sequence[NBest]],
    clean: Sequence[NBest],
    embed: Callable[[Sequence[Sequence[str]]], Tensor],
) -> MeasuredLists:
    """Measures lists.

    Args:
        tests: lists by name of the test set, which is the condition of a list that names no noise.
        clean: lists of clean speech; may be empty.
        embed: turns lists of texts into E_LN, shape (B, N(N-1), D), the utterance level first.
    """
    named = [(name, nbest) for name, lists in tests.items() for nbest in lists]
    conditions: list[Condition] = []
    for name, nbest in named:
        kind = noise_kind(nbest)
        conditions.append((name if kind == CLEAN else kind, snr_db(nbest)))
    lists = [nbest for _, nbest in named] + list(clean)
    normalize = get_normalizer(NORMALIZER)
    distinct, differing, lengths = [], [], []
    for start in range(0, len(lists), _BATCH):
        batch = lists[start : start + _BATCH]
        for nbest in batch:
            texts = [tuple(normalize(text).split()) for text in nbest.texts[:LIST_SIZE]]
            distinct.append(len(set(texts)))
            differing.append(differing_words(texts))
        rows = embed([nbest.texts for nbest in batch]).norm(dim=-1)  # (B, N(N-1))
        lengths.append(rows.view(len(batch), 2, -1).mean(-1).numpy())
    utterance, token = np.concatenate(lengths).T
    errors, words = error_counts(lists, NORMALIZER)
    measures = {
        "distinct": np.array(distinct, dtype=float),
        "differing": np.array(differing),
        "utterance": utterance,
        "token": token,
    }
    return MeasuredLists(lists, conditions + [(CLEAN, None)] * len(clean), measures, errors, words)


def by_condition(lists: MeasuredLists) -> dict[Condition, list[int]]:
    """Row numbers of the lists of every condition: kinds by name, SNRs ascending, clean speech last."""
    found: dict[Condition, list[int]] = {}
    for row, condition in enumerate(lists.conditions):
        found.setdefault(condition, []).append(row)

    def place(condition: Condition) -> tuple[bool, str, float]:
        kind, snr = condition
        return kind == CLEAN, kind, np.inf if snr is None else snr

    return {condition: found[condition] for condition in sorted(found, key=place)}


def by_snr(lists: MeasuredLists) -> dict[Condition, list[int]]:
    """Row numbers of the lists of every SNR over all noises; lists without an SNR keep their condition."""
    found: dict[Condition, list[int]] = {}
    for row, (kind, snr) in enumerate(lists.conditions):
        found.setdefault((kind if snr is None else EVERY_NOISE, snr), []).append(row)
    return dict(sorted(found.items(), key=lambda item: (item[0][0] == CLEAN, item[0][1] or 0, item[0][0])))


def condition_title(condition: Condition) -> str:
    """The name of a condition in tables: "babble, 5 dB"."""
    kind, snr = condition
    return kind if snr is None else f"{kind}, {snr} dB"


def diversity_table(
    title: str, summaries: Mapping[Condition, dict[str, Measured]], counts: Mapping[Condition, int]
) -> Table:
    """The table of the measures, a row for each condition."""
    rows = []
    for condition, summary in summaries.items():
        cells = [summary["distinct"].cell(2), summary["differing"].percent().cell(1)]
        cells += [summary[name].cell(3) for name in ("utterance", "token")]
        cells += [summary[name].percent().cell(1) for name in COUNTED]
        rows.append((condition_title(condition), f"{counts[condition]:,}", *cells))
    names = [f"{name} (WER, %)" for name in COUNTED.values()]
    return Table(
        title,
        ("condition", "lists", *MEASURES.values(), *names),
        tuple(rows),
        notes=f"Measured on the first {LIST_SIZE} hypotheses under the normalizer {NORMALIZER}; E_LN without a "
        "normalizer. 95 % intervals from a bootstrap over sentences.",
    )


def rank_correlation(lists: MeasuredLists, name: str) -> float:
    """Spearman's correlation, over lists, of a measure with the share of words that the 1-best has wrong.

    The correlation is NaN where either is the same for all lists.
    """
    known = lists.words > 0
    wrong = lists.errors["best"][known] / lists.words[known]
    values = lists.measures[name][known]
    if len(set(values)) < 2 or len(set(wrong)) < 2:
        return float("nan")
    return float(np.corrcoef(_ranks(values), _ranks(wrong))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value; equal values share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[places]


def _diversity(context: Context) -> Findings:
    """Measures all test lists, and the lists of clean speech where the data has them."""
    from robustger.experiments.figures.diversity_plots import against_errors, lines_by_snr, map_by_noise
    from robustger.noise.embedding import NoiseEmbedder
    from robustger.noise.extractors import SentenceBert

    tests = context.data.test_lists(context.quick)
    clean = context.data.clean_lists()
    if context.quick:
        spoken = {sentence(nbest) for lists in tests.values() for nbest in lists}
        clean = [nbest for nbest in clean if sentence(nbest) in spoken]
    context.say(f"{sum(map(len, tests.values())) + len(clean):,} lists")
    lists = measure_lists(tests, clean, NoiseEmbedder(SentenceBert(), n=LIST_SIZE))
    groups = {"by SNR": by_snr(lists), "by noise and SNR": by_condition(lists)}
    # Without SNRs, or with a single noise, both groupings are the same.
    if len(groups["by SNR"]) == len(groups["by noise and SNR"]):
        del groups["by SNR"]
    summaries = {
        name: {condition: lists.summary(rows) for condition, rows in group.items()}
        for name, group in groups.items()
    }
    correlations = {name: rank_correlation(lists, name) for name in MEASURES}
    fine, coarse = summaries["by noise and SNR"], summaries.get("by SNR", {})
    figures: dict[str, Callable[[], Any]] = {"-wer": lambda: against_errors(fine)}
    if len({snr for _, snr in fine if snr is not None}) > 1:
        figures |= {"": lambda: lines_by_snr(fine, coarse), "-map": lambda: map_by_noise(fine)}
    return Findings(
        results={
            "conditions": {
                name: [
                    {"noise": condition[0], "snr_db": condition[1], "lists": len(groups[name][condition])}
                    | {key: value.to_json_dict() for key, value in summary.items()}
                    for condition, summary in given.items()
                ]
                for name, given in summaries.items()
            },
            "rank_correlation_with_errors_of_the_1_best": json_value(correlations),
            "normalizer": NORMALIZER,
        },
        tables=tuple(
            diversity_table(
                f"Diversity of N-best lists, {name}",
                given,
                {key: len(rows) for key, rows in groups[name].items()},
            )
            for name, given in summaries.items()
        ),
        figures=figures,
        notes=(
            "Spearman's correlation over lists with the share of words that the 1-best has wrong: "
            + ", ".join(
                f"{MEASURES[name]} {value:.2f}" for name, value in correlations.items() if not np.isnan(value)
            )
            + ".",
        ),
    )


DIVERSITY = Experiment(
    "diversity",
    "how much the hypotheses differ, by noise and SNR (the paper's Table 15 and its figure)",
    _diversity,
)
