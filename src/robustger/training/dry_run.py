"""Describes a training run without running it: its sizes, its memory, and its first batch as the model will read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef

from robustger.hypotheses import NBest
from robustger.training.audio_rows import heard_beside
from robustger.training.batching import TrainingBatch
from robustger.training.config import TrainingConfig
from robustger.training.examples import Examples
from robustger.training.loop import Trainer
from robustger.training.parts import TrainingParts
from robustger.training.preparation import prepare_training
from robustger.training.run_folder import LAST
from robustger.training.same_run import check_same_run

BYTES_PER_TRAINED = 16  # float32: the parameter, its gradient and Adam's two moments


def dry_run(config: TrainingConfig) -> Iterator[str]:
    """Yields the lines to print; nothing is written.

    Args:
        config: the configuration of the run.

    Raises:
        InputError: as for `prepare_training`; or the output folder holds a checkpoint of another run.
        MissingModelError, MissingExtraError: as for `prepare_training`.
    """
    # With gradient checkpointing, the memory that the layers keep would not be counted.
    options = config.optimization.model_copy(update={"gradient_checkpointing": False})
    parts = prepare_training(config.model_copy(update={"optimization": options}), rehearsal=True)
    last = parts.output / LAST
    if last.is_dir():
        check_same_run(last, config, parts.digests)
    for part, examples in (("data.train", parts.train), ("data.dev", parts.dev)):
        yield _row(part, _sizes(examples))
        if examples.left_out:
            yield _row("", f"left out: {examples.told_left_out()}")
    yield from _parameters(parts)
    yield _row("steps", _steps(parts))
    yield from _memory(parts, config.optimization.gradient_checkpointing)
    yield ""
    yield from _first_batch(parts)


def _row(name: str, text: str) -> str:
    return f"{name:<16} {text}"


def _sizes(examples: Examples) -> str:
    if not len(examples):
        return "no lists"
    lengths = examples.lengths
    return (
        f"{len(examples):,} lists, {int(lengths.sum()):,} tokens, {examples.target_tokens(range(len(examples))):,} of "
        f"them targets; the longest {int(lengths.max()):,}, the median {int(np.median(lengths)):,}"
    )


def _parameters(parts: TrainingParts) -> Iterator[str]:
    """How many parameters are frozen, and how many are trained: by part of the adapter, LoRA, statistics network."""
    llm, config = parts.corrector.llm.llm, parts.config.corrector
    frozen = sum(value.numel() for name, value in llm.named_parameters() if ".lora_" not in name)
    packed = "" if config.quantization == "none" else f" (as {config.quantization} packs them)"
    yield _row(
        "frozen",
        f"{frozen:,} parameters{packed} of {config.base}, {_dtype(llm.dtype)} on {parts.processes.device}",
    )
    counts: dict[str, int] = {}
    for name, value in parts.parameters.items():
        part = name.split(".")[1] if name.startswith("adapter.") else "lora"
        counts[part] = counts.get(part, 0) + value.numel()
    if theta := sum(value.numel() for value in parts.trained.theta.values()):
        counts["statistics network"] = theta
    listed = ", ".join(f"{part} {count:,}" for part, count in counts.items())
    yield _row("trained", f"{sum(counts.values()):,} parameters: {listed}")


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _steps(parts: TrainingParts) -> str:
    options, schedule, count = parts.config.optimization, parts.schedule, parts.processes.count
    shared = f", shared by {count} processes" if count > 1 else ""
    return (
        f"{schedule.total_steps:,} of {options.batch_size} lists{shared}; an epoch has {schedule.steps_per_epoch:,}; "
        f"a checkpoint every {parts.config.evaluation.every_steps:,}"
    )


def _memory(parts: TrainingParts, checkpointing: bool) -> Iterator[str]:
    """An estimate of the memory: all weights, and what one forward pass keeps for its backward pass."""
    llm = parts.corrector.llm.llm
    weights = sum(
        value.numel() * value.element_size() for name, value in llm.named_parameters() if ".lora_" not in name
    )
    trained = sum(value.numel() for value in (*parts.parameters.values(), *parts.trained.theta.values()))
    batch = _largest_batch(parts)
    kept = kept_for_backward(parts, batch)
    rows, tokens = batch.input_ids.shape
    how = f"counted in a forward pass of {rows} lists of up to {tokens} tokens"
    if checkpointing:
        layers = llm.config.get_text_config().num_hidden_layers
        inputs = layers * batch.input_ids.numel() * parts.corrector.llm.shape.width * llm.dtype.itemsize
        kept = inputs + kept // layers
        how = f"the inputs of {layers} layers, and one layer's share of what was {how}"
    training = trained * BYTES_PER_TRAINED
    yield _row("memory", f"{_size(weights + training + kept)}, an estimate, of which")
    yield _row("", f"{_size(weights)} frozen weights")
    yield _row("", f"{_size(training)} trained parameters, gradients and Adam's moments in float32")
    yield _row("", f"{_size(kept)} activations of the largest micro-batch: {how}")
    yield _row("", "without what single operations need in passing, and the libraries themselves")


def _size(count: int) -> str:
    for unit, share in (("GB", 1e9), ("MB", 1e6)):
        if count >= share:
            return f"{count / share:.2f} {unit}"
    return f"{count / 1e3:.2f} kB"


def _largest_batch(parts: TrainingParts) -> TrainingBatch:
    """The micro-batch with most tokens among the longest lists."""
    options, examples = parts.config.optimization, parts.train
    longest = np.argsort(examples.lengths, kind="stable")[-options.micro_batch_size :].tolist()
    batches = examples.batches(longest, options.micro_batch_size, options.micro_batch_tokens, parts.pad)
    return max(batches, key=lambda batch: batch.input_ids.numel())


def kept_for_backward(parts: TrainingParts, batch: TrainingBatch) -> int:
    """Bytes that a forward pass of L_H2T keeps for the backward pass, apart from the parameters.

    Each storage counts once. Nothing is really kept, so that counting needs less memory than the training itself.
    """
    fixed = {value.untyped_storage().data_ptr() for value in parts.corrector.llm.parameters()}
    alive: dict[int, StorageWeakRef] = {}
    total = 0

    def count(tensor: Tensor) -> None:
        nonlocal total
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        known = alive.get(address)  # a freed address may hold a new storage
        if address not in fixed and (known is None or known.expired()):
            alive[address] = StorageWeakRef(storage)
            total += storage.nbytes()

    def refuse(_: object) -> Tensor:
        raise AssertionError("there is no backward pass")

    with saved_tensors_hooks(count, refuse):
        parts.algorithm.h2t_loss_sum(batch)
    return total


def _first_batch(parts: TrainingParts) -> Iterator[str]:
    """The lists of the first step: the shapes of their noise and audio, and each prompt and target as text."""
    indices = next(Trainer(parts).batches())
    examples, tokenizer = parts.train, parts.corrector.tokenizer
    shown = _lists(parts, indices)
    lists = [nbest for _, nbest in shown]
    noise = parts.corrector.noise.hearing(heard_beside(shown)).among(lists).rows(lists)
    yield _row("first batch", f"{len(indices)} lists")
    yield _row(
        "noise", f"embeddings {tuple(noise.shape)}, mean norm of a row {noise.norm(dim=-1).mean():.3g}"
    )
    for kind in ("noisy", "clean"):
        audio = examples.audio.read(kind, indices) if examples.audio else None
        if audio is not None:
            norm = audio.norm(dim=-1).mean()
            yield _row(f"{kind} audio", f"embeddings {tuple(audio.shape)}, mean norm {norm:.3g}")
    for index in indices:
        example = examples[index]
        yield ""
        yield f"{example.id}: {len(example.prompt)} + {len(example.target)} tokens"
        yield tokenizer.decode(example.prompt, clean_up_tokenization_spaces=False)
        yield f"-> {tokenizer.decode(example.target, clean_up_tokenization_spaces=False)}"


def _lists(parts: TrainingParts, indices: Sequence[int]) -> list[tuple[Path, NBest]]:
    """The lists of some examples, read again from disk, each with its file."""
    wanted = {int(parts.train.places[index]): index for index in indices}
    found = {wanted[place]: each for place, each in enumerate(parts.train_lists) if place in wanted}
    return [found[index] for index in indices]
