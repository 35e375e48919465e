"""What a run would be: its sizes and its memory, and the first batch as the language model will read it."""

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
from robustger.training.config import TrainingConfig
from robustger.training.data import Batch
from robustger.training.examples import Examples
from robustger.training.loop import Trainer
from robustger.training.same_run import check_same_run

BYTES_PER_TRAINED = 16  # float32: the parameter, its gradient and Adam's two moments


def dry_run(config: TrainingConfig) -> Iterator[str]:
    """The lines to be printed; nothing is written.

    Args:
        config: of the run.

    Raises:
        InputError, MissingModelError, MissingExtraError: as of `Trainer`; and where a checkpoint of another run stands
            in the way.
    """
    # Checkpointing would hide from the count what the layers keep.
    options = config.optimization.model_copy(update={"gradient_checkpointing": False})
    trainer = Trainer(config.model_copy(update={"optimization": options}), rehearsal=True)
    last = trainer.output / "last"
    if last.is_dir():
        check_same_run(last, config, trainer.data)
    for part, examples in (("data.train", trainer.train_examples), ("data.dev", trainer.dev_examples)):
        yield _row(part, _sizes(examples))
        if examples.left_out:
            yield _row("", f"left out: {examples.told_left_out()}")
    yield from _parameters(trainer)
    yield _row("steps", _steps(trainer))
    yield from _memory(trainer, config.optimization.gradient_checkpointing)
    yield ""
    yield from _first_batch(trainer)


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


def _parameters(trainer: Trainer) -> Iterator[str]:
    """What is frozen, and what is trained: by part of the adapter, LoRA, and the statistics network."""
    llm, config = trainer.corrector.llm.llm, trainer.config.corrector
    frozen = sum(value.numel() for name, value in llm.named_parameters() if ".lora_" not in name)
    packed = "" if config.quantization == "none" else f" (as {config.quantization} packs them)"
    yield _row(
        "frozen",
        f"{frozen:,} parameters{packed} of {config.base}, {_dtype(llm.dtype)} on {trainer.processes.device}",
    )
    parts: dict[str, int] = {}
    for name, value in trainer.parameters.items():
        part = name.split(".")[1] if name.startswith("adapter.") else "lora"
        parts[part] = parts.get(part, 0) + value.numel()
    if theta := sum(value.numel() for value in trainer.trained.theta.values()):
        parts["statistics network"] = theta
    listed = ", ".join(f"{part} {count:,}" for part, count in parts.items())
    yield _row("trained", f"{sum(parts.values()):,} parameters: {listed}")


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _steps(trainer: Trainer) -> str:
    options, count = trainer.config.optimization, trainer.processes.count
    shared = f", shared by {count} processes" if count > 1 else ""
    return (
        f"{trainer.total_steps:,} of {options.batch_size} lists{shared}; an epoch has {trainer.steps_per_epoch:,}; "
        f"a checkpoint every {trainer.config.evaluation.every_steps:,}"
    )


def _memory(trainer: Trainer, checkpointing: bool) -> Iterator[str]:
    """An estimate: the weights are counted, and so is what one forward pass keeps for its backward pass."""
    llm = trainer.corrector.llm.llm
    weights = sum(
        value.numel() * value.element_size() for name, value in llm.named_parameters() if ".lora_" not in name
    )
    trained = sum(value.numel() for value in (*trainer.parameters.values(), *trainer.trained.theta.values()))
    batch = _largest_batch(trainer)
    kept = kept_for_backward(trainer, batch)
    rows, tokens = batch.input_ids.shape
    how = f"counted in a forward pass of {rows} lists of up to {tokens} tokens"
    if checkpointing:
        layers = llm.config.get_text_config().num_hidden_layers
        inputs = layers * batch.input_ids.numel() * trainer.corrector.llm.shape.width * llm.dtype.itemsize
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


def _largest_batch(trainer: Trainer) -> Batch:
    """Of the longest lists, as many as go into a micro-batch."""
    options, examples = trainer.config.optimization, trainer.train_examples
    longest = np.argsort(examples.lengths, kind="stable")[-options.micro_batch_size :].tolist()
    batches = examples.batches(longest, options.micro_batch_size, options.micro_batch_tokens, trainer.pad)
    return max(batches, key=lambda batch: batch.input_ids.numel())


def kept_for_backward(trainer: Trainer, batch: Batch) -> int:
    """Bytes that a forward pass of L_H2T keeps for the backward pass, the parameters aside.

    Each storage counts once. None is kept indeed, so that this needs less memory than the training it is asked about.
    """
    fixed = {value.untyped_storage().data_ptr() for value in trainer.corrector.llm.parameters()}
    alive: dict[int, StorageWeakRef] = {}
    total = 0

    def count(tensor: Tensor) -> None:
        nonlocal total
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        known = alive.get(address)  # what stands there now may be another storage than before
        if address not in fixed and (known is None or known.expired()):
            alive[address] = StorageWeakRef(storage)
            total += storage.nbytes()

    def refuse(_: object) -> Tensor:
        raise AssertionError("there is no backward pass")

    with saved_tensors_hooks(count, refuse):
        trainer.algorithm.h2t_loss_sum(batch)
    return total


def _first_batch(trainer: Trainer) -> Iterator[str]:
    """The lists of the first step: shapes of all that is given beside them, and each prompt and target as text."""
    indices = next(trainer.batches())
    examples, tokenizer = trainer.train_examples, trainer.corrector.tokenizer
    shown = _lists(trainer, indices)
    lists = [nbest for _, nbest in shown]
    noise = trainer.corrector.noise.hearing(heard_beside(shown)).among(lists).rows(lists)
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


def _lists(trainer: Trainer, indices: Sequence[int]) -> list[tuple[Path, NBest]]:
    """The lists of examples, read again from disk, each with the file it stands in."""
    wanted = {int(trainer.train_examples.places[index]): index for index in indices}
    found = {wanted[place]: each for place, each in enumerate(trainer.train_lists) if place in wanted}
    return [found[index] for index in indices]
