"""One batch of lists: what is prepared of it on the host, and from there to its transcripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from robustger.correction.decoding.batch_size import BatchSizes
from robustger.correction.decoding.reading import Reading
from robustger.correction.decoding.stepwise import decode
from robustger.correction.fixed_shapes import FixedPasses
from robustger.correction.guards.guard import Guard, ListWords, Proposal
from robustger.correction.guards.margin import keep_sure_stretches
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.correction.tokens import ListTokens
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript

ItemT = TypeVar("ItemT")
PreparedT = TypeVar("PreparedT")


@dataclass(frozen=True, slots=True)
class Batch:
    """Lists as the language model gets them.

    Attributes:
        indices: their places among all lists.
        lists: the lists.
        texts: their hypotheses, at most N, white space collapsed.
        prompts: token ids.
        drafts: the hypotheses as token ids, each with the token that ends it.
        noise: noise embeddings, shape (B, U, E).
    """

    indices: list[int]
    lists: list[NBest]
    texts: list[list[str]]
    prompts: list[list[int]]
    drafts: list[list[list[int]]]
    noise: Tensor

    def __len__(self) -> int:
        return len(self.lists)

    @property
    def tokens(self) -> int:
        """Tokens of prompts and first drafts with their padding."""
        rows = zip(self.prompts, self.drafts, strict=True)
        return len(self) * max(len(prompt) + len(drafts[0]) for prompt, drafts in rows)

    def part(self, rows: slice) -> Batch:
        """Some of the lists."""
        return Batch(
            self.indices[rows],
            self.lists[rows],
            self.texts[rows],
            self.prompts[rows],
            self.drafts[rows],
            self.noise[rows],
        )


def prepared(
    items: Iterable[ItemT], prepare: Callable[[ItemT], PreparedT], ahead: bool
) -> Iterator[PreparedT]:
    """What `prepare` makes of every item, in order.

    Args:
        items: taken one by one, as they are needed.
        prepare: called in one thread at a time.
        ahead: prepare the next item in a thread while the caller works on this one. That is worth it where the caller
            waits for a GPU: tokenizing and aligning then cost no time.
    """
    if not ahead:
        yield from map(prepare, items)
        return
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting = None
        for item in items:
            following = thread.submit(prepare, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


def in_parts(
    batch: Batch, run: Callable[[Batch], list[Transcript]], sizes: BatchSizes
) -> Iterator[tuple[Batch, list[Transcript]]]:
    """A batch with its transcripts; in parts, and batches to come smaller, where a GPU's memory runs out.

    Args:
        batch: what is corrected.
        run: corrects a part of it.
        sizes: gets smaller.

    Raises:
        InputError: there is no memory for one list by itself.
    """
    parts = [batch]
    while parts:
        part = parts.pop()
        try:
            found = run(part)
        except torch.OutOfMemoryError:
            found = None
        if found is not None:
            yield part, found
            continue
        # Out of reach of the error, which holds on to all that was allocated.
        if len(part) == 1:
            raise InputError(
                f"list {part.lists[0].id!r}, of {part.tokens} tokens, does not fit into the GPU's memory by itself; "
                "free some, or load the language model in 4 bits"
            )
        sizes.halve(len(part), part.tokens)
        torch.cuda.empty_cache()
        half = len(part) // 2
        parts += [part.part(slice(half, None)), part.part(slice(half))]


@torch.no_grad()
def transcripts_of(
    batch: Batch,
    llm: ConditionedLLM,
    tokens: ListTokens,
    guard: Guard,
    max_new_tokens: int,
    num_beams: int = 1,
    fixed: FixedPasses | None = None,
) -> list[Transcript]:
    """Transcripts of one batch, in its order.

    Args:
        batch: what is read.
        llm: the conditioned language model.
        tokens: of its tokenizer.
        guard: keeps corrections from doing harm.
        max_new_tokens: most tokens of an answer whose 1-best is not longer.
        num_beams: 1 decodes greedily.
        fixed: passes of fixed shapes, or None for those that fit.
    """
    bests = [" ".join(nbest.best.split()) for nbest in batch.lists]
    # An answer is about as long as its hypotheses, and the prompt holds at least one of them.
    limits = [
        max(len(guesses[0]), min(max_new_tokens, len(prompt) * 3 // 2 + 8))
        for guesses, prompt in zip(batch.drafts, batch.prompts, strict=True)
    ]
    words = [{word for text in texts for word in text.split()} for texts in batch.texts]
    reading = Reading(llm, batch.prompts, batch.noise, tokens.end, fixed)
    written = [0] * len(batch)
    best_log_probabilities: list[float] = []
    if num_beams == 1 and not guard.constrains_words:
        answers, best_log_probabilities = reading.decode(batch.drafts, limits)
    else:
        processors = []
        if guard.constrains_words:
            padded = max(map(len, batch.prompts))
            processors.append(ListWords(words, tokens.of, padded, tokens.end, num_beams))
        answers = decode(
            llm,
            batch.prompts,
            batch.noise,
            end=tokens.end,
            limits=limits,
            num_beams=num_beams,
            processors=processors,
        )
        written = [answer.length for answer in answers]  # a pass for every token
        if guard.weighs_stretches:
            best_log_probabilities = reading.score(
                range(len(batch)), [guesses[0] for guesses in batch.drafts]
            )
    texts = [tokens.text(answer.tokens) for answer in answers]
    weighed = texts
    if guard.weighs_stretches:
        weighed = keep_sure_stretches(
            reading,
            tokens.answer,
            bests,
            # Nothing is to be weighed where the answer was cut off: the 1-best is kept.
            [
                text if answer.finished else best
                for text, answer, best in zip(texts, answers, bests, strict=True)
            ],
            [answer.log_probability for answer in answers],
            best_log_probabilities,
            guard.config.min_gain,
        )
    transcripts = []
    for row, (nbest, best, text, kept, answer, listed) in enumerate(
        zip(batch.lists, bests, texts, weighed, answers, words, strict=True)
    ):
        confidence = min(1.0, math.exp(answer.log_probability / (len(answer.tokens) + 1)))
        if not answer.finished:
            source, kept, confidence = "too_long", best, 0.0
        elif not guard.allows(Proposal(best, kept, listed)):
            source, kept = "guard", best
        else:
            source = "llm" if kept == text else "guard"
        transcripts.append(
            Transcript(
                *(nbest.id, kept, best, text, source, guard.config.name, confidence),
                passes=written[row] + reading.passes[row],
                tokens=answer.length,
            )
        )
    return transcripts
