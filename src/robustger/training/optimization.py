"""The optimizers of Algorithm 1 and the learning rate they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from robustger.training.config import OptimizationConfig


def adapter_optimizer(
    parameters: Mapping[str, nn.Parameter], options: OptimizationConfig
) -> torch.optim.AdamW:
    """Of what is trained on L_H2T: the noise prompt with its tuner, and LoRA at a rate of its own."""
    groups = []
    for prefix, rate in (("adapter.", options.adapter_lr), ("lora.", options.lora_lr)):
        chosen = [parameter for name, parameter in parameters.items() if name.startswith(prefix)]
        if chosen:
            groups.append({"params": chosen, "lr": rate, "peak_lr": rate})
    return torch.optim.AdamW(groups, weight_decay=options.weight_decay)


def statistics_optimizer(
    theta: Iterable[nn.Parameter], options: OptimizationConfig, lr_share: float
) -> torch.optim.AdamW | None:
    """Of theta, at `lr_share` of the adapter's rate (appendix C: a tenth); None where there is no theta."""
    rate = options.adapter_lr * lr_share
    parameters = list(theta)
    if not parameters:
        return None
    groups = [{"params": parameters, "lr": rate, "peak_lr": rate}]
    return torch.optim.AdamW(groups, weight_decay=options.weight_decay)


def total_steps(steps_per_epoch: int, options: OptimizationConfig) -> int:
    """Steps of a whole run."""
    total = steps_per_epoch * options.epochs
    return total if options.max_steps is None else min(total, options.max_steps)


def learning_rate_share(
    step: int, steps_per_epoch: int, total_steps: int, options: OptimizationConfig
) -> float:
    """Share of the peak at a step, from 0: linear warm-up, then linear decay to `final_lr_share` of the peak."""
    warmup = max(1, round(options.warmup_epochs * steps_per_epoch))
    progress = max(0, step - warmup) / max(1, total_steps - warmup)
    return min(1.0, (step + 1) / warmup) * (1 - (1 - options.final_lr_share) * progress)


def set_learning_rates(optimizers: Iterable[torch.optim.Optimizer | None], share: float) -> None:
    for optimizer in optimizers:
        if optimizer is not None:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * share
