"""The guard `words`: constrains decoding to the words of the hypotheses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from robustger.correction.guards.guard import NeverEmptyGuard, Proposal

if TYPE_CHECKING:
    from robustger.correction.batch import ReadingBatch
    from robustger.correction.tokens import ListTokens


class WordsGuard(NeverEmptyGuard):
    """Constrains decoding; see `ListWords`.

    Some tokenizers do not give back the text they were given (they compose Unicode characters, or write "l ' amour").
    Where that made a new word, the 1-best is kept.
    """

    def constraint(self, batch: ReadingBatch, tokens: ListTokens, num_beams: int) -> LogitsProcessor:
        longest = max(len(prompt.tokens) for prompt in batch.prompts)
        return ListWords(
            [prompt.words for prompt in batch.prompts], tokens.of, longest, tokens.end, num_beams
        )

    def allows(self, proposal: Proposal) -> bool:
        return super().allows(proposal) and set(proposal.text.split()) <= set(proposal.words)


class ListWords(LogitsProcessor):
    """Restricts every row to the words of its own list, in any order and number.

    The token sequences of the words form one tree per row. Where a word is complete, the next word or the end may
    follow. Inside a word, only tokens that lead to the end of some word of the list may follow.

    Args:
        words: the allowed words of every list.
        tokenize: text to token ids, without special tokens.
        prompt_length: padded length of the prompts.
        end: id of the token that ends an answer.
        num_beams: rows that decoding uses per list.
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
        """The scores, shape (B, V), with minus infinity for every token that is not allowed."""
        held = torch.full_like(scores, -torch.inf)
        for row, tokens in enumerate(input_ids[:, self._prompt_length :].tolist()):
            allowed = torch.tensor(
                sorted(self._allowed(row // self._num_beams, tokens)), device=scores.device
            )
            held[row, allowed] = scores[row, allowed]
        return held

    def _allowed(self, list_index: int, tokens: list[int]) -> set[int]:
        start, later = self._first[list_index], self._later[list_index]
        nodes = [start]  # one token sequence may begin several words at once
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
    """The token ids of `word` where it follows another word."""
    return tokenize(f"a {word}")[len(tokenize("a")) :]
