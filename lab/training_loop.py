"""Trains the laboratory's two models that start from nothing: the language model and the recognizer.

Every process of `torchrun` draws batches of its own, and all of them follow the mean of their gradients. The loop
resumes from the last state that it wrote.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed
from torch import Tensor, nn

from robustger.files import atomic_path
from robustger.torch_files import load_torch


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes that train together.

    Attributes:
        rank: the number of this process, from 0.
        count: how many there are.
    """

    rank: int
    count: int

    @classmethod
    def join(cls) -> Processes:
        """Joins the processes that `torchrun` started; without `torchrun` there is one."""
        if not (count := int(os.environ.get("WORLD_SIZE", "0"))):
            return cls(0, 1)
        torch.distributed.init_process_group("gloo")
        return cls(int(os.environ["RANK"]), count)

    def seed(self, seed: int, step: int) -> int:
        """A seed for the batches from a step on, which no other process has."""
        return 1_000_000 * self.rank + seed + step

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Gives every process the mean of all gradients."""
        if self.count == 1:
            return
        flat = torch.cat([parameter.grad.flatten() for parameter in parameters if parameter.grad is not None])
        torch.distributed.all_reduce(flat)
        flat /= self.count
        start = 0
        for parameter in parameters:
            if parameter.grad is not None:
                end = start + parameter.grad.numel()
                parameter.grad.copy_(flat[start:end].view_as(parameter.grad))
                start = end


@dataclass(frozen=True, slots=True)
class BatchLoss:
    """The loss of one batch.

    Attributes:
        total: a scalar, which is minimized.
        parts: scalars for the log, by name.
        count: how many examples the batch has.
    """

    total: Tensor
    parts: dict[str, Tensor]
    count: int


class TrainingState:
    """A model, its optimizer and the number of steps that it has made, kept in one file.

    Args:
        model: is trained.
        peak_lr: the highest learning rate.
        file: where the state is kept. If there is one already, the training goes on from it.
    """

    def __init__(self, model: nn.Module, peak_lr: float, file: Path) -> None:
        self.model, self.file, self.step = model, file, 0
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        # The second moment that is usual for transformers trained from nothing.
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=peak_lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        if file.exists():
            state = load_torch(file)
            model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]

    def descend(self, loss: Tensor, lr: float, processes: Processes) -> float:
        """Makes one step of the optimizer, with gradients clipped to a norm of 1.

        A step whose gradients are not finite changes nothing.

        Returns:
            the norm of the gradients before clipping.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad()
        loss.backward()
        processes.average_gradients(self.parameters)
        norm = float(nn.utils.clip_grad_norm_(self.parameters, 1.0))
        if math.isfinite(norm):
            self.optimizer.step()
        self.step += 1
        return norm

    def save(self) -> None:
        """Writes the file whole, or leaves the old one."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        with atomic_path(self.file) as partial:
            torch.save(state, partial)


def add_options(parser: argparse.ArgumentParser, *, defaults: argparse.Namespace) -> None:
    """Adds the options that both trainings have.

    Args:
        parser: gets the options.
        defaults: `steps`, `batch`, `width`, `lr`, `warm_up`, `log_every` and `save_every`.
    """
    parser.add_argument("--steps", type=int, default=defaults.steps, help="steps of the whole training")
    parser.add_argument(
        "--batch", type=int, default=defaults.batch, help="examples per step, over all processes"
    )
    parser.add_argument(
        "--width", type=int, default=defaults.width, help="units of a layer; a multiple of 64"
    )
    parser.add_argument("--lr", type=float, default=defaults.lr, help="the highest learning rate")
    parser.add_argument(
        "--warm-up", type=int, default=defaults.warm_up, help="steps until that rate is reached"
    )
    parser.add_argument(
        "--log-every", type=int, default=defaults.log_every, help="steps between lines of the log"
    )
    parser.add_argument(
        "--save-every", type=int, default=defaults.save_every, help="steps between saved states"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights and the batches")


def learning_rate(step: int, steps: int, peak: float, warm_up: int) -> float:
    """The learning rate of a step: linear warm-up, constant, and a linear fall to zero over the last 45 %."""
    fall = (steps - step) / (0.45 * steps)
    return peak * min(1.0, (step + 1) / warm_up, max(fall, 0.0))


def train(
    state: TrainingState,
    batch_loss: Callable[[], BatchLoss],
    save_model: Callable[[], None],
    options: argparse.Namespace,
    processes: Processes,
    examples: str,
) -> None:
    """Trains until the planned number of steps is made.

    Args:
        state: the model and how far it is.
        batch_loss: draws the next batch and computes its loss.
        save_model: writes the model in the form in which others read it; called by the first process only.
        options: those of `add_options`.
        processes: that train together.
        examples: what the log calls the examples.
    """
    state.model.train()
    started, seen = time.monotonic(), 0
    sums: dict[str, float] = {}
    while state.step < options.steps:
        loss = batch_loss()
        lr = learning_rate(state.step, options.steps, options.lr, options.warm_up)
        norm = state.descend(loss.total, lr, processes)
        seen += loss.count * processes.count
        sums = {name: sums.get(name, 0.0) + part.item() for name, part in loss.parts.items()}
        if processes.rank:
            continue
        if state.step % options.log_every == 0:
            rate = seen / (time.monotonic() - started)
            means = " ".join(f"{name} {total / options.log_every:.3f}" for name, total in sums.items())
            print(f"{state.step} {means} norm {norm:.2f} {rate:.1f} {examples}/s", flush=True)
            sums = {}
        if state.step % options.save_every == 0 or state.step == options.steps:
            state.save()
            save_model()
