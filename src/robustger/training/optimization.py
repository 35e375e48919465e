"""The optimizers of Algorithm 1 and the learning-rate schedule they share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from robustger.training.config import OptimizationConfig


def adapter_optimizer(
    parameters: Mapping[str, nn.Parameter], options: OptimizationConfig
) -> torch.optim.AdamW:
    """The optimizer of step 2: of the noise prompt and its tuner, and of LoRA at a learning rate of its own."""
    groups = []
    for prefix, rate in (("adapter.", options.adapter_lr), ("lora.", options.lora_lr)):
        chosen = [parameter for name, parameter in parameters.items() if name.startswith(prefix)]
        if chosen:
            groups.append({"params": chosen, "lr": rate, "peak_lr": rate})
    return torch.optim.AdamW(groups, weight_decay=options.weight_decay)


def statistics_optimizer(
    theta: Iterable[nn.Parameter], options: OptimizationConfig, lr_share: float
) -> torch.optim.AdamW | None:
    """The optimizer of step 1: of theta, at `lr_share` of the adapter's learning rate (appendix C: a tenth).

    None where there is no theta.
    """
    rate = options.adapter_lr * lr_share
    parameters = list(theta)
    if not parameters:
        return None
    groups = [{"params": parameters, "lr": rate, "peak_lr": rate}]
    return torch.optim.AdamW(groups, weight_decay=options.weight_decay)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many steps a run has, and the learning rate at each of them.

    Attributes:
        lists: lists that are trained on.
        options: the recipe.
    """

    lists: int
    options: OptimizationConfig

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of an epoch."""
        return math.ceil(self.lists / self.options.batch_size)

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        total = self.steps_per_epoch * self.options.epochs
        return total if self.options.max_steps is None else min(total, self.options.max_steps)

    def learning_rate_share(self, step: int) -> float:
        """Share of the peak at a step, from 0: linear warm-up, then linear decay to `final_lr_share` of the peak."""
        warmup = max(1, round(self.options.warmup_epochs * self.steps_per_epoch))
        progress = max(0, step - warmup) / max(1, self.total_steps - warmup)
        return min(1.0, (step + 1) / warmup) * (1 - (1 - self.options.final_lr_share) * progress)


def set_learning_rates(optimizers: Iterable[torch.optim.Optimizer | None], share: float) -> None:
    """Sets the learning rate of every parameter group to a share of its peak."""
    for optimizer in optimizers:
        if optimizer is not None:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * share
