"""Bounds the number of lists that the language model reads at once, by number or by memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch

from robustger.batches import batches_by_length
from robustger.correction.list_prompts import ListPrompt
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.errors import InputError

# Most tokens of a batch: prompts and first drafts with their padding.
COUNTED_BATCH_TOKENS = 4096  # where lists are counted; bounds the memory of a batch of long lists
AUTO_CPU_TOKENS = 512  # enough to keep a core busy; more tokens would no longer fit into its caches
AUTO_GPU_TOKENS = 65_536  # however much memory the GPU has
FEWEST_TOKENS = 256  # however little memory the GPU has
GPU_SHARE = 0.8  # of the free memory: the estimate is rough, and memory gets fragmented

BatchSize = int | Literal["auto"]


class BatchSizes:
    """The bounds of a batch: its lists, and the tokens of its prompts and first drafts with their padding.

    Args:
        size: the most lists in a batch; `auto` takes as many as the memory holds.
        llm: the language model that will read them.

    Raises:
        InputError: the size is neither `auto` nor a number of at least 1.

    Attributes:
        lists: the most lists of a batch, or None.
        tokens: the most tokens of a batch of more than one list.
    """

    def __init__(self, size: BatchSize, llm: ConditionedLLM) -> None:
        if size != "auto" and (not isinstance(size, int) or size < 1):
            raise InputError(f"batch size {size!r}: give a number of lists, at least 1, or auto")
        self.lists = None if size == "auto" else size
        self.tokens = tokens_at_once(llm) if size == "auto" else COUNTED_BATCH_TOKENS

    def batches(self, prompts: Sequence[ListPrompt]) -> Iterator[list[ListPrompt]]:
        """The prompts in batches of similar length; a prompt that exceeds the bounds is a batch of its own.

        The length of a prompt includes its draft, because both are read in the first pass, which does nearly all of the
        work.
        """
        for batch in batches_by_length(list(map(len, prompts)), range(len(prompts)), self._fits):
            yield [prompts[at] for at in batch]

    def _fits(self, lists: int, longest: int) -> bool:
        return (self.lists is None or lists <= self.lists) and lists * longest <= self.tokens

    def halve(self, lists: int, tokens: int) -> None:
        """Makes later batches at most half as large as a batch that did not fit into the memory."""
        self.lists = min(self.lists or lists, max(1, lists // 2))
        self.tokens = min(self.tokens, tokens // 2)


def tokens_at_once(llm: ConditionedLLM) -> int:
    """The most tokens of a batch under `auto`.

    On a CPU this is a constant, so that memory does not depend on other programs. On a GPU it is a rough estimate of
    the tokens that its free memory holds. The estimate may be wrong by a factor: where memory runs out, the batch is
    halved.
    """
    if llm.device.type != "cuda":
        return AUTO_CPU_TOKENS
    free, _ = torch.cuda.mem_get_info(llm.device)
    # Memory that torch has reserved for later tensors is free, too.
    free += torch.cuda.memory_reserved(llm.device) - torch.cuda.memory_allocated(llm.device)
    return min(AUTO_GPU_TOKENS, max(FEWEST_TOKENS, int(GPU_SHARE * free) // bytes_per_token(llm)))


def bytes_per_token(llm: ConditionedLLM) -> int:
    """A rough upper bound of the memory that one token takes while its batch is decoded, in bytes.

    Keys and values count twice, because they are copied when rows leave the batch. The activations of one layer are
    alive at a time. Logits are computed for answers only, which are at most about half as long as prompts. They exist
    three times: as computed, in float32, and while their sum is taken.
    """
    config = llm.llm.config.get_text_config()
    size = llm.llm.dtype.itemsize
    keys_values = 2 * config.num_hidden_layers * llm.shape.key_value_heads * llm.shape.head_dimension * size
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    activations = (8 * config.hidden_size + 3 * inner) * size
    logits = config.vocab_size * (size + 4 + 4) // 2
    return 2 * keys_values + activations + logits
