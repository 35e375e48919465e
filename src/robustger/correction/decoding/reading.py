"""Decodes greedily from drafts: the language model reads guesses of the answer instead of writing every token.

A forward pass over many tokens costs little more than a pass over one. So the drafts are read together with the
prompts, and another pass is needed only where the language model disagrees with a draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from robustger.correction.decoding.drafting import Drafter
from robustger.correction.decoding.stepwise import Answer
from robustger.correction.llm.cache import RowCache
from robustger.correction.llm.conditioning import ConditionedLLM

SCORED_AT_ONCE = 32  # answers per pass; each needs a copy of the keys and values of its prompt


@dataclass(slots=True)
class _Row:
    """The state of one answer while it is decoded.

    Attributes:
        index: the position of the prompt in the batch.
        drafter: guesses how the answer goes on.
        limit: the most tokens of the answer, including its end.
        unread: tokens that the language model has yet to read: first the prompt, later the last token written.
        draft: a guess of the rest of the answer, without its end.
        cached: slots of the cache that hold the tokens before `unread`.
        written: the tokens of the answer so far, with the end where it is reached.
        log_probability: log-probability of `written`, in nats.
        draft_log_probability: log-probability of the first draft and the end after it, in nats.
    """

    index: int
    drafter: Drafter
    limit: int
    unread: list[int]
    draft: list[int]
    cached: int = 0
    written: list[int] = field(default_factory=list)
    log_probability: float = 0.0
    draft_log_probability: float = 0.0

    @property
    def room(self) -> int:
        """The number of tokens that may still be written."""
        return self.limit - len(self.written)

    def accept(self, choices: Sequence[int], of_choices: Sequence[float], of_draft: Sequence[float]) -> None:
        """Appends the tokens that greedy decoding would have written: the draft as far as it is right, and one more.

        Args:
            choices: the most probable token at the place of each token of the draft, and after the draft.
            of_choices: the log-probabilities of the choices.
            of_draft: the log-probabilities of the tokens of the draft and of the end after them.
        """
        agreed = next((at for at, token in enumerate(self.draft) if choices[at] != token), len(self.draft))
        taken = min(agreed + 1, self.room)
        if not self.written:
            self.draft_log_probability = sum(of_draft[: len(self.draft) + 1])
        self.cached += len(self.unread) + taken - 1
        self.written += choices[:taken]
        self.unread = self.written[-1:]
        self.log_probability += sum(of_choices[:taken])


class Reading:
    """A batch of prompts under their noise rows; the language model reads each prompt only once.

    Args:
        llm: the conditioned language model.
        prompts: token ids of every prompt.
        noise: noise rows, shape (B, U, E).
        end: id of the token that ends an answer.

    Attributes:
        passes: the number of forward passes in which each prompt took part so far.
    """

    def __init__(
        self,
        llm: ConditionedLLM,
        prompts: Sequence[Sequence[int]],
        noise: Tensor,
        end: int,
    ) -> None:
        self._llm = llm
        self._end = end
        self._prompts = [list(prompt) for prompt in prompts]
        self._noise = noise
        self._cache: RowCache | None = None  # holds all rows; their prompts are never overwritten
        self.passes = [0] * len(prompts)

    @cached_property
    def _noise_arguments(self) -> dict[str, Tensor]:
        return self._llm.noise_arguments(self._noise)

    @torch.no_grad()
    def decode(
        self, drafts: Sequence[Sequence[Sequence[int]]], limits: Sequence[int]
    ) -> tuple[list[Answer], list[float]]:
        """Decodes greedily from drafts, which gives the answers of plain greedy decoding in fewer passes.

        The first pass reads the prompts and the first drafts. Where the language model disagrees with a draft, its own
        token replaces the draft's. The rest of this answer is then guessed anew from all its drafts, and read in the
        next pass. Rows leave the batch when they reach their end. In float32 the answers are those of greedy decoding
        token by token. In bfloat16 they may differ where rounding decides between two tokens.

        Args:
            drafts: guesses of every answer, the likeliest first. Each ends with the token that ends an answer, and
                holds this token nowhere else.
            limits: the most tokens of every answer, including its end; at least the length of its first draft.

        Returns:
            the answers, and the log-probability of every first draft in nats.
        """
        rows = []
        for index, (prompt, guesses, limit) in enumerate(zip(self._prompts, drafts, limits, strict=True)):
            texts = [list(guess[:-1]) for guess in guesses]
            rows.append(_Row(index, Drafter(texts), limit, prompt, texts[0]))
        cache = self._cache = RowCache()
        noise_arguments = self._noise_arguments
        unfinished = rows
        while True:
            outcomes = self._extend(
                cache,
                noise_arguments,
                [row.index for row in unfinished],
                [row.cached for row in unfinished],
                [row.unread for row in unfinished],
                [row.draft for row in unfinished],
            )
            for row, outcome in zip(unfinished, outcomes, strict=True):
                row.accept(*outcome)
            left = [at for at, row in enumerate(unfinished) if row.unread != [self._end] and row.room]
            if not left:
                break
            if len(left) < len(unfinished):
                unfinished = [unfinished[at] for at in left]
                cache = cache.select(left)
                noise_arguments = {name: value[left] for name, value in noise_arguments.items()}
            for row in unfinished:
                row.draft = row.drafter.guess(row.written)[: row.room - 1]
        answers = []
        for row in rows:
            finished = row.unread == [self._end]
            tokens = row.written[:-1] if finished else row.written
            answers.append(Answer(tokens, row.log_probability, finished))
        return answers, [row.draft_log_probability for row in rows]

    @torch.no_grad()
    def score(self, rows: Sequence[int], answers: Sequence[Sequence[int]]) -> list[float]:
        """The log-probabilities of given answers, in nats.

        Args:
            rows: for each answer the position of its prompt; a prompt may have several answers, or none.
            answers: token ids, each with the token that ends it.
        """
        every = range(len(self._prompts))
        starts = [0 for _ in every]
        drafts = [answer[:-1] for answer in answers]
        noise = self._noise_arguments
        if self._cache is None and [*rows] == [*every]:
            # One answer per prompt, and no prompt was read before: one pass reads both.
            outcomes = self._extend(RowCache(), noise, every, starts, self._prompts, drafts)
        else:
            if self._cache is None:
                self._cache = RowCache()
                self._extend(self._cache, noise, every, starts, self._prompts, [[] for _ in every])
            outcomes = []
            for start in range(0, len(rows), SCORED_AT_ONCE):
                part = slice(start, start + SCORED_AT_ONCE)
                chosen = list(rows[part])
                read = [len(self._prompts[row]) - 1 for row in chosen]
                outcomes += self._extend(
                    self._cache.select(chosen, max(read)),
                    {name: value[chosen] for name, value in noise.items()},
                    chosen,
                    read,
                    [self._prompts[row][-1:] for row in chosen],
                    drafts[part],
                )
        return [
            sum(of_answer[: len(answer)]) for answer, (_, _, of_answer) in zip(answers, outcomes, strict=True)
        ]

    def _extend(
        self,
        cache: RowCache,
        noise_arguments: Mapping[str, Tensor],
        rows: Sequence[int],
        starts: Sequence[int],
        unread: Sequence[Sequence[int]],
        drafts: Sequence[Sequence[int]],
    ) -> list[tuple[list[int], list[float], list[float]]]:
        """One forward pass over the unread tokens of each row and its draft.

        Returns:
            for each row the three arguments of `_Row.accept`.
        """
        for row in set(rows):
            self.passes[row] += 1
        # Padded on the right, where no token sees the padding, so that every row keeps its own length.
        texts = [torch.tensor([*text, *draft]) for text, draft in zip(unread, drafts, strict=True)]
        ids = pad_sequence(texts, batch_first=True)  # (B, T)
        expected = torch.tensor([token for draft in drafts for token in (*draft, self._end)])  # (K,)
        places = [
            (row, place)
            for row, (text, draft) in enumerate(zip(unread, drafts, strict=True))
            for place in range(len(text) - 1, len(text) + len(draft))
        ]
        kept = torch.tensor(places, device=self._llm.device)  # (K, 2)
        logits = self._llm.extend(cache, ids, starts, noise_arguments, kept).float()  # (K, V)
        choices = logits.argmax(-1)
        tokens = torch.stack([choices, expected.to(choices.device)], -1)  # (K, 2)
        of_tokens = logits.gather(-1, tokens) - logits.logsumexp(-1, keepdim=True)
        of_choices, of_expected = of_tokens.unbind(-1)
        lengths = [len(draft) + 1 for draft in drafts]
        by_row = [
            [part.tolist() for part in values.cpu().split(lengths)]
            for values in (choices, of_choices, of_expected)
        ]
        return list(zip(*by_row, strict=True))
