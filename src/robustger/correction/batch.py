"""Batches of lists that the language model reads together, prepared in advance and halved where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from robustger.correction.decoding.batch_size import BatchSizes
from robustger.correction.list_prompts import ListPrompt
from robustger.correction.tokens import ListTokens
from robustger.errors import InputError
from robustger.noise.source import NoiseSource

ItemT = TypeVar("ItemT")
PreparedT = TypeVar("PreparedT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """Lists that the language model reads together.

    Attributes:
        prompts: the prompts of the lists.
        drafts: for every list its hypotheses as token ids, each with the token that ends an answer.
        noise: noise rows, shape (B, U, E).
    """

    prompts: Sequence[ListPrompt]
    drafts: Sequence[list[list[int]]]
    noise: Tensor

    @classmethod
    def of(cls, prompts: Sequence[ListPrompt], tokens: ListTokens, noise: NoiseSource) -> ReadingBatch:
        """The batch of some prompts, with everything that can be computed before the language model is asked."""
        rows = noise.rows([prompt.nbest for prompt in prompts])
        drafts = [
            [prompt.draft, *(tokens.answer(text) for text in prompt.nbest.texts[1:])] for prompt in prompts
        ]
        return cls(prompts, drafts, rows)

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def tokens(self) -> int:
        """Tokens of prompts and first drafts with their padding."""
        return len(self) * max(map(len, self.prompts))

    def part(self, rows: Sequence[int]) -> ReadingBatch:
        """Some of the lists, by their positions in the batch."""
        return ReadingBatch(
            [self.prompts[row] for row in rows], [self.drafts[row] for row in rows], self.noise[list(rows)]
        )


def prepared(
    items: Iterable[ItemT], prepare: Callable[[ItemT], PreparedT], ahead: bool
) -> Iterator[PreparedT]:
    """The result of `prepare` for every item, in order.

    Args:
        items: taken one by one, as they are needed.
        prepare: called in one thread at a time.
        ahead: prepare the next item in a thread while the caller works on this one. This pays where the caller waits
            for a GPU: tokenizing and aligning then cost no time.
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
    batch: ReadingBatch, correct: Callable[[ReadingBatch], ResultT], sizes: BatchSizes
) -> Iterator[tuple[ReadingBatch, ResultT]]:
    """Corrects a batch; where a GPU's memory runs out, in parts, and later batches are smaller.

    Args:
        batch: the lists.
        correct: corrects a part of them.
        sizes: is told to make later batches smaller.

    Returns:
        each part with its result.

    Raises:
        InputError: the memory does not hold one list by itself.
    """
    parts = [batch]
    while parts:
        part = parts.pop()
        try:
            result = correct(part)
        except torch.OutOfMemoryError:
            pass  # handled below: the error keeps everything allocated for as long as it is alive
        else:
            yield part, result
            continue
        if len(part) == 1:
            raise InputError(
                f"list {part.prompts[0].nbest.id!r}, of {part.tokens} tokens, does not fit into the GPU's memory by "
                "itself; free some, or load the language model in 4 bits"
            )
        sizes.halve(len(part), part.tokens)
        torch.cuda.empty_cache()
        half = len(part) // 2
        parts += [part.part(range(half, len(part))), part.part(range(half))]
