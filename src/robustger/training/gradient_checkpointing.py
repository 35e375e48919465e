"""Gradient checkpointing: a layer keeps only its input, and computes the rest again in the backward pass.

transformers offers it only for models in training mode. Our language model stays in evaluation mode, because frozen
layers must compute in training as they will in use, without dropout. So this module wraps the layers with torch.
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

    Without gradients, as in decoding, a wrapped layer runs as before.

    Raises:
        UnsupportedModelError: transformers does not support gradient checkpointing for this family of models.
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
