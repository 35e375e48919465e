"""The measurements of the steps between two checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from robustger.training.algorithm import AdapterStep, StatisticsStep

SHORT = {  # names in the progress bar
    "train_loss": "loss",
    "mutual_information": "mi",
    "distillation_loss": "distill",
    "gate_norm": "gate",
    "noise_gate_norm": "noise_gate",
    "noise_key_gate_norm": "key_gate",
    "noise_value_gate_norm": "value_gate",
}


_CONTROLS = ("_without_noise", "_with_other_noise")
DISTILLED = tuple(
    name + control for name in ("mutual_information", "distillation_loss") for control in ("", *_CONTROLS)
)
"""The measurements that distillation adds: each estimate, and what it would be without the list's own noise."""


@torch.no_grad()
def gate_norms(adapter: nn.Module) -> dict[str, float]:
    """Norms of the adapter's gates. They start at zero and tell how strongly the prompt and its noise take part."""
    gates = ((name, value) for name, value in adapter.named_parameters() if name.endswith("gate"))
    return {f"{name}_norm": value.norm().item() for name, value in gates}


class Measurements:
    """Means over steps. A value that is not finite belongs to a skipped step and does not count."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, statistics: StatisticsStep | None, adapter: AdapterStep) -> None:
        """Takes in the measurements of one iteration."""
        found = {"train_loss": adapter.h2t_loss}
        if statistics is not None:
            found |= {
                "mutual_information": statistics.mutual_information,
                "mutual_information_without_noise": statistics.without_noise,
                "mutual_information_with_other_noise": statistics.with_other_noise,
            }
        found |= {
            "distillation_loss": adapter.distillation_loss,
            "distillation_loss_without_noise": adapter.loss_without_noise,
            "distillation_loss_with_other_noise": adapter.loss_with_other_noise,
        }
        for name, value in found.items():
            if value is not None and math.isfinite(value):
                self._values.setdefault(name, []).append(value)

    def mean(self, name: str) -> float | None:
        """The mean of a measurement; None where nothing was measured."""
        values = self._values.get(name)
        return sum(values) / len(values) if values else None

    def shown(self, gates: Mapping[str, float], **others: float) -> str:
        """The measurements in one line, for the progress bar."""
        means = {name: mean for name in SHORT if (mean := self.mean(name)) is not None}
        return ", ".join(
            f"{SHORT.get(name, name)}={value:.4g}" for name, value in (means | dict(gates) | others).items()
        )
