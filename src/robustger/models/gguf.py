"""Converts language models in GGUF files to folders of transformers."""

from __future__ import annotations

from pathlib import Path

from robustger.models.cache import cache_folder, converted_once
from robustger.models.embedded import EmbeddedModel
from robustger.models.loading import load_pretrained, model_from_config

CONVERTER_VERSION = 1  # part of the cache folder's name: a changed conversion never reuses an old folder


def converted_gguf(model: EmbeddedModel, source: Path) -> Path:
    """The GGUF at `source` as a bfloat16 safetensors folder, converted at most once per user (about 20 s).

    Raises:
        MissingModelError: the cache cannot be written to.
    """
    target = cache_folder() / "models" / f"{model.alias}-{source.stat().st_size}-{CONVERTER_VERSION}"
    return converted_once(target, lambda partial: _convert(source, partial), megabytes=300)


def _convert(source: Path, folder: Path) -> None:
    import torch

    where, file = str(source.parent), source.name
    load_pretrained("AutoTokenizer", where, gguf_file=file).save_pretrained(folder)
    quantized = load_pretrained("AutoModelForCausalLM", where, gguf_file=file, dtype=torch.float32)
    # The loaded model still calls itself quantized and refuses to be saved; its weights in a plain one do not.
    del quantized.config.quantization_config
    llm = model_from_config("AutoModelForCausalLM", quantized.config, dtype=torch.bfloat16)
    llm.load_state_dict(quantized.state_dict())
    llm.generation_config = quantized.generation_config
    llm.save_pretrained(folder)
