"""How many lists the language model reads at once: as many as memory holds, fewer once it has run out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch

from robustger.batches import batches_by_length
from robustger.correction.list_prompts import ListPrompt
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.errors import InputError

# Tokens of a batch, prompts and first drafts with their padding.
BATCH_TOKENS = 4096  # where lists are counted: keeps the memory of a batch of long lists bounded
AUTO_CPU_TOKENS = 512  # a core is busy with so few, and more push each other out of its caches
AUTO_GPU_TOKENS = 65_536  # at most
FEWEST_TOKENS = 256
GPU_SHARE = 0.8  # of the free memory; the estimate is rough, and memory falls into pieces

BatchSize = int | Literal["auto"]


class BatchSizes:
    """Bounds of a batch: lists, and tokens of prompts and first drafts with their padding.

    Args:
        size: lists in a batch at most; `auto` takes as many as there is memory for.
        llm: the language model that will read them.

    Raises:
        InputError: a size that is neither `auto` nor at least 1.

    Attributes:
        lists: most lists of a batch, or None.
        tokens: most tokens of a batch of more than one list.
    """

    def __init__(self, size: BatchSize, llm: ConditionedLLM) -> None:
        if size != "auto" and (not isinstance(size, int) or size < 1):
            raise InputError(f"batch size {size!r}: give a number of lists, at least 1, or auto")
        self.lists = None if size == "auto" else size
        self.tokens = tokens_at_once(llm) if size == "auto" else BATCH_TOKENS

    def batches(self, prompts: Sequence[ListPrompt]) -> Iterator[list[ListPrompt]]:
        """The prompts in batches of similar length; a prompt longer than all bounds goes by itself.

        What counts is how long a row of the first pass is: nearly all of the work is done there.
        """
        for batch in batches_by_length(list(map(len, prompts)), range(len(prompts)), self._fits):
            yield [prompts[at] for at in batch]

    def _fits(self, lists: int, longest: int) -> bool:
        return (self.lists is None or lists <= self.lists) and lists * longest <= self.tokens

    def halve(self, lists: int, tokens: int) -> None:
        """Batches to come are at most half as large as one for which there was no memory."""
        self.lists = min(self.lists or lists, max(1, lists // 2))
        self.tokens = min(self.tokens, tokens // 2)


def tokens_at_once(llm: ConditionedLLM) -> int:
    """Tokens of a batch that `auto` chooses.

    On a CPU a constant, so that memory does not depend on what else is running. On a GPU what fits into its free
    memory by a rough estimate, which has to be right only to a factor: where memory runs out, the batch is halved.
    """
    if llm.device.type != "cuda":
        return AUTO_CPU_TOKENS
    free, _ = torch.cuda.mem_get_info(llm.device)
    # What torch keeps for tensors to come is free, too.
    free += torch.cuda.memory_reserved(llm.device) - torch.cuda.memory_allocated(llm.device)
    return min(AUTO_GPU_TOKENS, max(FEWEST_TOKENS, int(GPU_SHARE * free) // bytes_per_token(llm)))


def bytes_per_token(llm: ConditionedLLM) -> int:
    """What one token of a batch takes in memory while its batch is decoded, roughly and rather too much.

    Keys and values are there twice, because a smaller batch gets copies. Of the activations one layer's are alive at a
    time. Logits are taken of answers alone, which are about half as long as prompts at most: as they come, in float32,
    and once more while their sum is taken.
    """
    config = llm.llm.config.get_text_config()
    size = llm.llm.dtype.itemsize
    keys_values = 2 * config.num_hidden_layers * llm.shape.key_value_heads * llm.shape.head_dimension * size
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    activations = (8 * config.hidden_size + 3 * inner) * size
    logits = config.vocab_size * (size + 4 + 4) // 2
    return 2 * keys_values + activations + logits
