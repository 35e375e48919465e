"""Makes the prompts of lists, and sets aside the lists that the language model need not or cannot read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from robustger.correction.config import CorrectorConfig
from robustger.correction.tokens import ListTokens
from robustger.correction.writing import Writing, knows_language
from robustger.hypotheses import Hypothesis, NBest, Transcript
from robustger.text.loops import is_loop

Listener = Callable[[NBest], Callable[[Sequence[str]], Sequence[float]] | None]
"""Gives for a list, as it was given, the function that scores texts under its audio; None where that is not at hand.

The function takes texts as the recognizer writes them, and returns log p(text | audio) of each in nats.
"""


@dataclass(frozen=True, slots=True)
class ListPrompt:
    """A list that the language model is going to read.

    Attributes:
        index: the position of the list among all lists of the call.
        nbest: the list in plain words, as far as the language model reads it.
        tokens: token ids of the prompt.
        draft: token ids of the 1-best and of the token that ends an answer. They are read in the same pass.
        listed: all hypotheses of the list that differ, in plain words, with their scores and as they were written.
        as_written: writes plain words as the recognizer would.
        as_plain: brings a text in any writing into the plain words of the list.
        listen: log p(text | audio) of texts as the recognizer writes them, in nats; None if the audio is not at hand.
    """

    index: int
    nbest: NBest
    tokens: list[int]
    draft: list[int]
    listed: Sequence[Hypothesis] = ()
    as_written: Callable[[str], str] = str
    as_plain: Callable[[str], str] = str
    listen: Callable[[Sequence[str]], Sequence[float]] | None = None

    def __len__(self) -> int:
        """Tokens that the language model reads in its first pass."""
        return len(self.tokens) + len(self.draft)

    @property
    def words(self) -> set[str]:
        """All words of the hypotheses."""
        return {word for text in self.nbest.texts for word in text.split()}


def make_prompts(
    writings: Sequence[Writing],
    config: CorrectorConfig,
    tokens: ListTokens,
    *,
    longest: int,
    skip_agreeing: bool,
    guard: str,
    listener: Listener | None = None,
) -> tuple[list[ListPrompt], dict[int, Transcript]]:
    """The prompts of the lists that the language model reads, and the transcripts of the others.

    Args:
        writings: all lists of the call.
        config: names the languages that the corrector knows.
        tokens: makes the prompts.
        longest: most tokens of a prompt.
        skip_agreeing: whether lists whose hypotheses all agree are passed through; lists of empty hypotheses always
            are.
        guard: name of the guard in force, for the transcripts.
        listener: scores texts under the audio of their list.

    Returns:
        the prompts, and by the position of their list the transcripts that keep the 1-best. Their source is `language`,
        `loop`, `agreement` or `too_long`.
    """
    prompts: list[ListPrompt] = []
    unread: dict[int, Transcript] = {}
    for index, writing in enumerate(writings):
        nbest = writing.plain
        distinct = {one.text for one in writing.listed}
        if not knows_language(writing.given, config.languages):
            unread[index] = _unread(nbest, "language", guard, confidence=0.0)
            continue
        if is_loop(writing.given.written[0]):
            unread[index] = _unread(nbest, "loop", guard, confidence=0.0)
            continue
        if distinct == {""} or (skip_agreeing and len(distinct) == 1):
            unread[index] = _unread(nbest, "agreement", guard, confidence=1.0)
            continue
        prompt = tokens.prompt(nbest.texts)
        if len(prompt) > longest:
            unread[index] = _unread(nbest, "too_long", guard, confidence=0.0)
            continue
        prompts.append(
            ListPrompt(
                index,
                nbest,
                prompt,
                draft=tokens.answer(nbest.best),
                listed=writing.listed,
                as_written=writing.as_written,
                as_plain=writing.as_plain,
                listen=None if listener is None else listener(writing.given),
            )
        )
    return prompts, unread


def _unread(
    nbest: NBest, source: Literal["language", "loop", "agreement", "too_long"], guard: str, confidence: float
) -> Transcript:
    """The 1-best as the transcript of a list that the language model does not read."""
    best = nbest.best
    return Transcript(
        id=nbest.id,
        text=best,
        best=best,
        generated=best,
        source=source,
        guard=guard,
        confidence=confidence,
    )
