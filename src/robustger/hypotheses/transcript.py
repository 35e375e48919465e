"""Defines the corrected utterances that rooms exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from robustger.hypotheses.judged_edit import JudgedEdit


@dataclass(frozen=True, slots=True)
class Transcript:
    """A corrected utterance.

    Attributes:
        id: the id of the N-best list.
        text: the transcript, in the form of the hypotheses' `text`.
        best: the recognizer's 1-best, in the same form.
        generated: what the language model wrote before the guard; equal to `best` where the model was skipped.
        source: where `text` comes from: "llm"; "agreement" (all hypotheses agree, the model was skipped); "guard" (the
            guard fell back or changed the text); "too_long" (the prompt exceeds the model's context, the 1-best was
            kept); "language" (the corrector does not know the list's language, the 1-best was kept); "loop" (the
            recognizer or the language model repeats itself, see `robustger.text.loops`, the 1-best was kept);
            "no_answer" (the language model's server gave none, for the `reason`; the 1-best was kept); "recognizer" (no
            correction was asked for).
        guard: name of the guard in force.
        confidence: between 0 and 1. Of a corrector: the mean of `word_confidences`; of a text without words, the share
            of the list that is empty; 0 where the 1-best was kept and nothing judged it (source "too_long", "language",
            "loop" or "no_answer").
        passes: forward passes of the language model in which this utterance took part, the guard's included; 0 where it
            was skipped.
        tokens: the number of tokens that the language model wrote, including the one that ends the text.
        written: the transcript with the recognizer's case and punctuation; None where the list has no written form.
        word_confidences: the probability that each word of `text` is right, one for each word between white space; None
            where nothing judged the words. See `robustger.correction.confidence`.
        judged: the edits that the guard `heard` considered, in plain words; None where another guard decided.
        proposer: the language model of a server that was asked for `generated`; None where none was.
        reason: why that server gave no answer.
    """

    id: str
    text: str
    best: str
    generated: str
    source: Literal[
        "llm", "agreement", "guard", "too_long", "language", "loop", "no_answer", "baseline", "recognizer"
    ]
    guard: str
    confidence: float
    passes: int = 0
    tokens: int = 0
    written: str | None = None
    word_confidences: tuple[float, ...] | None = None
    judged: tuple[JudgedEdit, ...] | None = None
    proposer: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.word_confidences is not None:  # JSON gives a list
            object.__setattr__(self, "word_confidences", tuple(self.word_confidences))
        if self.judged is not None:
            object.__setattr__(self, "judged", tuple(map(JudgedEdit.of, self.judged)))

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON; those after `tokens` that are not known are left out."""
        fields = {key: getattr(self, key) for key in self.__slots__}
        if self.word_confidences is not None:
            fields["word_confidences"] = list(self.word_confidences)
        if self.judged is not None:
            fields["judged"] = [edit.to_dict() for edit in self.judged]
        for key in ("written", "word_confidences", "judged", "proposer", "reason"):
            if fields[key] is None:
                del fields[key]
        return fields
