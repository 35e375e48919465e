"""What a training run needs to go on after an interruption, in safetensors and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn

from robustger.correction.checkpoint import load_weights, replaced_folder, save_checkpoint
from robustger.correction.model import Corrector
from robustger.training.config import TrainingConfig

STATE_FOLDER = "training_state"


@dataclass(slots=True)
class TrainingState:
    """Progress of a run; the sampler's position follows from the step.

    Attributes:
        step: optimizer steps done.
        best_loss: lowest dev loss so far.
    """

    step: int = 0
    best_loss: float = float("inf")


def save_state(
    folder: Path,
    corrector: Corrector,
    config: TrainingConfig,
    state: TrainingState,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Writes a checkpoint that can be trained on, in place of the one there, at once."""
    from robustger.correction.checkpoint import trained_parameters

    names = {parameter: name for name, parameter in trained_parameters(corrector.llm).items()}
    moments = {
        f"{names[parameter]}:{key}": torch.as_tensor(value).cpu().contiguous()
        for parameter, values in optimizer.state.items()
        for key, value in values.items()
    }
    with replaced_folder(folder) as partial:
        save_checkpoint(corrector.llm, corrector.config, partial / "adapter", torch.float32, "")
        for file in (partial / "adapter").iterdir():
            file.rename(partial / file.name)
        (partial / "adapter").rmdir()
        inner = partial / STATE_FOLDER
        inner.mkdir()
        save_file(moments, inner / "optimizer.safetensors")
        (inner / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")
        (partial / "training.yaml").write_text(
            yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
        )


def load_state(
    folder: Path,
    corrector: Corrector,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> TrainingState:
    """Restores weights and optimizer in place and returns the progress."""
    load_weights(corrector.llm, folder)
    for key, value in load_file(folder / STATE_FOLDER / "optimizer.safetensors").items():
        name, _, moment = key.rpartition(":")
        optimizer.state[parameters[name]][moment] = (
            value if moment == "step" else value.to(parameters[name].device)
        )
    return TrainingState(**json.loads((folder / STATE_FOLDER / "state.json").read_text(encoding="utf-8")))
