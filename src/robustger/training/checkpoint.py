"""What a training run needs to go on after an interruption, in safetensors, YAML and JSON."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from robustger.correction.checkpoint import (
    load_weights,
    replaced_folder,
    save_checkpoint,
    trained_parameters,
)
from robustger.correction.config import read_yaml
from robustger.correction.model import Corrector
from robustger.errors import InputError
from robustger.hypotheses import atomic_writer
from robustger.training.config import TrainingConfig

STATE_FOLDER = "training_state"
CONFIG = "training.yaml"
LOG = "log.jsonl"

# What may change while a run is interrupted: it alters nothing that was learnt so far.
CHANGEABLE = {
    "output",
    "evaluation",
    "optimization.epochs",
    "optimization.max_steps",
    "optimization.micro_batch_size",
    "optimization.micro_batch_tokens",
    "corrector.guard",
    "corrector.skip_agreeing",
    "corrector.max_new_tokens",
    "corrector.max_prompt_tokens",
}


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
    names: dict[Tensor, str] = {value: name for name, value in trained_parameters(corrector.llm).items()}
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
        (partial / CONFIG).write_text(
            yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
        )


def load_state(
    folder: Path,
    corrector: Corrector,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> TrainingState:
    """Restores weights and optimizer in place and returns the progress.

    Raises:
        InputError: the folder holds no training state, or a broken one.
    """
    load_weights(corrector.llm, folder)
    try:
        moments = load_file(folder / STATE_FOLDER / "optimizer.safetensors")
        state = TrainingState(
            **json.loads((folder / STATE_FOLDER / "state.json").read_text(encoding="utf-8"))
        )
    except (OSError, SafetensorError, ValueError, TypeError):
        raise InputError(
            f"{folder}: no training can go on from there, {STATE_FOLDER} is missing or broken; "
            "choose another output, or remove the folder"
        ) from None
    for key, value in moments.items():
        name, _, moment = key.rpartition(":")
        optimizer.state[parameters[name]][moment] = (
            value if moment == "step" else value.to(parameters[name].device)
        )
    return state


def check_same_run(folder: Path, config: TrainingConfig) -> None:
    """Keeps a run from going on from the checkpoint of another one.

    Raises:
        InputError: the checkpoint was trained with other settings; the message names the first that differs.
    """
    stored = read_yaml(folder / CONFIG)
    for key, before, now in _differences(stored, config.model_dump(mode="json")):
        raise InputError(
            f"{folder}: was trained with {key} = {before!r}, not {now!r}; choose another output, or remove the folder"
        )


def _differences(stored: Any, current: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(key, stored value, current value) of what differs; keys that an older version did not write do not."""
    for name, value in current.items():
        key = prefix + name
        if key in CHANGEABLE or not isinstance(stored, dict) or name not in stored:
            continue
        if isinstance(value, dict) and isinstance(stored[name], dict):
            yield from _differences(stored[name], value, f"{key}.")
        elif stored[name] != value:
            yield key, stored[name], value


def settle_interrupted_writes(output: Path) -> None:
    """Puts right what a kill in the middle of writing a checkpoint leaves: at most, one stands under another name."""
    for name in ("last", "best"):
        for replaced in output.glob(f".{name}.old.*/replaced"):
            if not (output / name).exists():
                os.replace(replaced, output / name)
        for leftover in output.glob(f".{name}.*"):
            shutil.rmtree(leftover, ignore_errors=True)


class TrainingLog:
    """`log.jsonl`: one line of measurements per checkpoint.

    Args:
        output: folder of the run.
        step: steps done; lines behind it, which an interrupted run wrote without a checkpoint, are dropped.
    """

    def __init__(self, output: Path, step: int) -> None:
        self.path = output / LOG
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        kept = [line for line in lines if _step_of(line) <= step]
        if len(kept) < len(lines):
            with atomic_writer(self.path) as file:
                file.writelines(f"{line}\n" for line in kept)

    def append(self, record: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return float("inf")  # cut off while it was written
