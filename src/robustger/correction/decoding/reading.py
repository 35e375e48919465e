"""Greedy decoding from drafts: a batch of prompts is read once, and what is guessed right is read, not written."""

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

SCORED_AT_ONCE = 32  # answers; each needs a copy of its prompt's keys and values


@dataclass(slots=True)
class _Row:
    """One utterance on its way to its answer.

    Attributes:
        index: its place in the batch.
        drafter: guesses how the answer goes on.
        limit: most tokens of the answer, its end included.
        unread: text that the language model has yet to read: the prompt, later the last token written.
        draft: how the answer may go on, up to its end.
        cached: slots of the cache that hold the text before `unread`.
        written: the answer's tokens, with the end where it is reached.
        log_probability: of what is written.
        draft_log_probability: of the first draft with the end behind it.
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
        """Tokens that may still be written."""
        return self.limit - len(self.written)

    def accept(self, choices: Sequence[int], of_choices: Sequence[float], of_draft: Sequence[float]) -> None:
        """Takes what greedy decoding would have written: the draft as far as it agrees, and one token more.

        Args:
            choices: the most probable token where each token of the draft stands, and behind the draft.
            of_choices: their log-probabilities.
            of_draft: log-probabilities of the draft's tokens and of the end behind them.
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
    """A batch of prompts under their noise embeddings, read by the language model no more than once.

    Args:
        llm: the conditioned language model.
        prompts: token ids of every prompt.
        noise: noise embeddings, shape (B, U, E).
        end: id of the token that ends an answer.

    Attributes:
        passes: forward passes of the language model in which each prompt took part.
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
        self._cache: RowCache | None = None  # all rows; their prompts are never written over
        self.passes = [0] * len(prompts)

    @cached_property
    def _noise_arguments(self) -> dict[str, Tensor]:
        return self._llm.noise_arguments(self._noise)

    @torch.no_grad()
    def decode(
        self, drafts: Sequence[Sequence[Sequence[int]]], limits: Sequence[int]
    ) -> tuple[list[Answer], list[float]]:
        """Greedy decoding that starts from guesses: same answers, fewer passes, since most of the first guess is right.

        One pass reads prompts and first drafts. A row that disagrees takes the language model's token instead, guesses
        from all its drafts how its answer goes on, and reads that in the next pass, behind what is in the cache. Rows
        leave the batch when they reach their end. In float32 the answers are those of greedy decoding token by token;
        in bfloat16 they may part from them where rounding decides between two tokens.

        Args:
            drafts: guesses of every answer, the likeliest first, each with the token that ends it, and that token
                nowhere else.
            limits: most tokens of every answer, its end included; at least as many as its first draft has.

        Returns:
            the answers, and the log-probability of every first draft.
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
        """Log-probabilities of answers that were thought of elsewhere.

        Args:
            rows: the prompt of each answer, by its place; a prompt may have several answers, or none.
            answers: token ids, each with the token that ends it.
        """
        every = range(len(self._prompts))
        starts = [0 for _ in every]
        drafts = [answer[:-1] for answer in answers]
        noise = self._noise_arguments
        if self._cache is None and [*rows] == [*every]:
            # One answer each, and nothing read yet: prompts and answers are read in the same pass.
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
        """One forward pass over what each row has not read, and its draft, up to its end.

        Returns:
            what `_Row.accept` takes, for each row.
        """
        for row in set(rows):
            self.passes[row] += 1
        # On the right, where no token sees the padding: a row is no longer than its prompt and its own draft.
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
