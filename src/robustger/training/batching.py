"""Chooses the lists of each batch, and lays out their tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robustger.batches import batches_by_length

IGNORED = -100  # label of tokens that do not count in the loss


@dataclass(frozen=True, slots=True)
class Example:
    """A list as prompt and target token ids. The target ends with the end-of-text token."""

    id: str
    prompt: Sequence[int]
    target: Sequence[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.target)


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Token ids padded on the right, so that the causal mask is all the mask they need.

    Attributes:
        input_ids: shape (B, T).
        labels: shape (B, T); label t is the token after position t, `IGNORED` where it does not count.
        noise: shape (B, U, E).
    """

    input_ids: Tensor
    labels: Tensor
    noise: Tensor


def collate(examples: Sequence[Example], noise: Tensor, pad: int) -> TrainingBatch:
    """Stacks examples with their noise (B, U, E). Only target tokens count in the loss."""
    length = max(len(example) for example in examples) - 1
    input_ids = torch.full((len(examples), length), pad)
    labels = torch.full((len(examples), length), IGNORED)
    for row, example in enumerate(examples):
        tokens = torch.tensor([*example.prompt, *example.target])
        input_ids[row, : len(tokens) - 1] = tokens[:-1]
        labels[row, len(example.prompt) - 1 : len(tokens) - 1] = tokens[len(example.prompt) :]
    return TrainingBatch(input_ids, labels, noise)


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """The indices of every batch of an epoch: a pure function of its arguments, so that a run can resume at any batch.

    The lists of a batch have similar lengths: the shuffled data is sorted within pools of 16 batches, and the batches
    are shuffled again.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    pool = 16 * batch_size
    batches = []
    for start in range(0, len(order), pool):
        by_length = sorted(order[start : start + pool], key=lambda index: lengths[index])
        batches += [by_length[at : at + batch_size] for at in range(0, len(by_length), batch_size)]
    return [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]


def micro_batches(
    lengths: Sequence[int] | Mapping[int, int], indices: Sequence[int], size: int, max_tokens: int
) -> Iterator[list[int]]:
    """Cuts an optimizer step into pieces of at most `size` lists and `max_tokens` tokens, shortest examples first.

    Padding counts as tokens. A list that alone exceeds `max_tokens` is a piece of its own.

    Args:
        lengths: number of tokens of each example.
        indices: the examples of the step.
        size: largest number of lists in a piece.
        max_tokens: largest number of tokens in a piece.
    """
    return batches_by_length(
        lengths, indices, lambda count, longest: count <= size and count * longest <= max_tokens
    )
