"""Lets the language model answer a batch of prompts, and keeps what a decision about its answers needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import LogitsProcessor

from robustger.correction.batch import ReadingBatch
from robustger.correction.decoding.reading import Reading
from robustger.correction.decoding.stepwise import Answer, decode
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.correction.tokens import ListTokens


@dataclass(frozen=True, slots=True)
class BatchAnswers:
    """What the language model wrote for the lists of a batch.

    Attributes:
        batch: the lists.
        answers: one answer per list.
        texts: the answers as text.
        reading: the prompts as the language model reads them; scores other texts for the same lists.
        tokens: turns texts into token ids.
        stepwise_passes: for every list the forward passes that writing the answer token by token took; drafted answers
            are counted in `reading.passes` instead.
        draft_log_probabilities: log-probability of every 1-best, where decoding gave it; else None.
        prior: log p(text) of texts under the language model without training and without the lists, in nats.
        foreign: whether another language model wrote the answers, whose probability then says nothing about the 1-best.
    """

    batch: ReadingBatch
    answers: Sequence[Answer]
    texts: Sequence[str]
    reading: Reading
    tokens: ListTokens
    stepwise_passes: Sequence[int]
    draft_log_probabilities: Sequence[float] | None
    prior: Callable[[Sequence[str]], Sequence[float]]
    foreign: bool = False

    @property
    def passes(self) -> list[int]:
        """Forward passes of the language model in which each list took part so far."""
        return [own + shared for own, shared in zip(self.stepwise_passes, self.reading.passes, strict=True)]

    def best_log_probabilities(self) -> Sequence[float]:
        """The log-probability of every 1-best in nats; costs a forward pass where decoding did not give it."""
        if self.draft_log_probabilities is not None:
            return self.draft_log_probabilities
        drafts = [prompt.draft for prompt in self.batch.prompts]
        return self.reading.score(range(len(drafts)), drafts)


@torch.no_grad()
def answer(
    batch: ReadingBatch,
    llm: ConditionedLLM,
    tokens: ListTokens,
    *,
    max_new_tokens: int,
    num_beams: int = 1,
    constraint: LogitsProcessor | None = None,
    prior: Callable[[Sequence[str]], Sequence[float]],
) -> BatchAnswers:
    """Lets the language model answer the prompts of a batch.

    Args:
        batch: the lists.
        llm: the conditioned language model.
        tokens: of its tokenizer.
        max_new_tokens: most tokens of an answer whose 1-best is not longer.
        num_beams: 1 decodes greedily.
        constraint: restricts the next token. Greedy decoding without a constraint starts from drafts, which takes
            fewer passes; everything else is written token by token.
        prior: as `BatchAnswers.prior`.
    """
    prompts = [prompt.tokens for prompt in batch.prompts]
    limits = _limits(batch, max_new_tokens)
    reading = Reading(llm, prompts, batch.noise, tokens.end)
    if num_beams == 1 and constraint is None:
        answers, draft_log_probabilities = reading.decode(batch.drafts, limits)
        stepwise_passes = [0] * len(batch)
    else:
        answers = decode(
            llm,
            prompts,
            batch.noise,
            end=tokens.end,
            limits=limits,
            num_beams=num_beams,
            processors=[] if constraint is None else [constraint],
        )
        draft_log_probabilities = None
        stepwise_passes = [answer.length for answer in answers]  # one pass per token
    texts = [tokens.text(answer.tokens) for answer in answers]
    return BatchAnswers(
        batch, answers, texts, reading, tokens, stepwise_passes, draft_log_probabilities, prior
    )


@torch.no_grad()
def read_proposals(
    batch: ReadingBatch,
    proposals: Sequence[str | None],
    llm: ConditionedLLM,
    tokens: ListTokens,
    *,
    max_new_tokens: int,
    prior: Callable[[Sequence[str]], Sequence[float]],
) -> BatchAnswers:
    """Lets the language model read what another one wrote for the lists of a batch, and say how probable it is.

    Args:
        batch: the lists.
        proposals: a text in plain words for each list; None where it was cut off. One that is longer than an answer may
            be counts as cut off, too.
        llm: the conditioned language model, which judges and writes nothing.
        tokens: of its tokenizer.
        max_new_tokens: as for `answer`.
        prior: as `BatchAnswers.prior`.
    """
    reading = Reading(llm, [prompt.tokens for prompt in batch.prompts], batch.noise, tokens.end)
    written = [None if text is None else tokens.answer(text) for text in proposals]
    whole = {
        row: ids
        for row, (ids, limit) in enumerate(zip(written, _limits(batch, max_new_tokens), strict=True))
        if ids is not None and len(ids) <= limit
    }
    every = range(len(batch))
    drafts = [prompt.draft for prompt in batch.prompts]
    scores = reading.score([*every, *whole], [*drafts, *whole.values()])
    scored = dict(zip(whole, scores[len(batch) :], strict=True))
    answers = [
        Answer(whole[row][:-1], scored[row], True) if row in whole else Answer([], 0.0, False)
        for row in every
    ]
    texts = [text or "" for text in proposals]
    best_scores = scores[: len(batch)]
    passes = [0] * len(batch)  # those of reading are counted there
    return BatchAnswers(batch, answers, texts, reading, tokens, passes, best_scores, prior, foreign=True)


def _limits(batch: ReadingBatch, max_new_tokens: int) -> list[int]:
    """The most tokens of each answer: it is about as long as its hypotheses, and the prompt holds at least one."""
    return [
        max(len(prompt.draft), min(max_new_tokens, len(prompt.tokens) * 3 // 2 + 8))
        for prompt in batch.prompts
    ]
