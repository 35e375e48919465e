"""What the laboratory's two trainings from nothing share: steps, checkpoints, and processes that divide a batch."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed
from torch import Tensor, nn

from robustger.torch_files import load_torch


def learning_rate(step: int, steps: int, peak: float, warm_up: int) -> float:
    """Linear warm-up, constant, and a linear fall to zero over the last 45 %."""
    fall = (steps - step) / (0.45 * steps)
    return peak * min(1.0, (step + 1) / warm_up, max(fall, 0.0))


def join_processes() -> tuple[int, int]:
    """(rank, number) of the processes that torchrun started, joined; (0, 1) without it."""
    if not (processes := int(os.environ.get("WORLD_SIZE", "0"))):
        return 0, 1
    torch.distributed.init_process_group("gloo")
    return int(os.environ["RANK"]), processes


def average_gradients(parameters: Sequence[nn.Parameter], processes: int) -> None:
    """Every process gets the mean of all gradients."""
    if processes == 1:
        return
    flat = torch.cat([parameter.grad.flatten() for parameter in parameters if parameter.grad is not None])
    torch.distributed.all_reduce(flat)
    flat /= processes
    at = 0
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.copy_(flat[at : at + parameter.grad.numel()].view_as(parameter.grad))
            at += parameter.grad.numel()


def new_optimizer(parameters: Sequence[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    """AdamW with the second moment of transformers trained from nothing."""
    return torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, lr: float, processes: int) -> float:
    """A step on the loss of a batch, gradients clipped to 1; none where they are not finite. Returns their norm."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad()
    loss.backward()
    average_gradients(parameters, processes)
    norm = float(nn.utils.clip_grad_norm_(parameters, 1.0))
    if math.isfinite(norm):
        optimizer.step()
    return norm


def resume(file: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """The step that `keep` wrote last, with its weights and moments; 0 where there is no file."""
    if not file.exists():
        return 0
    state = load_torch(file)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def keep(file: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Writes what `resume` reads: all of it, or what was there stays."""
    partial = file.with_suffix(".partial")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, partial)
    os.replace(partial, file)
