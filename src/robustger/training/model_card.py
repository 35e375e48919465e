"""The model card of a checkpoint that training writes: the corrector, its data, its settings and its measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from robustger.correction.model_card import card_table, corrector_card
from robustger.training.examples import Examples
from robustger.training.parts import TrainingParts

FILES_NAMED = 8


def training_card(parts: TrainingParts, step: int, dev_loss: float | None, dev_wer: float | None) -> str:
    """The model card of a checkpoint, in Markdown. It depends on nothing but the run and the step.

    Args:
        parts: the run.
        step: steps done.
        dev_loss: mean cross-entropy per target token of the dev lists, in nats; None without dev lists.
        dev_wer: WER of the dev lists that were decoded; None where none were.
    """
    parameters = sum(value.numel() for value in parts.parameters.values())
    return (
        f"{corrector_card(parts.config.corrector, parameters)}\n"
        f"## Data\n\n{card_table(_data(parts))}\n"
        f"## Training\n\n{card_table(_settings(parts, step))}\n"
        f"## Measured on the dev lists\n\n{card_table(_measured(parts, dev_loss, dev_wer))}\n"
        "Nothing else was measured. `robustger evaluate` measures error rates on lists of your own, and the training "
        "did not see whether the corrector does harm on other speech or other recognizers.\n"
    )


def _data(parts: TrainingParts) -> dict[str, str]:
    data = parts.config.data
    return {
        "train": _part(data.train, parts.train),
        "dev": _part(data.dev, parts.dev) if data.dev else "none",
    }


def _part(patterns: Sequence[str], examples: Examples) -> str:
    """The names of the files, without their folders, and the number of lists."""
    names = [f"`{PurePath(pattern).name}`" for pattern in patterns]
    if further := names[FILES_NAMED:]:
        names[FILES_NAMED:] = [f"{len(further)} more"]
    left_out = examples.told_left_out()
    return f"{', '.join(names)}: {len(examples):,} lists" + (f"; left out: {left_out}" if left_out else "")


def _settings(parts: TrainingParts, step: int) -> dict[str, str]:
    config, schedule = parts.config, parts.schedule
    options, distillation = config.optimization, config.distillation
    rates = f"{options.adapter_lr:g} (noise prompt)"
    if config.corrector.lora is not None:
        rates += f", {options.lora_lr:g} (LoRA)"
    return {
        "step": f"{step:,} of {schedule.total_steps:,}; an epoch has {schedule.steps_per_epoch:,}",
        "batch": f"{options.batch_size} lists",
        "peak learning rate": f"{rates}; warm-up over {options.warmup_epochs:g} epochs, then down to "
        f"{100 * options.final_lr_share:g} %",
        "weight decay": f"{options.weight_decay:g}",
        "distillation": f"`{distillation.objective}`"
        + ("" if distillation.objective == "none" else f", weight {distillation.weight:g}"),
        "started from": f"`{config.initial}`" if config.initial else "random weights of the noise prompt",
        "seed": str(config.seed),
    }


def _measured(parts: TrainingParts, dev_loss: float | None, dev_wer: float | None) -> dict[str, str]:
    rows = {"dev loss": "not measured, because there are no dev lists"}
    if dev_loss is not None:
        rows["dev loss"] = f"{dev_loss:.4f} nats per token, on {len(parts.dev):,} lists"
    if dev_wer is not None:
        rows["dev WER"] = (
            f"{100 * dev_wer:.2f} %, on {len(parts.decoded.lists):,} lists, normalizer "
            f"`{parts.config.evaluation.normalizer}`"
        )
    return rows
