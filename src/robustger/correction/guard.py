"""Guards against harm: a language model may write fluent text nobody said.

- `none`    whatever the language model writes
- `words`   constrained decoding: only words that occur in the list's hypotheses can be written
- `edits`   the 1-best is kept where the correction changes more than `max_edit_rate` of its words
- `margin`  every edited stretch is put back that does not raise the log-probability under the language model by
            `min_gain`; then as `edits`
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


@dataclass(frozen=True, slots=True)
class Proposal:
    """A correction before the guard.

    Attributes:
        best: the recogniser's 1-best.
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


class WordsGuard(Guard):
    """Constrained decoding; see `ListWords`.

    Some tokenizers do not give back the text they were given (they compose Unicode characters, or write "l ' amour").
    Where that made a new word, the 1-best is kept.
    """

    constrains_words = True

    def allows(self, proposal: Proposal) -> bool:
        return set(proposal.text.split()) <= set(proposal.words)


class EditsGuard(Guard):
    """Falls back to the 1-best past an edit rate."""

    def allows(self, proposal: Proposal) -> bool:
        # A quotient, because it rounds as the rate itself was rounded: 29 edits in 100 words are a rate of 0.29.
        return proposal.edits / max(1, len(proposal.best.split())) <= self.config.max_edit_rate


class MarginGuard(EditsGuard):
    """Puts back every edited stretch that the language model is not sure of; see `robustger.correction.margin`."""

    weighs_stretches = True


GUARDS: Registry[type[Guard]] = Registry("guard")
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
