"""What trainings start from: a language model with a corrector's LoRA part folded in, or that part alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError

if TYPE_CHECKING:
    from robustger.training.config import TrainingConfig

LORA = "lora."
WEIGHT_FILES = ("*.safetensors", "*.bin", "*.index.json")
STARTS = ("noise_gate", "tuner_scale")


def lora_weights(checkpoint: Path) -> dict[str, Any]:
    """The LoRA part of a checkpoint, by the names it has there.

    Raises:
        InputError: there is none.
    """
    from safetensors.torch import load_file

    stored = load_file(checkpoint / "adapter.safetensors")
    found = {name: value for name, value in stored.items() if name.startswith(LORA)}
    if not found:
        raise InputError(f"{checkpoint}: has no LoRA part; name another checkpoint")
    return found


def merge_lora(checkpoint: Path, folder: Path) -> None:
    """Writes the checkpoint's language model with W + alpha / r * B A for W, as a model folder in the base's own type.

    The checkpoint's noise prompt is left behind.

    Args:
        checkpoint: folder of a corrector with LoRA.
        folder: appears when it is complete.

    Raises:
        InputError: the checkpoint has no LoRA part, or is broken.
    """
    import torch

    from robustger.correction.checkpoint import read_config
    from robustger.models import resolve_model
    from robustger.models.loading import load_pretrained

    config, lora = read_config(checkpoint), lora_weights(checkpoint)
    if config.lora is None:
        raise InputError(f"{checkpoint}: config.yaml names no LoRA")
    source = resolve_model(config.base)
    llm: Any = load_pretrained("AutoModelForCausalLM", source, dtype="auto")
    with torch.no_grad():
        for name, down in lora.items():
            if not name.endswith(".lora_A.weight"):
                continue
            layer = name.removesuffix(".lora_A.weight")
            weight = llm.get_submodule(layer.removeprefix(LORA)).weight
            up = lora[f"{layer}.lora_B.weight"].float()
            update = config.lora.alpha / config.lora.r * up @ down.float()
            weight.copy_(weight.float() + update)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    shutil.copytree(source, partial, ignore=shutil.ignore_patterns(*WEIGHT_FILES), dirs_exist_ok=True)
    llm.save_pretrained(partial)
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(partial, folder)


def write_start(
    config: TrainingConfig, lora_of: Path | None, start: Mapping[str, float], folder: Path
) -> None:
    """Writes the corrector that training starts from, where it is not the one that the configuration alone gives.

    What is not named is initialized as the trainer would, from the same seed.

    Args:
        config: of the run.
        lora_of: checkpoint of any shape whose LoRA part is taken; None takes a fresh one.
        start: `noise_gate`: all noise gates start there, not at 0; `tuner_scale`: the tuner's weight starts that many
            times as large, which is E_LN that many times as large.
        folder: becomes a checkpoint.

    Raises:
        InputError: the LoRA part does not fit, or the variant has no such part.
    """
    import torch

    from robustger.correction.checkpoint import trained_parameters
    from robustger.correction.model import Corrector

    torch.manual_seed(config.seed)
    corrector = Corrector.create(config.corrector, torch.float32, "cpu")
    parameters = trained_parameters(corrector.llm)
    stored = {} if lora_of is None else lora_weights(lora_of)
    own = {name for name in parameters if name.startswith(LORA)}
    if stored and (stored.keys() != own or any(stored[n].shape != parameters[n].shape for n in own)):
        raise InputError(f"{lora_of}: its LoRA part has another shape than corrector.lora says")
    if start and config.corrector.variant != "paper":
        raise InputError(f"start.{next(iter(start))}: only the variant paper has it")
    with torch.no_grad():
        for name, value in stored.items():
            parameters[name].copy_(value)
        if "noise_gate" in start:
            parameters["adapter.noise_gate"].fill_(start["noise_gate"])
        if "tuner_scale" in start:
            parameters["adapter.tuner.weight"].mul_(start["tuner_scale"])
    corrector.save_pretrained(folder)
