"""The figures of an evaluation under one normalizer: rates, intervals, tests, harmful edits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from robustger.evaluation.bootstrap import FEWEST_UNITS, Comparison
from robustger.evaluation.intervals import Interval, percent
from robustger.evaluation.json_values import json_value
from robustger.evaluation.matched_pairs import MatchedPairs
from robustger.evaluation.wer import WordErrors

TOO_FEW = "too few to tell"
_NO_INTERVAL = Interval(math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """The effect of the corrections on the 1-bests, under one normalizer.

    Attributes:
        better: utterances with fewer errors than the 1-best has.
        worse: utterances with more errors.
        equal: utterances with as many errors, changed or not.
        changed: utterances whose normalized text was changed at all.
        errors_removed: errors that the better utterances have fewer, in total.
        errors_added: errors that the worse utterances have more, in total.
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
class Versus:
    """The corrections compared with another system's texts, on the same utterances.

    Attributes:
        comparison: reductions from the other system to the corrections, with paired bootstrap intervals.
        matched_pairs: the matched-pairs test of the two.
        edits: utterances that the corrections have better and worse than the other system.
        enough: whether there are enough independent utterances to tell an effect from chance. If not, tables and JSON
            show neither intervals nor p-values.
    """

    comparison: Comparison
    matched_pairs: MatchedPairs
    edits: EditOutcome
    enough: bool = True

    @property
    def enough_segments(self) -> bool:
        """Whether there are enough segments for the matched-pairs test."""
        return self.enough and self.matched_pairs.segments >= FEWEST_UNITS

    def to_json_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        comparison: dict[str, Any] = {
            name: getattr(self.comparison, name) for name in Comparison.__dataclass_fields__
        }
        if not self.enough:
            comparison |= dict.fromkeys(("absolute_interval", "relative_interval"), _NO_INTERVAL)
            comparison["share_not_better"] = None
        matched_pairs = asdict(self.matched_pairs)
        if not self.enough_segments:
            matched_pairs["p_value"] = None
        return {
            "comparison": json_value(comparison),
            "matched_pairs": json_value(matched_pairs),
            "edits": {**asdict(self.edits), "harmful_edit_rate": self.edits.harmful_edit_rate},
        }

    def change(self) -> str:
        """Table cell: relative change of the errors in percent with its interval; negative is better."""
        if not self.enough:
            change = percent(-self.comparison.relative_reduction, digits=1, signed=True)
            return f"{change.replace('+0.0', '0.0')} ({TOO_FEW})"
        low, high = self.comparison.relative_interval.low, self.comparison.relative_interval.high
        change = percent(-self.comparison.relative_reduction, Interval(-high, -low), digits=1, signed=True)
        return change.replace("+0.0", "0.0")

    def test(self) -> str:
        """Table cell: statistic and p-value of the matched-pairs test."""
        if not self.enough_segments:
            return TOO_FEW
        p_value = self.matched_pairs.p_value
        return f"z {self.matched_pairs.z:.2f}, p {f'{p_value:.4f}' if p_value >= 0.0001 else '< 0.0001'}"

    def outcome(self) -> str:
        """Table cell: utterances better / worse / equal."""
        return f"{self.edits.better:,}/{self.edits.worse:,}/{self.edits.equal:,}"

    def harm(self) -> str:
        """Table cell: how many of the changed utterances were made worse."""
        return f"{self.edits.worse:,} of {self.edits.changed:,} ({100 * self.edits.harmful_edit_rate:.1f} %)"


@dataclass(frozen=True, slots=True)
class NormalizerReport:
    """The figures under one normalizer; rates are fractions, intervals are at 95 %.

    With the unit `char`, "words" are characters and "WER" is CER.

    Attributes:
        wer: WER by system: best, o_nb, o_cp and, with corrections, corrected and perhaps against.
        wer_interval: its interval by system.
        errors: word errors by system.
        words: reference words.
        operations: errors by kind for best, corrected and against (an oracle has no single text to count them in).
        recovered: RIR, the share of the recoverable errors that the corrections recover, by oracle:
            (best - corrected) / (best - oracle) in errors. 1 reaches the oracle, above 1 surpasses it (o_nb by
            combining hypotheses, o_cp by words that stand in none), below 0 made things worse; NaN where the oracle
            recovers nothing. Empty without corrections.
        recovered_interval: its interval by oracle, over the resamples in which something is recoverable.
        versus_best: corrected compared with best; None without corrections.
        versus_against: corrected compared with against; None without it.
        empty_references: ids of the lists whose reference has no word; each word written for them is an insertion.
        hypotheses: mean number of hypotheses of a list.
        distinct: mean number of hypotheses of a list that differ after normalization.
        enough: whether there are enough independent utterances to tell an effect from chance. If not, tables and JSON
            show no intervals.
    """

    wer: Mapping[str, float]
    wer_interval: Mapping[str, Interval]
    errors: Mapping[str, int]
    words: int
    operations: Mapping[str, WordErrors]
    recovered: Mapping[str, float]
    recovered_interval: Mapping[str, Interval]
    versus_best: Versus | None
    versus_against: Versus | None
    empty_references: tuple[str, ...]
    hypotheses: float
    distinct: float
    enough: bool = True

    def interval(self, system: str) -> Interval | None:
        """The interval of a system's rate; None where there are too few utterances for one."""
        return self.wer_interval[system] if self.enough else None

    @property
    def comparison(self) -> Comparison | None:
        """Corrected compared with best; None without corrections."""
        return None if self.versus_best is None else self.versus_best.comparison

    @property
    def edits(self) -> EditOutcome | None:
        """The effect of the corrections on the 1-bests; None without corrections."""
        return None if self.versus_best is None else self.versus_best.edits

    def to_json_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values. Figures of corrections are there only with corrections."""
        kinds = ("substitutions", "deletions", "insertions")
        result: dict[str, Any] = {
            "wer": self.wer,
            "wer_interval": {system: self.interval(system) or _NO_INTERVAL for system in self.wer},
            "errors": self.errors,
            "words": self.words,
            "operations": {
                system: {kind: getattr(counts, kind) for kind in kinds}
                for system, counts in self.operations.items()
            },
            "empty_references": list(self.empty_references),
            "hypotheses": self.hypotheses,
            "distinct_hypotheses": self.distinct,
        }
        if self.versus_best is not None:
            result |= self.versus_best.to_json_dict()
            intervals = {
                oracle: interval if self.enough else _NO_INTERVAL
                for oracle, interval in self.recovered_interval.items()
            }
            result |= {"recovered": self.recovered, "recovered_interval": intervals}
        if self.versus_against is not None:
            result["against"] = self.versus_against.to_json_dict()
        return json_value(result)

    def kinds(self, system: str) -> str:
        """Table cell: substitutions / deletions / insertions of a system."""
        counts = self.operations[system]
        return f"{counts.substitutions:,}/{counts.deletions:,}/{counts.insertions:,}"

    def rate(self, system: str) -> str:
        """Table cell: the rate of a system in percent, with its interval."""
        return percent(self.wer[system], self.interval(system))

    def rir(self, oracle: str) -> str:
        """Table cell: the share of the recoverable errors that is recovered, in percent."""
        interval = self.recovered_interval[oracle] if self.enough else None
        return percent(self.recovered[oracle], interval, digits=1)

    def sizes(self) -> str:
        """Table cell: mean numbers of distinct hypotheses and of all hypotheses of a list."""
        return f"{self.distinct:.1f} of {self.hypotheses:.1f}"
