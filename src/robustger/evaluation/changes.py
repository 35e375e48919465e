"""Counts the words that corrections fix and break.

Reference, 1-best and correction are aligned (`robustger.evaluation.alignment`). A reference word that is wrong in the
1-best and right in the correction is fixed; the other way round it is broken. A word that only the 1-best inserts is
fixed, and a word that only the correction inserts is broken. So

    fixed - broken = errors of the 1-best - errors of the corrections

A word that is wrong in both is neither, even if it is wrong in another way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from robustger.evaluation.alignment import Alignment, align
from robustger.evaluation.tables import Table
from robustger.evaluation.units import ERROR_UNITS
from robustger.hypotheses import NBest
from robustger.text import get_normalizer, normalizer_for


class Error(NamedTuple):
    """One word error.

    Attributes:
        reference: the word of the reference; None for an insertion.
        written: the word that was written instead; None for a deletion.
    """

    reference: str | None
    written: str | None

    def __str__(self) -> str:
        """The two words as in "fare <- fair", with Ø for no word."""
        return f"{self.reference or 'Ø'} <- {self.written or 'Ø'}"


@dataclass(frozen=True, slots=True)
class WordChanges:
    """Counts of the words fixed and broken.

    Attributes:
        fixed: errors of the 1-bests that the corrections do not make.
        broken: errors of the corrections that the 1-bests do not make.
        normalizer: the normalizer of all three texts.
        unit: name of the unit that is counted.
    """

    fixed: Counter[Error] = field(default_factory=Counter)
    broken: Counter[Error] = field(default_factory=Counter)
    normalizer: str = "number"
    unit: str = "word"

    def add(self, best: Alignment, corrected: Alignment) -> None:
        """Counts one utterance.

        Args:
            best: the 1-best, aligned with the reference.
            corrected: the correction, aligned with the same reference.
        """
        for truth, before, after in zip(best.reference, best.written, corrected.written, strict=True):
            if before != truth and after == truth:
                self.fixed[Error(truth, before)] += 1
            elif before == truth and after != truth:
                self.broken[Error(truth, after)] += 1
        before, after = (
            Counter(word for words in one.inserted for word in words) for one in (best, corrected)
        )
        self.fixed.update({Error(None, word): count for word, count in (before - after).items()})
        self.broken.update({Error(None, word): count for word, count in (after - before).items()})

    def top(self, count: int) -> tuple[list[tuple[Error, int]], list[tuple[Error, int]]]:
        """The most frequent errors fixed and broken; of equally frequent ones the first by alphabet."""
        fixed, broken = (
            sorted(
                counts.items(), key=lambda item: (-item[1], item[0].reference or "", item[0].written or "")
            )
            for counts in (self.fixed, self.broken)
        )
        return fixed[:count], broken[:count]

    def to_json_dict(self, count: int) -> dict[str, Any]:
        """The `count` most frequent errors fixed and broken, and their totals."""
        fixed, broken = self.top(count)
        return {
            "normalizer": self.normalizer,
            "unit": self.unit,
            "fixed_total": self.fixed.total(),
            "broken_total": self.broken.total(),
            "fixed": [{**error._asdict(), "count": times} for error, times in fixed],
            "broken": [{**error._asdict(), "count": times} for error, times in broken],
        }

    def table(self, count: int) -> Table:
        """A table of the `count` most frequent errors fixed and broken, side by side."""
        fixed, broken = self.top(count)
        rows = []
        for number in range(max(len(fixed), len(broken))):
            cells = [str(number + 1)]
            for errors in (fixed, broken):
                cells += (
                    [str(errors[number][0]), f"{errors[number][1]:,}"] if number < len(errors) else ["", ""]
                )
            rows.append(tuple(cells))
        plural = ERROR_UNITS.get(self.unit).plural
        return Table(
            f"{plural.capitalize()} fixed and broken, normalizer {self.normalizer}",
            ("", f"fixed ({self.fixed.total():,})", "times", f"broken ({self.broken.total():,})", "times"),
            tuple(rows),
            "reference <- what was written instead, by the 1-best (fixed) or by the correction (broken); Ø: nothing.",
        )


def word_changes(
    corrected: Iterable[tuple[NBest, str]], *, normalizer: str = "number", unit: str = "word"
) -> WordChanges:
    """Counts the words that corrections fix and break.

    Args:
        corrected: lists with their corrected text; those without a reference are left out.
        normalizer: name of the normalizer for all texts.
        unit: what is counted, "word" or "char".

    Raises:
        InputError: an unknown normalizer or unit.
    """
    get_normalizer(normalizer)
    split = ERROR_UNITS.get(unit).split
    changes = WordChanges(normalizer=normalizer, unit=unit)
    for nbest, text in corrected:
        if nbest.reference is not None:
            normalize = normalizer_for(normalizer, nbest.language)
            truth, before, after = (split(normalize(one)) for one in (nbest.reference, nbest.best, text))
            if before != after:
                changes.add(align(truth, before), align(truth, after))
    return changes
