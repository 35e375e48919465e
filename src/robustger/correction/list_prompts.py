"""Makes the prompts of lists, and sets aside the lists that the language model need not or cannot read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from robustger.correction.config import CorrectorConfig
from robustger.correction.tokens import ListTokens
from robustger.correction.writing import Writing, knows_language
from robustger.hypotheses import NBest, Transcript
from robustger.text.loops import is_loop


@dataclass(frozen=True, slots=True)
class ListPrompt:
    """A list that the language model is going to read.

    Attributes:
        index: the position of the list among all lists of the call.
        nbest: the list in plain words.
        tokens: token ids of the prompt.
        draft: token ids of the 1-best and of the token that ends an answer. They are read in the same pass.
    """

    index: int
    nbest: NBest
    tokens: list[int]
    draft: list[int]

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

    Returns:
        the prompts, and by the position of their list the transcripts that keep the 1-best. Their source is `language`,
        `loop`, `agreement` or `too_long`.
    """
    prompts: list[ListPrompt] = []
    unread: dict[int, Transcript] = {}
    for index, writing in enumerate(writings):
        nbest = writing.plain
        distinct = set(nbest.texts)
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
        prompts.append(ListPrompt(index, nbest, prompt, draft=tokens.answer(nbest.best)))
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
