"""Saves and restores all that a training run needs to go on after an interruption, in safetensors, YAML and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from robustger.correction.checkpoint import (
    TUNER_BIAS,
    load_weights,
    save_checkpoint,
    trained_parameters,
)
from robustger.correction.model import Corrector
from robustger.errors import InputError
from robustger.files import atomic_folder
from robustger.training.config import TrainingConfig
from robustger.training.run_folder import (
    OPTIMIZER,
    STATE,
    STATE_FOLDER,
    THETA,
    THETA_OPTIMIZER,
    TRAINING_CONFIG,
)


@dataclass(slots=True)
class TrainingState:
    """The progress of a run. The sampler's position, the learning rates and all random numbers follow from the step.

    Attributes:
        step: steps done, including skipped ones.
        best_loss: lowest dev loss so far.
        best_wer: lowest dev WER so far.
        stale: evaluations since the best one.
        skipped: steps whose loss or gradient was not finite.
        skipped_in_a_row: skipped steps since the last step that was not skipped.
    """

    step: int = 0
    best_loss: float = math.inf
    best_wer: float = math.inf
    stale: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0

    def note(self, dev_loss: float | None, dev_wer: float | None, best_by: str) -> bool:
        """Records an evaluation and returns whether it is the best so far by `loss` or `wer`.

        Without dev lists every evaluation is the best so far. A loss that is not a number never is.
        """
        if best_by == "wer":
            better = dev_wer is not None and dev_wer < self.best_wer
        else:
            better = dev_loss is None or dev_loss < self.best_loss
        # min keeps its first argument if the other one is NaN
        self.best_loss = min(self.best_loss, dev_loss if dev_loss is not None else math.inf)
        self.best_wer = min(self.best_wer, dev_wer if dev_wer is not None else math.inf)
        self.stale = 0 if better else self.stale + 1
        return better


@dataclass(frozen=True, slots=True)
class Trained:
    """Everything that training changes.

    Attributes:
        corrector: its adapter, tuner and LoRA are trained.
        optimizer: optimizes adapter, tuner and LoRA.
        theta: the parameters of the distillation objective by name; empty where it has none.
        theta_optimizer: optimizes theta; None where there is no theta.
    """

    corrector: Corrector
    optimizer: torch.optim.Optimizer
    theta: Mapping[str, nn.Parameter]
    theta_optimizer: torch.optim.Optimizer | None

    def optimizers(self) -> Iterator[tuple[str, torch.optim.Optimizer, Mapping[str, nn.Parameter]]]:
        """Yields each optimizer with the name of its file and its parameters by name."""
        yield OPTIMIZER, self.optimizer, trained_parameters(self.corrector.llm)
        if self.theta_optimizer is not None:
            yield THETA_OPTIMIZER, self.theta_optimizer, self.theta


Digests = Mapping[str, Mapping[str, int | str]]
"""For each part of the data, the number of lists and digests of their content (see `Examples.digests`)."""


def save_state(
    folder: Path, config: TrainingConfig, state: TrainingState, trained: Trained, data: Digests, card: str
) -> None:
    """Replaces the checkpoint in `folder`, at once, by one from which training can go on.

    Args:
        folder: to write.
        config: the settings of the run.
        state: its progress.
        trained: the weights and the optimizers.
        data: what `check_same_run` compares the data of a later start with.
        card: the model card.
    """
    corrector = trained.corrector
    with atomic_folder(folder, TRAINING_CONFIG) as partial:
        save_checkpoint(corrector.llm, corrector.config, partial / "adapter", torch.float32, card)
        for file in (partial / "adapter").iterdir():
            file.rename(partial / file.name)
        (partial / "adapter").rmdir()
        inner = partial / STATE_FOLDER
        inner.mkdir()
        for file, optimizer, parameters in trained.optimizers():
            save_file(_moments(optimizer, parameters), inner / file)
        if trained.theta:
            theta = {name: value.detach().cpu().contiguous() for name, value in trained.theta.items()}
            save_file(theta, inner / THETA)
        progress = {**asdict(state), "data": data}
        (inner / STATE).write_text(json.dumps(progress), encoding="utf-8")
        (partial / TRAINING_CONFIG).write_text(
            yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
        )


def _moments(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    names: dict[Tensor, str] = {value: name for name, value in parameters.items()}
    return {
        f"{names[parameter]}:{key}": torch.as_tensor(value).cpu().contiguous()
        for parameter, values in optimizer.state.items()
        for key, value in values.items()
    }


def load_state(folder: Path, trained: Trained) -> TrainingState:
    """Restores weights and optimizers in place, and returns the progress.

    Raises:
        InputError: the training state is missing or broken.
    """
    load_weights(trained.corrector.llm, folder)
    inner = folder / STATE_FOLDER
    try:
        progress = read_progress(folder)
        state = TrainingState(**{name: value for name, value in progress.items() if name != "data"})
        with torch.no_grad():
            stored = load_file(inner / THETA) if trained.theta else {}
            for name, parameter in trained.theta.items():
                parameter.copy_(stored[name])
        for file, optimizer, parameters in trained.optimizers():
            for key, value in load_file(inner / file).items():
                name, _, moment = key.rpartition(":")
                if name == TUNER_BIAS and name not in parameters:
                    continue  # of an older version; `load_weights` has moved the bias into the prompts
                parameter = parameters[name]
                optimizer.state[parameter][moment] = value if moment == "step" else value.to(parameter.device)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError):
        raise _broken(folder) from None
    return state


def read_progress(folder: Path) -> dict[str, Any]:
    """Reads `state.json` of a checkpoint: the fields of `TrainingState`, and `data`, the digests of the data.

    Raises:
        InputError: the training state is missing or broken.
    """
    try:
        progress = json.loads((folder / STATE_FOLDER / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _broken(folder) from None
    if not isinstance(progress, dict):
        raise _broken(folder)
    return progress


def _broken(folder: Path) -> InputError:
    return InputError(
        f"{folder}: training cannot go on from there, because its {STATE_FOLDER} is missing or broken; "
        "choose another output, or remove the folder"
    )


@contextmanager
def checkpoint_write_errors(output: Path) -> Iterator[None]:
    """Turns errors while a checkpoint is written, most often a full disk, into one line that says how to go on.

    Raises:
        InputError: instead of any error of the file system.
    """
    try:
        yield
    except (OSError, SafetensorError, InputError) as error:
        cause = error.__context__ if isinstance(error, InputError) else error
        if not isinstance(cause, OSError | SafetensorError):
            raise
        reason = getattr(cause, "strerror", None) or next(iter(str(cause).splitlines()), "unknown error")
        raise InputError(
            f"{output}: the checkpoint cannot be written: {reason}; the one before it is kept: make room and give the "
            "same command again"
        ) from None
