"""Converts adapters that the released code saved (lit-gpt state dicts, `.pth`) into checkpoints of this package.

The released file holds, for every adapted layer N under `transformer.h.N.attn.`, the prompt (`adapter_wte.weight`),
one gate per head (`gating_factor`) and, unless it is the vanilla adapter, the noise maps (`ef_key`, `ef_value`), their
norms (`projection_rms_key`, `projection_rms_value`) and gates (`key_gating_factor`, `value_gating_factor`). All sizes
are read from the tensors. A file may also hold the frozen language model, which is ignored.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustger.correction.checkpoint import save_checkpoint
from robustger.correction.config import CorrectorConfig
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.errors import InputError
from robustger.models import resolve_model
from robustger.models.loading import load_pretrained, model_from_config
from robustger.models.peft_adapters import KEY_PREFIX, peft_message, refuse_peft
from robustger.torch_files import load_torch

# Released names and ours. "{}" is the position of a layer among the adapted ones; without it, layers are stacked.
_VANILLA = {"adapter_wte.weight": "prompt", "gating_factor": "gate"}
_NOISE = {
    "key_gating_factor": "noise_key_gate",
    "value_gating_factor": "noise_value_gate",
    "ef_key.weight": "noise_key.{}.weight",
    "ef_value.weight": "noise_value.{}.weight",
    "ef_value.bias": "noise_value.{}.bias",
    "projection_rms_key.weight": "key_norm.{}.weight",
    "projection_rms_value.weight": "value_norm.{}.weight",
}
_ADAPTER_KEY = re.compile(
    r"(?:.+\.)?transformer\.h\.(\d+)\.attn\.(" + "|".join(map(re.escape, _VANILLA | _NOISE)) + ")"
)
_FROZEN_KEY = re.compile(
    r"(?:.+\.)?(?:lm_head|transformer\.(?:wte|ln_f|h\.\d+\.(?:norm_[12]|attn\.(?:attn|proj)|mlp\.\w+)))\.(?:weight|bias)"
)


def convert_released(
    adapter: str | os.PathLike[str], base: str | os.PathLike[str], output: str | os.PathLike[str]
) -> Path:
    """Writes a released adapter as a checkpoint folder.

    The weights keep their type. The prompt template becomes `paper`, with which the released adapters were trained. N
    follows from the number of prompt vectors U = N(N-1); where there is no such N, `slots` is U. Only the
    configuration of the language model is read.

    Args:
        adapter: the released file. Code that it may contain is not run.
        base: the language model the adapter was trained on: a folder, an embedded alias or a hub name.
        output: folder to write; an existing checkpoint there is replaced.

    Returns:
        the folder written.

    Raises:
        InputError: the file cannot be read, is no adapter, lacks weights, or does not fit the language model.
        MissingModelError: the language model cannot be found.
        UnsupportedModelError: the language model's family cannot carry the noise prompt.
    """
    path = Path(adapter)
    refuse_peft(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the file that the released code saved (.pth)")
    layers = _by_layer(_read_state_dict(path), path)
    first, last = min(layers), max(layers)
    names = (
        _VANILLA | _NOISE if any(name in _NOISE for layer in layers.values() for name in layer) else _VANILLA
    )
    for index in range(first, last + 1):
        if missing := sorted(names.keys() - layers.get(index, {}).keys()):
            raise InputError(f"{path}: transformer.h.{index}.attn.{missing[0]} is missing")
    slots = layers[first]["adapter_wte.weight"].shape[0]
    n_best = (1 + math.isqrt(1 + 4 * slots)) // 2
    fits = n_best * (n_best - 1) == slots and n_best in range(2, 51)
    found = {
        "base": str(Path(base).resolve()) if Path(base).is_dir() else str(base),
        "variant": "released" if "ef_key.weight" in names else "ger",
        "n_best": n_best if fits else 5,
        "slots": None if fits else slots,
        "first_layer": first,
        "noise_dimension": layers[first]["ef_key.weight"].shape[1] if "ef_key.weight" in names else 384,
        "prompt": "paper",
    }
    config = CorrectorConfig.model_validate(found)
    conditioned = _without_weights(config, last, path)
    weights: dict[str, Tensor] = {}
    for released, name in names.items():
        tensors = [layers[index][released] for index in range(first, last + 1)]
        if released == "gating_factor":  # (1, 1, H, 1), or (1, H, 1, 1) in older files
            tensors = [tensor.flatten() for tensor in tensors]
        elif released in ("key_gating_factor", "value_gating_factor"):
            tensors = [tensor.squeeze(0) for tensor in tensors]
        for slot, tensor in enumerate(tensors):
            own = conditioned.adapter.get_parameter(name.format(slot))
            needed = own.shape if "{}" in name else own.shape[1:]
            if tensor.shape != needed:
                raise InputError(
                    f"{path}: transformer.h.{first + slot}.attn.{released} is for {_sizes(tensor.shape)}, but "
                    f"{config.base} needs {_sizes(needed)}: the adapter was trained on another language model"
                )
            if "{}" in name:
                weights[name.format(slot)] = tensor
        if "{}" not in name:
            weights[name] = torch.stack(tensors)
    conditioned.adapter.load_state_dict(weights, assign=True)
    dtype = reduce(torch.promote_types, (tensor.dtype for tensor in weights.values()))
    save_checkpoint(conditioned, config, output, dtype, _card(path, config))
    return Path(output)


def _read_state_dict(path: Path) -> Mapping[str, Any]:
    """The parameters in a file of torch, without the wrappers that training loops put around them."""
    content = load_torch(path)
    for wrapper in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: parameters by name are needed, not {type(content).__name__}")
    return content


def _by_layer(state: Mapping[str, Any], path: Path) -> dict[int, dict[str, Tensor]]:
    """The adapter's tensors by layer index and released name.

    Raises:
        InputError: the file holds none, or something else than an adapter and the frozen language model.
    """
    layers: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        if match := _ADAPTER_KEY.fullmatch(str(key)):
            if not isinstance(value, Tensor) or not value.is_floating_point() or value.numel() == 0:
                raise InputError(f"{path}: {key} is not a tensor of weights")
            if match[2] in ("adapter_wte.weight", "ef_key.weight") and value.dim() != 2:
                raise InputError(f"{path}: {key} is {_sizes(value.shape)}, not a matrix")
            layers.setdefault(int(match[1]), {})[match[2]] = value
        elif str(key).startswith(KEY_PREFIX):
            raise InputError(peft_message(path, {}))
        elif not _FROZEN_KEY.fullmatch(str(key)):
            raise InputError(
                f"{path}: {str(key)!r} belongs neither to an adapter of the released code nor to the language model"
            )
    if not layers:
        raise InputError(f"{path}: holds no adapter: there is no transformer.h.N.attn.adapter_wte.weight")
    return layers


def _without_weights(config: CorrectorConfig, last: int, path: Path) -> ConditionedLLM:
    """The conditioned language model without weights, which takes neither time nor memory at any size."""
    from huggingface_hub.errors import StrictDataclassError

    folder = resolve_model(config.base)
    with torch.device("meta"):
        try:
            llm = model_from_config("AutoModelForCausalLM", load_pretrained("AutoConfig", folder))
        except (OSError, ValueError, KeyError, AttributeError, StrictDataclassError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(f"{folder}: not a causal language model: {reason}") from None
        if (top := llm.config.get_text_config().num_hidden_layers - 1) != last:
            raise InputError(
                f"{path}: its topmost layer is {last}, but that of {config.base} is {top}: the adapter was "
                "trained on another language model, or is incomplete"
            )
        return ConditionedLLM(
            llm, config.variant, config.n_best, config.noise_dimension, config.first_layer, config.slots
        )


def _sizes(shape: torch.Size) -> str:
    return " x ".join(map(str, shape))


def _card(path: Path, config: CorrectorConfig) -> str:
    return (
        f"# Noise adapter converted from {path.name}\n\n"
        f"For the language model `{config.base}`; variant `{config.variant}`, adapted from layer "
        f"{config.first_layer} up. Converted from the released lit-gpt format without changing a number.\n"
    )
