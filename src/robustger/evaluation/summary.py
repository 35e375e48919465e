"""Sums over a corpus and its bootstrap resamples: they add up over domains and become the reported rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robustger.evaluation.scores import Scores
from robustger.evaluation.significance import (
    Comparison,
    FloatArray,
    Interval,
    compare,
    percentile_interval,
    rates,
    resampled_sums,
)
from robustger.evaluation.tables import percent
from robustger.evaluation.wer import WordErrors


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """What the corrections did to the 1-bests, under one normaliser.

    Attributes:
        better: utterances with fewer errors than the 1-best has.
        worse: utterances with more errors.
        equal: utterances with as many errors, changed or not.
        changed: utterances whose normalised text was changed at all.
        errors_removed: errors fewer, summed over the better utterances.
        errors_added: errors more, summed over the worse utterances.
    """

    better: int
    worse: int
    equal: int
    changed: int
    errors_removed: int
    errors_added: int

    @property
    def harmful_edit_rate(self) -> float:
        """Share of the changed utterances that the change made worse; 0 when nothing was changed."""
        return self.worse / self.changed if self.changed else 0.0

    def __add__(self, other: EditOutcome) -> EditOutcome:
        """The outcome over both corpora."""
        return EditOutcome(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class NormalizerReport:
    """The figures under one normaliser; rates are fractions, intervals are at 95 %.

    Attributes:
        wer: WER by system: best, o_nb, o_cp and, with corrections, corrected.
        wer_interval: its interval by system.
        errors: word errors by system.
        words: reference words.
        operations: errors by kind for best and corrected (an oracle has no one text to take them from).
        comparison: corrected against best; None without corrections.
        edits: utterances made better and worse; None without corrections.
    """

    wer: Mapping[str, float]
    wer_interval: Mapping[str, Interval]
    errors: Mapping[str, int]
    words: int
    operations: Mapping[str, WordErrors]
    comparison: Comparison | None
    edits: EditOutcome | None

    def to_json_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values; "comparison" and "edits" are there only with corrections."""
        kinds = ("substitutions", "deletions", "insertions")
        result: dict[str, Any] = {
            "wer": self.wer,
            "wer_interval": {system: plain(interval) for system, interval in self.wer_interval.items()},
            "errors": self.errors,
            "words": self.words,
            "operations": {
                system: {kind: getattr(counts, kind) for kind in kinds}
                for system, counts in self.operations.items()
            },
        }
        if self.comparison is not None and self.edits is not None:
            names = Comparison.__dataclass_fields__
            result["comparison"] = {name: plain(getattr(self.comparison, name)) for name in names}
            result["edits"] = {**asdict(self.edits), "harmful_edit_rate": self.edits.harmful_edit_rate}
        return plain(result)

    def change(self) -> str:
        """Table cell: relative change of the errors in percent with its interval; negative is better."""
        if self.comparison is None:
            return "-"
        low, high = self.comparison.relative_interval.low, self.comparison.relative_interval.high
        change = percent(-self.comparison.relative_reduction, Interval(-high, -low), digits=1, signed=True)
        return change.replace("+0.0", "0.0")

    def outcome(self) -> str:
        """Table cell: utterances made better / worse / left equal."""
        return (
            "-" if self.edits is None else f"{self.edits.better:,}/{self.edits.worse:,}/{self.edits.equal:,}"
        )

    def harm(self) -> str:
        """Table cell: utterances made worse, of those changed."""
        if self.edits is None:
            return "-"
        return f"{self.edits.worse:,} of {self.edits.changed:,} ({100 * self.edits.harmful_edit_rate:.1f} %)"


@dataclass(frozen=True, slots=True)
class Summary:
    """Corpus sums under one normaliser, and the same sums over resamples, each of shape (resamples,).

    Adding two summaries pools their corpora: sums and resampled sums add up (a bootstrap stratified by
    corpus).
    """

    words: int
    word_samples: FloatArray
    errors: Mapping[str, int]
    error_samples: Mapping[str, FloatArray]
    operations: Mapping[str, WordErrors]
    edits: EditOutcome | None

    def __add__(self, other: Summary) -> Summary:
        """The summary of both corpora together; both hold the same systems."""
        return Summary(
            words=self.words + other.words,
            word_samples=self.word_samples + other.word_samples,
            errors={name: count + other.errors[name] for name, count in self.errors.items()},
            error_samples={
                name: sums + other.error_samples[name] for name, sums in self.error_samples.items()
            },
            operations={name: counts + other.operations[name] for name, counts in self.operations.items()},
            edits=self.edits + other.edits if self.edits is not None and other.edits is not None else None,
        )

    def rate(self, system: str) -> float:
        """WER of one system; NaN without reference words."""
        return float(rates(self.errors[system], self.words))

    def interval(self, system: str) -> Interval:
        """Interval of `rate`."""
        return percentile_interval(rates(self.error_samples[system], self.word_samples))

    def report(self) -> NormalizerReport:
        """The rates, intervals and comparisons."""
        comparison = None
        if "corrected" in self.errors:
            base, new = self.errors["best"], self.errors["corrected"]
            samples = self.error_samples["best"], self.error_samples["corrected"], self.word_samples
            comparison = compare(base, new, self.words, *samples)
        return NormalizerReport(
            wer={system: self.rate(system) for system in self.errors},
            wer_interval={system: self.interval(system) for system in self.errors},
            errors=self.errors,
            words=self.words,
            operations=self.operations,
            comparison=comparison,
            edits=self.edits,
        )


def summarize(
    scores: Mapping[str, Scores], *, resamples: int, seed: int | np.random.SeedSequence
) -> dict[str, Summary]:
    """Sums and resampled sums by normaliser; all of them share the same resamples."""
    by_normalizer = {name: {"words": score.words, **score.errors()} for name, score in scores.items()}
    columns = [column for named in by_normalizer.values() for column in named.values()]
    samples = iter(resampled_sums(np.stack(columns, axis=1), resamples=resamples, seed=seed).T)
    summaries = {}
    for name, named in by_normalizer.items():
        drawn = {column: next(samples) for column in named}
        score = scores[name]
        operations = {"best": score.best.total()}
        if score.corrected is not None:
            operations["corrected"] = score.corrected.total()
        summaries[name] = Summary(
            words=int(named.pop("words").sum()),
            word_samples=drawn.pop("words"),
            errors={system: int(errors.sum()) for system, errors in named.items()},
            error_samples=drawn,
            operations=operations,
            edits=_outcome(score),
        )
    return summaries


def _outcome(score: Scores) -> EditOutcome | None:
    if score.corrected is None or score.changed is None:
        return None
    removed = score.best.errors - score.corrected.errors  # positive: better
    return EditOutcome(
        better=int((removed > 0).sum()),
        worse=int((removed < 0).sum()),
        equal=int((removed == 0).sum()),
        changed=int(score.changed.sum()),
        errors_removed=int(removed.clip(min=0).sum()),
        errors_added=int((-removed).clip(min=0).sum()),
    )


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: intervals become [low, high], numbers that are not finite None."""
    if isinstance(value, Interval):
        return [plain(value.low), plain(value.high)]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
