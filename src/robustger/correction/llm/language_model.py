"""Loads the frozen language model of a corrector, and chooses its device and precision."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from robustger.errors import InputError, MissingExtraError
from robustger.models import cpu_multiplies_bfloat16
from robustger.models.loading import load_pretrained


def best_dtype(device: str | torch.device, folder: Path | None = None) -> torch.dtype:
    """bfloat16 where its matrix products are fast, on GPUs and on CPUs with bfloat16 instructions; otherwise float32.

    A model that is stored in float32 stays in float32, because somebody kept the precision on purpose.

    Args:
        device: the device that the model will run on.
        folder: the folder of the model; None where there is none.
    """
    if folder is not None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config.get("dtype", config.get("torch_dtype")) == "float32":
            return torch.float32
    if torch.device(device).type != "cpu" or cpu_multiplies_bfloat16():
        return torch.bfloat16
    return torch.float32


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_llm(
    folder: Path, dtype: torch.dtype | None, device: str, attention: str | None, quantization: str = "none"
) -> Any:
    """Loads the causal language model in a folder.

    Args:
        folder: a model folder as transformers writes it.
        dtype: the type of the weights, or of the computations where the weights are quantized; None picks
            `best_dtype`.
        device: the device that the model is moved to.
        attention: transformers' implementation of attention; None leaves the choice to transformers.
        quantization: `none`; or `nf4`: the weights of the layers in 4-bit NormalFloat with their scales quantized
            again (Dettmers et al., QLoRA, 2023); or `int8`: in 8 bits, with inputs in 8 bits too but for outliers
            (Dettmers et al., LLM.int8(), 2022). Embeddings, norms and the output layer stay in `dtype`.

    Raises:
        InputError: the folder holds no causal language model, or a broken one.
        MissingExtraError: `nf4` or `int8`, and bitsandbytes is not installed, or too old.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import GenerationConfig

    quantized = quantization != "none"
    try:
        dtype = dtype or best_dtype(device, folder)
        options = _packed(quantization, dtype, device) if quantized else {}
        llm: Any = load_pretrained(
            "AutoModelForCausalLM", folder, dtype=dtype, attn_implementation=attention, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{folder}: cannot be loaded as a causal language model: {reason}") from None
    except ImportError:  # transformers asks for a newer bitsandbytes
        if not quantized:
            raise
        raise MissingExtraError("bitsandbytes", "quant") from None
    # The folder's own settings may punish repetition, but a correction repeats most of its prompt.
    llm.generation_config = GenerationConfig()
    return llm if quantized else llm.to(device)


def _packed(quantization: str, dtype: torch.dtype, device: str) -> dict[str, Any]:
    """The arguments that make transformers quantize while it loads; quantized weights cannot be moved later."""
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError("bitsandbytes", "quant")
    if quantization == "int8":
        config = BitsAndBytesConfig(load_in_8bit=True)
    else:
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    return {"quantization_config": config, "device_map": device}
