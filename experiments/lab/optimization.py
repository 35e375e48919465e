"""What the laboratory's two trainings from nothing share: the learning rate, and processes that divide a batch."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import torch.distributed
from torch import nn


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
