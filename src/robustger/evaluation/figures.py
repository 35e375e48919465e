"""What is reported of a system under one normaliser: rates, intervals, tests, harm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from robustger.evaluation.matched_pairs import MatchedPairs
from robustger.evaluation.significance import Comparison, Interval
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
class Versus:
    """The corrections beside another system's, on the same utterances.

    Attributes:
        comparison: reductions from the other system to the corrections, with paired bootstrap intervals.
        matched_pairs: the matched-pairs test of the two.
        edits: utterances that the corrections have better and worse than the other system.
    """

    comparison: Comparison
    matched_pairs: MatchedPairs
    edits: EditOutcome

    def to_json_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        names = Comparison.__dataclass_fields__
        return {
            "comparison": {name: plain(getattr(self.comparison, name)) for name in names},
            "matched_pairs": plain(asdict(self.matched_pairs)),
            "edits": {**asdict(self.edits), "harmful_edit_rate": self.edits.harmful_edit_rate},
        }

    def change(self) -> str:
        """Table cell: relative change of the errors in percent with its interval; negative is better."""
        low, high = self.comparison.relative_interval.low, self.comparison.relative_interval.high
        change = percent(-self.comparison.relative_reduction, Interval(-high, -low), digits=1, signed=True)
        return change.replace("+0.0", "0.0")

    def test(self) -> str:
        """Table cell: statistic and p-value of the matched-pairs test."""
        p_value = self.matched_pairs.p_value
        return f"z {self.matched_pairs.z:.2f}, p {f'{p_value:.4f}' if p_value >= 0.0001 else '< 0.0001'}"

    def outcome(self) -> str:
        """Table cell: utterances better / worse / equal."""
        return f"{self.edits.better:,}/{self.edits.worse:,}/{self.edits.equal:,}"

    def harm(self) -> str:
        """Table cell: utterances made worse, of those changed."""
        return f"{self.edits.worse:,} of {self.edits.changed:,} ({100 * self.edits.harmful_edit_rate:.1f} %)"


@dataclass(frozen=True, slots=True)
class NormalizerReport:
    """The figures under one normaliser; rates are fractions, intervals are at 95 %.

    With the unit `char`, "words" are characters and "WER" is CER.

    Attributes:
        wer: WER by system: best, o_nb, o_cp and, with corrections, corrected and perhaps against.
        wer_interval: its interval by system.
        errors: word errors by system.
        words: reference words.
        operations: errors by kind for best, corrected and against (an oracle has no one text to take them from).
        recovered: RIR, the share of the recoverable errors that the corrections recover, by oracle:
            (best - corrected) / (best - oracle) in errors. 1 reaches the oracle, above 1 surpasses it (o_nb by
            combining hypotheses, o_cp by words that stand in none), below 0 made things worse; NaN where the oracle
            recovers nothing. Empty without corrections.
        recovered_interval: its interval by oracle, over the resamples in which something is recoverable.
        versus_best: corrected beside best; None without corrections.
        versus_against: corrected beside against; None without it.
        empty_references: ids of the lists whose reference has no word; each word written for them is an insertion.
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

    @property
    def comparison(self) -> Comparison | None:
        """Corrected against best; None without corrections."""
        return None if self.versus_best is None else self.versus_best.comparison

    @property
    def edits(self) -> EditOutcome | None:
        """Utterances made better and worse; None without corrections."""
        return None if self.versus_best is None else self.versus_best.edits

    def to_json_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values; what needs corrections is there only with corrections."""
        kinds = ("substitutions", "deletions", "insertions")
        result: dict[str, Any] = {
            "wer": self.wer,
            "wer_interval": self.wer_interval,
            "errors": self.errors,
            "words": self.words,
            "operations": {
                system: {kind: getattr(counts, kind) for kind in kinds}
                for system, counts in self.operations.items()
            },
            "empty_references": list(self.empty_references),
        }
        if self.versus_best is not None:
            result |= self.versus_best.to_json_dict()
            result |= {"recovered": self.recovered, "recovered_interval": self.recovered_interval}
        if self.versus_against is not None:
            result["against"] = self.versus_against.to_json_dict()
        return plain(result)

    def kinds(self, system: str) -> str:
        """Table cell: substitutions / deletions / insertions of a system."""
        counts = self.operations[system]
        return f"{counts.substitutions:,}/{counts.deletions:,}/{counts.insertions:,}"

    def rir(self, oracle: str) -> str:
        """Table cell: the share of the recoverable errors that is recovered, in percent."""
        return percent(self.recovered[oracle], self.recovered_interval[oracle], digits=1)


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
