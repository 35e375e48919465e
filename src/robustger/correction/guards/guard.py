"""Defines `Guard`, which can constrain, revise and refuse answers; the class itself is the guard `none`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein

from robustger.correction.config import GuardConfig
from robustger.hypotheses import JudgedEdit

if TYPE_CHECKING:
    from transformers import LogitsProcessor

    from robustger.correction.answers import BatchAnswers
    from robustger.correction.batch import ReadingBatch
    from robustger.correction.list_prompts import ListPrompt
    from robustger.correction.tokens import ListTokens


@dataclass(frozen=True, slots=True)
class Revision:
    """An answer after a guard has revised it.

    Attributes:
        text: the answer, in which parts may have been put back or replaced.
        judged: the edits of the 1-best that were considered; None if the guard does not judge single edits by evidence.
    """

    text: str
    judged: tuple[JudgedEdit, ...] | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A correction that a guard allows or refuses.

    Attributes:
        best: the recognizer's 1-best.
        text: the text that is to replace it.
        words: all words of the list's hypotheses.
    """

    best: str
    text: str
    words: Collection[str] = ()

    @property
    def edits(self) -> int:
        """Word edits between the 1-best and the text."""
        return Levenshtein.distance(self.best.split(), self.text.split())

    @property
    def words_lost(self) -> int:
        """The number of words by which the text is shorter than the 1-best; negative where it is longer."""
        return len(self.best.split()) - len(self.text.split())


class Guard:
    """Lets every answer through; other guards override what they do differently.

    Args:
        config: the name of the guard and its thresholds.
    """

    def __init__(self, config: GuardConfig) -> None:
        self.config = config

    def constraint(self, batch: ReadingBatch, tokens: ListTokens, num_beams: int) -> LogitsProcessor | None:
        """Restricts the tokens that may follow while the answers are written; None restricts nothing.

        Args:
            batch: the lists that are going to be answered.
            tokens: turns words into token ids.
            num_beams: rows that decoding uses per list.
        """
        return None

    def revise(self, answers: BatchAnswers) -> Sequence[Revision]:
        """The revised answers, one per list; parts may have been put back to the words of the 1-best."""
        return [Revision(text) for text in answers.texts]

    def hears(self, prompt: ListPrompt) -> bool:
        """Whether the guard goes by what the recognizer heard, and not by language models alone."""
        return False

    def allows(self, proposal: Proposal) -> bool:
        """Whether the revised answer may replace the 1-best."""
        return True


class NeverEmptyGuard(Guard):
    """Refuses to empty a text and to write one where the recognizer heard nothing: the base of all other guards."""

    def allows(self, proposal: Proposal) -> bool:
        return bool(proposal.best.strip()) == bool(proposal.text.strip())
