from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from robustger.training.batching import IGNORED, Example, TrainingBatch, collate, epoch_batches, micro_batches

PAD = 0
TOKENS = st.integers(1, 40)


def example(prompt: list[int], target: list[int], name: str = "u") -> Example:
    return Example(name, prompt, target)


def collated(examples: list[Example]) -> TrainingBatch:
    """With noise (2, 3) that says which example it belongs to."""
    noise = torch.stack([torch.full((2, 3), float(number)) for number in range(len(examples))])
    return collate(examples, noise, PAD)


@st.composite
def example_lists(draw: st.DrawFn, largest: int = 12) -> list[Example]:
    tokens = st.lists(TOKENS, min_size=1, max_size=9)
    pairs = draw(st.lists(st.tuples(tokens, tokens), min_size=1, max_size=largest))
    return [example(prompt, target, f"u{number}") for number, (prompt, target) in enumerate(pairs)]


def test_collate_by_hand() -> None:
    batch = collated([example([5, 6, 7], [8, 9]), example([5], [6])])
    # the last token is never read, and each position is judged by the token after it
    assert batch.input_ids.tolist() == [[5, 6, 7, 8], [5, PAD, PAD, PAD]]
    assert batch.labels.tolist() == [
        [IGNORED, IGNORED, 8, 9],
        [6, IGNORED, IGNORED, IGNORED],
    ]
    assert batch.noise[:, 0, 0].tolist() == [0, 1]


@given(example_lists())
def test_the_loss_counts_exactly_the_target_tokens(examples: list[Example]) -> None:
    batch = collated(examples)
    for row, one in enumerate(examples):
        kept = batch.labels[row] != IGNORED
        assert batch.labels[row][kept].tolist() == one.target
        read = batch.input_ids[row, : len(one) - 1].tolist()
        assert read == [*one.prompt, *one.target][:-1]
        # what stands before the label of target token k is the prompt and the k tokens before it
        for k, position in enumerate(kept.nonzero()[:, 0].tolist()):
            assert read[: position + 1] == [*one.prompt, *one.target[:k]]


@given(example_lists(largest=5))
def test_a_batch_loses_what_its_examples_lose(examples: list[Example]) -> None:
    """With logits that depend on the token read alone, padding and neighbors change nothing."""
    logits = torch.randn(41, 41, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def loss(batch_of: list[Example]) -> float:
        batch = collated(batch_of)
        kept = batch.labels != IGNORED
        scores = logits[batch.input_ids][kept]
        return functional.cross_entropy(scores, batch.labels[kept], reduction="sum").item()

    assert loss(examples) == pytest.approx(sum(loss([one]) for one in examples), rel=1e-12)


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=300),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
    st.integers(0, 5),
)
def test_an_epoch_is_a_permutation_and_a_pure_function(
    lengths: list[int], batch_size: int, seed: int, epoch: int
) -> None:
    torch.manual_seed(epoch)
    batches = epoch_batches(lengths, batch_size, seed, epoch)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // batch_size)
    assert sorted(map(len, batches))[1:] == [batch_size] * (len(batches) - 1)
    before = torch.get_rng_state()
    assert epoch_batches(lengths, batch_size, seed, epoch) == batches
    assert torch.equal(torch.get_rng_state(), before)  # it takes no random numbers from anybody else


def test_epochs_and_seeds_differ() -> None:
    lengths = [10] * 64
    orders = [epoch_batches(lengths, 4, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(a != b for k, a in enumerate(orders) for b in orders[:k])


def test_batches_hold_lists_of_similar_length() -> None:
    lengths = torch.randperm(1024, generator=torch.Generator().manual_seed(3)).add(1).tolist()
    batches = epoch_batches(lengths, 8, seed=0, epoch=0)
    padding = sum(
        max(lengths[i] for i in batch) * len(batch) - sum(lengths[i] for i in batch) for batch in batches
    )
    assert padding < 0.1 * sum(lengths)
    firsts = [lengths[batch[0]] for batch in batches]
    assert firsts != sorted(firsts)  # but the short ones do not come first


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=12), st.integers(1, 6), st.integers(1, 60), st.data()
)
def test_micro_batches_cover_every_example_once_within_their_bounds(
    lengths: list[int], size: int, max_tokens: int, data: st.DataObject
) -> None:
    indices = data.draw(st.lists(st.sampled_from(range(len(lengths))), unique=True))
    pieces = list(micro_batches(lengths, indices, size, max_tokens))
    assert sorted(index for piece in pieces for index in piece) == sorted(indices)
    for piece in pieces:
        assert 0 < len(piece) <= size
        assert len(piece) == 1 or len(piece) * max(lengths[index] for index in piece) <= max_tokens
    in_order = [lengths[index] for piece in pieces for index in piece]
    assert in_order == sorted(in_order)
