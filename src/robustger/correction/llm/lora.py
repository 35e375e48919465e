"""Adds low-rank updates (LoRA, PEFT) to a language model for training, and folds them into its weights afterwards."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from robustger.correction.config import LoraConfig
from robustger.errors import InputError


def add_lora(llm: nn.Module, lora: LoraConfig) -> None:
    """Adds trainable low-rank updates to `llm` in place (PEFT); at the start they are exactly zero.

    Raises:
        InputError: no layer has the name of a target.
    """
    from peft import LoraConfig as PeftLoraConfig
    from peft import inject_adapter_in_model

    targets = lora.targets
    if not isinstance(targets, str):
        names = {
            name.rpartition(".")[2] for name, module in llm.named_modules() if isinstance(module, nn.Linear)
        }
        if unknown := sorted(set(targets) - names):
            raise InputError(
                f"lora.targets: no layer is called {unknown[0]!r}; there are: {', '.join(sorted(names))}"
            )
    inject_adapter_in_model(
        PeftLoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,  # type: ignore[arg-type]  # PEFT only divides it
            target_modules=targets,
            lora_dropout=lora.dropout,
            task_type="CAUSAL_LM",
        ),
        llm,
    )
    llm.eval()  # new layers are in training mode, in which dropout is active


@torch.no_grad()
def fold_lora(llm: Any) -> None:
    """Adds every low-rank update to the weight it belongs to, and removes the extra layers.

    The sum W + (alpha / r) B A is computed in float32 and rounded once to the type of W. A layer keeps its update where
    its weights are quantized, or where another part of the model uses them, too, such as an output layer that is tied
    to the embeddings.
    """
    from peft.tuners.lora import LoraLayer

    holders: dict[int, int] = {}  # the number of modules that use a weight, by the id of the weight
    for module in llm.modules():
        for parameter in module.parameters(recurse=False):
            holders[id(parameter)] = holders.get(id(parameter), 0) + 1
    for name, layer in list(llm.named_modules()):
        if not isinstance(layer, LoraLayer):
            continue
        base = layer.get_base_layer()
        weight: Any = base.weight
        if not weight.is_floating_point() or holders[id(weight)] > 1:
            continue
        for part in (*layer.lora_A.values(), *layer.lora_B.values()):
            part.float()  # otherwise PEFT would round the update before it is added
        update: Any = layer.get_delta_weight("default")  # type: ignore[operator]
        weight.data = (weight.float() + update).to(weight.dtype)
        llm.set_submodule(name, base)
