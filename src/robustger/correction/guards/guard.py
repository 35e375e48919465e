"""Guards against harm: a language model may write fluent text nobody said.

- `none`    whatever the language model writes
- `words`   constrained decoding: only words that occur in the list's hypotheses can be written
- `edits`   the 1-best is kept where the correction changes more than `max_edit_rate` of its words
            or makes it much shorter (`max_deletion_rate`)
- `margin`  every edited stretch is put back that does not raise the log-probability under the language model by
            `min_gain`; then as `edits`

No guard but `none` lets a text be emptied, or one be written where the recognizer heard nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor
from transformers import LogitsProcessor

from robustger.correction.config import GuardConfig
from robustger.registry import Registry

FREE_DELETIONS = 2  # words that a text may always be shorter: "uh yes yes" is "yes"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A correction before the guard.

    Attributes:
        best: the recognizer's 1-best.
        text: what the language model wrote.
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
        """By how many words the text is shorter than the 1-best; not more than 0 where it is not."""
        return len(self.best.split()) - len(self.text.split())


class Guard:
    """Lets everything through; the other guards differ where they must.

    Attributes:
        config: thresholds.
        constrains_words: whether decoding is held to the words of the list.
        weighs_stretches: whether weak stretches are put back before `allows` is asked.
    """

    constrains_words = False
    weighs_stretches = False

    def __init__(self, config: GuardConfig) -> None:
        self.config = config

    def allows(self, proposal: Proposal) -> bool:
        """Whether the correction may replace the 1-best."""
        return True


class NeverEmptyGuard(Guard):
    """What all guards but `none` have in common: where the 1-best has words the text has some, and else none."""

    def allows(self, proposal: Proposal) -> bool:
        return bool(proposal.best.strip()) == bool(proposal.text.strip())


class WordsGuard(NeverEmptyGuard):
    """Constrained decoding; see `ListWords`.

    Some tokenizers do not give back the text they were given (they compose Unicode characters, or write "l ' amour").
    Where that made a new word, the 1-best is kept.
    """

    constrains_words = True

    def allows(self, proposal: Proposal) -> bool:
        return super().allows(proposal) and set(proposal.text.split()) <= set(proposal.words)


class EditsGuard(NeverEmptyGuard):
    """Falls back to the 1-best past an edit rate, or where too many words are lost.

    An edit rate alone bounds no deletion: deleting every word is a rate of 1. So a text may be shorter than the 1-best
    by `max_deletion_rate` of its words; by two words any text may.
    """

    def allows(self, proposal: Proposal) -> bool:
        if not super().allows(proposal):
            return False
        words = max(1, len(proposal.best.split()))
        if (
            proposal.words_lost > FREE_DELETIONS
            and proposal.words_lost / words > self.config.max_deletion_rate
        ):
            return False
        # A quotient, because it rounds as the rate itself was rounded: 29 edits in 100 words are a rate of 0.29.
        return proposal.edits / words <= self.config.max_edit_rate


class MarginGuard(EditsGuard):
    """Puts back every edited stretch that the language model is not sure of; see `guards.margin`."""

    weighs_stretches = True


GUARDS: Registry[type[Guard]] = Registry("guard", "robustger.guards")
GUARDS.register("none")(Guard)
GUARDS.register("words")(WordsGuard)
GUARDS.register("edits")(EditsGuard)
GUARDS.register("margin")(MarginGuard)


class ListWords(LogitsProcessor):
    """Holds every row to the words of its own list, in any order and number.

    The words' token sequences form one tree a row. Where a word is complete the next word or the end may follow, and
    inside a word only tokens that lead to the end of some word of the list.

    Args:
        words: the allowed words of every row, before beams are expanded.
        tokenize: text to token ids, without special tokens.
        prompt_length: padded length of the prompts.
        end: id of the token that ends an answer.
        num_beams: rows per list.
    """

    def __init__(
        self,
        words: Sequence[set[str]],
        tokenize: Callable[[str], list[int]],
        prompt_length: int,
        end: int,
        num_beams: int = 1,
    ) -> None:
        self._first = [_tree(tokenize(word) for word in row) for row in words]
        self._later = [_tree(_continuation(word, tokenize) for word in row) for row in words]
        self._prompt_length = prompt_length
        self._end = end
        self._num_beams = num_beams

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, V) with everything but the allowed tokens at minus infinity."""
        held = torch.full_like(scores, -torch.inf)
        for row, tokens in enumerate(input_ids[:, self._prompt_length :].tolist()):
            allowed = torch.tensor(
                sorted(self._allowed(row // self._num_beams, tokens)), device=scores.device
            )
            held[row, allowed] = scores[row, allowed]
        return held

    def _allowed(self, list_index: int, tokens: list[int]) -> set[int]:
        start, later = self._first[list_index], self._later[list_index]
        nodes = [start]  # a token sequence may be read as several beginnings of words at once
        for token in tokens:
            if token == self._end:
                return {self._end}
            following = [node[token] for node in nodes if token in node]
            if any(None in node for node in nodes) and token in later:
                following.append(later[token])
            nodes = following
        allowed = {token for node in nodes for token in node if token is not None}
        if not tokens or any(None in node for node in nodes):
            allowed.add(self._end)
        if any(None in node for node in nodes):
            allowed |= {token for token in later if token is not None}
        return allowed or {self._end}


_Tree = dict[int | None, Any]  # token id -> _Tree; the key None marks the end of a word


def _tree(sequences: Iterable[Sequence[int]]) -> _Tree:
    root: _Tree = {}
    for sequence in sequences:
        node = root
        for token in sequence:
            node = node.setdefault(token, {})
        if sequence:
            node[None] = {}
    return root


def _continuation(word: str, tokenize: Callable[[str], list[int]]) -> list[int]:
    """The tokens of `word` after another word."""
    return tokenize(f"a {word}")[len(tokenize("a")) :]
