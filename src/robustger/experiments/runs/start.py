"""Makes the starts of trainings: a language model with a corrector's LoRA part folded in, or that part alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.files import atomic_folder

if TYPE_CHECKING:
    from robustger.training.config import TrainingConfig

LORA = "lora."
WEIGHT_FILES = ("*.safetensors", "*.bin", "*.index.json")


@dataclass(frozen=True, slots=True)
class StartChange:
    """How the start of a training differs from the usual one; None leaves a part as it is.

    Attributes:
        noise_gate: the value of all noise gates at the start, instead of 0.
        tuner_scale: factor on the tuner's initial weight, which is the same as a factor on E_LN.
    """

    noise_gate: float | None = None
    tuner_scale: float | None = None

    def to_dict(self) -> dict[str, float]:
        """The parts that differ, by name."""
        parts = {"noise_gate": self.noise_gate, "tuner_scale": self.tuner_scale}
        return {name: value for name, value in parts.items() if value is not None}

    @classmethod
    def from_dict(cls, parts: Mapping[str, float]) -> StartChange:
        """From the parts that differ, by name."""
        return cls(**parts)


USUAL_START = StartChange()


def lora_weights(checkpoint: Path) -> dict[str, Any]:
    """The LoRA weights of a checkpoint, by parameter name.

    Raises:
        InputError: the checkpoint has no LoRA part.
    """
    from safetensors.torch import load_file

    stored = load_file(checkpoint / "adapter.safetensors")
    found = {name: value for name, value in stored.items() if name.startswith(LORA)}
    if not found:
        raise InputError(f"{checkpoint}: has no LoRA part; name another checkpoint")
    return found


def merge_lora(checkpoint: Path, folder: Path) -> None:
    """Writes the checkpoint's language model as a model folder, each weight W replaced by W + alpha / r * B A.

    Weights keep the base's own type. The checkpoint's noise prompt is not part of the result.

    Args:
        checkpoint: folder of a corrector with LoRA.
        folder: to write; it appears when it is complete.

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
    with atomic_folder(folder, own_file="config.json") as partial:
        shutil.copytree(source, partial, ignore=shutil.ignore_patterns(*WEIGHT_FILES), dirs_exist_ok=True)
        llm.save_pretrained(partial)


def write_start(config: TrainingConfig, lora_of: Path | None, start: StartChange, folder: Path) -> None:
    """Writes the corrector that a training starts from, where the configuration alone does not give it.

    All other parameters are initialized as the trainer does it, from the same seed.

    Args:
        config: of the run.
        lora_of: checkpoint of any shape whose LoRA part is taken; None takes a fresh one.
        start: changes of the noise gates and of the tuner.
        folder: to write; it becomes a checkpoint.

    Raises:
        InputError: the LoRA part does not fit, or the variant has no noise gates and no tuner.
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
    if (changed := start.to_dict()) and config.corrector.variant != "paper":
        raise InputError(f"start.{next(iter(changed))}: only the variant paper has it")
    with torch.no_grad():
        for name, value in stored.items():
            parameters[name].copy_(value)
        if start.noise_gate is not None:
            parameters["adapter.noise_gate"].fill_(start.noise_gate)
        if start.tuner_scale is not None:
            parameters["adapter.tuner.weight"].mul_(start.tuner_scale)
    corrector.save_pretrained(folder)
