"""What a training run needs to go on after an interruption, in safetensors, YAML and JSON."""

from __future__ import annotations

import json
import math
import os
import shutil
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

from robustger.correction import checkpoint as corrector_checkpoint
from robustger.correction.checkpoint import load_weights, save_checkpoint, trained_parameters
from robustger.correction.model import Corrector
from robustger.errors import InputError
from robustger.files import atomic_folder
from robustger.hypotheses import atomic_writer
from robustger.training.config import TrainingConfig

STATE_FOLDER = "training_state"
STATE = "state.json"
OPTIMIZER = "optimizer.safetensors"
THETA = "statistics.safetensors"
THETA_OPTIMIZER = "statistics_optimizer.safetensors"
CONFIG = "training.yaml"
LOG = "log.jsonl"
CACHE = "cache"


@dataclass(slots=True)
class TrainingState:
    """Progress of a run; the sampler's position, the learning rates and all random numbers follow from the step.

    Attributes:
        step: steps done, skipped ones included.
        best_loss: lowest dev loss so far.
        best_wer: lowest dev WER so far.
        stale: evaluations since the best one.
        skipped: steps whose loss or gradient was not finite.
        skipped_in_a_row: the same, since the last that was.
    """

    step: int = 0
    best_loss: float = math.inf
    best_wer: float = math.inf
    stale: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0

    def note(self, dev_loss: float | None, dev_wer: float | None, best_by: str) -> bool:
        """Takes in an evaluation; returns whether it is the best so far by `loss` or `wer`.

        Without dev lists each is. A loss that is no number never is.
        """
        if best_by == "wer":
            better = dev_wer is not None and dev_wer < self.best_wer
        else:
            better = dev_loss is None or dev_loss < self.best_loss
        # min keeps its first argument where the other is no number
        self.best_loss = min(self.best_loss, dev_loss if dev_loss is not None else math.inf)
        self.best_wer = min(self.best_wer, dev_wer if dev_wer is not None else math.inf)
        self.stale = 0 if better else self.stale + 1
        return better


@dataclass(frozen=True, slots=True)
class Trained:
    """All that training changes.

    Attributes:
        corrector: whose adapter, tuner and LoRA are trained.
        optimizer: of these.
        theta: the parameters of the distillation objective by name; empty where it has none.
        theta_optimizer: of theta; None where there is none.
    """

    corrector: Corrector
    optimizer: torch.optim.Optimizer
    theta: Mapping[str, nn.Parameter]
    theta_optimizer: torch.optim.Optimizer | None

    def optimizers(self) -> Iterator[tuple[str, torch.optim.Optimizer, Mapping[str, nn.Parameter]]]:
        """Each optimizer with its file and its parameters by name."""
        yield OPTIMIZER, self.optimizer, trained_parameters(self.corrector.llm)
        if self.theta_optimizer is not None:
            yield THETA_OPTIMIZER, self.theta_optimizer, self.theta


# Of each part of the data, how many lists and digests of what they hold; see `robustger.training.examples.Examples`.
Digests = Mapping[str, Mapping[str, int | str]]


def save_state(
    folder: Path, config: TrainingConfig, state: TrainingState, trained: Trained, data: Digests
) -> None:
    """Writes a checkpoint that can be trained on, in place of the one there, at once."""
    corrector = trained.corrector
    with atomic_folder(folder, own_file=corrector_checkpoint.CONFIG) as partial:
        save_checkpoint(corrector.llm, corrector.config, partial / "adapter", torch.float32, "")
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
        (partial / CONFIG).write_text(
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
    """Restores weights and optimizers in place and returns the progress.

    Raises:
        InputError: the folder holds no training state, or a broken one.
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
                parameter = parameters[name]
                optimizer.state[parameter][moment] = value if moment == "step" else value.to(parameter.device)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError):
        raise _broken(folder) from None
    return state


def read_progress(folder: Path) -> dict[str, Any]:
    """What `state.json` of a checkpoint holds: the fields of `TrainingState`, and `data`, the digests of the data.

    Raises:
        InputError: the folder holds no training state, or a broken one.
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
        f"{folder}: no training can go on from there, {STATE_FOLDER} is missing or broken; "
        "choose another output, or remove the folder"
    )


def keep_earlier(output: Path, count: int) -> None:
    """Keeps `last`, which is about to be replaced, as `step-N`, and of these the newest `count`.

    Files are linked where the file system can, so that they take no room twice.
    """
    last = output / "last"
    if count and last.is_dir():
        step = json.loads((last / STATE_FOLDER / STATE).read_text(encoding="utf-8"))["step"]
        kept = output / f"step-{step:08d}"
        if not kept.exists():
            with atomic_folder(kept, own_file=corrector_checkpoint.CONFIG) as partial:
                shutil.copytree(last, partial, copy_function=_link, dirs_exist_ok=True)
    for surplus in sorted(output.glob(f"step-{'[0-9]' * 8}"))[: -count or None]:
        shutil.rmtree(surplus)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextmanager
def told_in_one_line(output: Path) -> Iterator[None]:
    """Says what keeps a checkpoint from being written: most often that the disk is full.

    Raises:
        InputError: instead of any error of the file system.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), "unknown error")
        raise InputError(
            f"{output}: the checkpoint cannot be written: {reason}; the one before it is kept: make room and give the "
            "same command again"
        ) from None


def settle_interrupted_writes(output: Path) -> None:
    """Puts right what a kill in the middle of writing a checkpoint leaves: at most, one stands under another name."""
    for name in ("last", "best"):
        for replaced in output.glob(f".{name}.old.*/replaced"):
            if not (output / name).exists():
                os.replace(replaced, output / name)
    for pattern in (".last.*", ".best.*", ".step-*"):
        for leftover in output.glob(pattern):
            shutil.rmtree(leftover, ignore_errors=True)
    for leftover in (output / CACHE).glob(".*.partial"):
        leftover.unlink(missing_ok=True)


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
