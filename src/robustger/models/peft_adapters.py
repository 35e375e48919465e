"""Refuses adapters of the package peft, which are neither checkpoints of robustger nor whole language models."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from robustger.errors import InputError

_CONFIG = "adapter_config.json"
PEFT_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
KEY_PREFIX = "base_model.model."  # how the names of its weights begin
_CONFIG_BYTES = 1 << 20  # a configuration is small; a larger file is not read


def refuse_peft(path: str | os.PathLike[str]) -> None:
    """Refuses a folder that holds an adapter of peft and no whole model, and a file of such an adapter.

    Raises:
        InputError: it is one; the message names its language model, and says how it can be used.
    """
    folder = Path(path)
    if folder.name in PEFT_WEIGHTS and folder.is_file():
        folder = folder.parent
    elif not folder.is_dir() or (folder / "config.json").is_file():
        return
    if (folder / _CONFIG).is_file() or any((folder / name).is_file() for name in PEFT_WEIGHTS):
        raise InputError(peft_message(path, _read(folder / _CONFIG)))


def peft_message(path: str | os.PathLike[str], config: dict[str, Any]) -> str:
    """One line that describes an adapter of peft and says how it can be used."""
    kind, base = config.get("peft_type", "LORA"), config.get("base_model_name_or_path")
    name = "a LoRA adapter" if kind == "LORA" else f"an adapter ({str(kind)[:40]})"
    model = str(base)[:200] if isinstance(base, str) and base.isprintable() else "some language model"
    return (
        f"{path}: {name} of PEFT for {model}, which is not read; merge it into its base (peft: merge_and_unload, "
        "save_pretrained) and name that with --base, or train a checkpoint with: robustger train"
    )


def _read(path: Path) -> dict[str, Any]:
    """The configuration; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            config = json.loads(file.read(_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}
