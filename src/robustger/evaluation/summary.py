"""Sums over a corpus and over its bootstrap resamples. They add up over domains and become the reported rates."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robustger.evaluation.bootstrap import FEWEST_UNITS, cluster_sums, compare, resampled_sums
from robustger.evaluation.fields import Group
from robustger.evaluation.figures import EditOutcome, NormalizerReport, Versus
from robustger.evaluation.intervals import Interval, percentile_interval
from robustger.evaluation.matched_pairs import SegmentSums
from robustger.evaluation.recordings import Incomplete
from robustger.evaluation.scores import ListSizes, ScoredLists, Scores
from robustger.evaluation.wer import FloatArray, WordErrors, error_rates


@dataclass(frozen=True, slots=True)
class Summary:
    """Corpus sums under one normalizer, and the same sums over resamples, each of shape (resamples,).

    Adding two summaries pools their corpora: sums and resampled sums add up (a bootstrap stratified by
    corpus).
    """

    words: int
    word_samples: FloatArray
    errors: Mapping[str, int]
    error_samples: Mapping[str, FloatArray]
    operations: Mapping[str, WordErrors]
    edits: Mapping[str, EditOutcome]
    segments: Mapping[str, SegmentSums]
    sizes: ListSizes
    empty_references: tuple[str, ...]

    def __add__(self, other: Summary) -> Summary:
        """The summary of both corpora together; both hold the same systems."""
        return Summary(
            words=self.words + other.words,
            word_samples=self.word_samples + other.word_samples,
            errors=_added(self.errors, other.errors),
            error_samples=_added(self.error_samples, other.error_samples),
            operations=_added(self.operations, other.operations),
            edits=_added(self.edits, other.edits),
            segments=_added(self.segments, other.segments),
            sizes=self.sizes + other.sizes,
            empty_references=self.empty_references + other.empty_references,
        )

    def rate(self, system: str) -> float:
        """WER of one system; NaN without reference words."""
        return float(error_rates(self.errors[system], self.words))

    def interval(self, system: str) -> Interval:
        """Interval of `rate`."""
        return percentile_interval(error_rates(self.error_samples[system], self.word_samples))

    def report(self, independent: int) -> NormalizerReport:
        """The rates, intervals and comparisons.

        Args:
            independent: number of utterances, or clusters of them, that the resamples were drawn from.
        """
        enough = independent >= FEWEST_UNITS
        oracles = ("o_nb", "o_cp") if "corrected" in self.errors else ()
        return NormalizerReport(
            wer={system: self.rate(system) for system in self.errors},
            wer_interval={system: self.interval(system) for system in self.errors},
            errors=self.errors,
            words=self.words,
            operations=self.operations,
            recovered={oracle: float(self._recovered(self.errors, oracle)) for oracle in oracles},
            recovered_interval={
                oracle: percentile_interval(self._recovered(self.error_samples, oracle)) for oracle in oracles
            },
            versus_best=self._versus("best", enough),
            versus_against=self._versus("against", enough),
            empty_references=self.empty_references,
            hypotheses=self.sizes.hypotheses / self.sizes.lists,
            distinct=self.sizes.distinct / self.sizes.lists,
            enough=enough,
        )

    @staticmethod
    def _recovered(errors: Mapping[str, Any], oracle: str) -> FloatArray:
        best = np.asarray(errors["best"])
        return error_rates(best - errors["corrected"], best - errors[oracle])

    def _versus(self, base: str, enough: bool) -> Versus | None:
        if base not in self.edits:
            return None
        comparison = compare(
            self.errors[base],
            self.errors["corrected"],
            self.words,
            self.error_samples[base],
            self.error_samples["corrected"],
            self.word_samples,
        )
        return Versus(comparison, self.segments[base].test(), self.edits[base], enough)


@dataclass(frozen=True, slots=True)
class CorpusSummary:
    """The summaries of one corpus, and of the groups its utterances fall into.

    Attributes:
        normalizers: by normalizer.
        independent: how many utterances, or clusters of them, the bootstrap draws from.
        groups: the same by field and group, without further groups and without the following counts.
        without_reference: lists left out because they have no reference.
        joined: recordings that were joined of several windows.
        incomplete: recordings left out because a window is missing.
        forms: signs of the forms that the texts are written in.
    """

    normalizers: Mapping[str, Summary]
    independent: int
    groups: Mapping[str, Mapping[Group, CorpusSummary]]
    without_reference: int = 0
    joined: int = 0
    incomplete: tuple[Incomplete, ...] = ()
    forms: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: CorpusSummary) -> CorpusSummary:
        """Both corpora together; both were grouped by the same fields."""
        groups = {}
        for name, own in self.groups.items():
            groups[name] = dict(own)
            for group, summary in other.groups[name].items():
                groups[name][group] = own[group] + summary if group in own else summary
        return CorpusSummary(
            _added(self.normalizers, other.normalizers),
            self.independent + other.independent,
            groups,
            self.without_reference + other.without_reference,
            self.joined + other.joined,
            self.incomplete + other.incomplete,
            self.forms + other.forms,
        )


def _added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value + other[name] for name, value in one.items()}


def summarize(scored: ScoredLists, *, resamples: int, seed: np.random.SeedSequence) -> CorpusSummary:
    """Sums and resampled sums of all lists, and of each group.

    All normalizers share the same resamples. The draws of a group depend on the seed and the group's name, but not on
    other groups or fields.
    """
    groups: dict[str, dict[Group, CorpusSummary]] = {}
    for name, labels in scored.groups.items():
        rows: dict[Group, list[int]] = {}
        for row, group in enumerate(labels):
            rows.setdefault(group, []).append(row)
        groups[name] = {
            group: CorpusSummary(
                *_sums(scored, rows[group], resamples, spawned(seed, f"{name}={group.text}")), {}
            )
            for group in sorted(rows)
        }
    whole = _sums(scored, range(len(scored.ids)), resamples, seed)
    return CorpusSummary(
        *whole, groups, scored.without_reference, scored.joined, scored.incomplete, scored.forms
    )


def spawned(seed: np.random.SeedSequence, name: str) -> np.random.SeedSequence:
    """A seed derived from a seed and a name, which does not depend on other names."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, zlib.crc32(name.encode())))


def _sums(
    scored: ScoredLists, rows: Sequence[int], resamples: int, seed: np.random.SeedSequence
) -> tuple[dict[str, Summary], int]:
    """The summaries of some rows by normalizer, and the number of independent units that were resampled."""
    scores = {name: score.take(np.array(rows)) for name, score in scored.scores.items()}
    by_normalizer = {name: {"words": score.words, **score.errors()} for name, score in scores.items()}
    table = np.stack([column for named in by_normalizer.values() for column in named.values()], axis=1)
    if scored.clusters is not None:
        table = cluster_sums(table, scored.clusters[rows])
    samples = iter(resampled_sums(table, resamples=resamples, seed=seed).T)
    summaries = {}
    for name, named in by_normalizer.items():
        drawn = {column: next(samples) for column in named}
        score = scores[name]
        summaries[name] = Summary(
            words=int(named.pop("words").sum()),
            word_samples=drawn.pop("words"),
            errors={system: int(errors.sum()) for system, errors in named.items()},
            error_samples=drawn,
            operations={system: errors.total() for system, errors in score.texts.items()},
            edits={base: _outcome(score, base) for base in score.pairings},
            segments={base: _segments(score, base) for base in score.pairings},
            sizes=ListSizes(
                *(
                    int(counts.sum())
                    for counts in (score.sizes.lists, score.sizes.hypotheses, score.sizes.distinct)
                )
            ),
            empty_references=tuple(
                scored.ids[row] for row, words in zip(rows, score.words, strict=True) if words == 0
            ),
        )
    return summaries, len(table)


def _outcome(score: Scores, base: str) -> EditOutcome:
    removed = score.texts[base].errors - score.texts["corrected"].errors  # positive: better
    return EditOutcome(
        better=int((removed > 0).sum()),
        worse=int((removed < 0).sum()),
        equal=int((removed == 0).sum()),
        changed=int(score.pairings[base].changed.sum()),
        errors_removed=int(removed.clip(min=0).sum()),
        errors_added=int((-removed).clip(min=0).sum()),
    )


def _segments(score: Scores, base: str) -> SegmentSums:
    pairing = score.pairings[base]
    differences = score.texts[base].errors - score.texts["corrected"].errors
    return SegmentSums(int(pairing.segments.sum()), int(differences.sum()), int(pairing.squares.sum()))
