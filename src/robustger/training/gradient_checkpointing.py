"""Gradient checkpointing: a layer keeps its input alone, and computes the rest again in the backward pass.

transformers has it for models in training mode only, and this language model stays in evaluation mode: what is frozen
is to compute in training as it will in use, without dropout. So its layers are wrapped here, by the means of torch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from robustger.errors import UnsupportedModelError


def checkpoint_layers(llm: nn.Module) -> None:
    """Wraps the layers of a language model in place; the gradients stay the same, bit for bit.

    Where no gradient is asked for, as in decoding, a wrapped layer runs as it did.

    Raises:
        UnsupportedModelError: transformers does not mark the layers of this family as fit for it.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [module for module in llm.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise UnsupportedModelError(
            f"{type(llm).__name__} cannot compute its layers again; set optimization.gradient_checkpointing to false"
        )
    for layer in layers:
        layer.forward = _computed_again(layer.forward)


def _computed_again(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        # Reentrant checkpointing would lose the gradient of the noise prompt, which comes as a keyword argument.
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run
