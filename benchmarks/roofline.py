"""Measures the highest speed of a machine in matrix products and memory reads."""

from __future__ import annotations

import torch
from benchmarks.timing import seconds


def matmul_rate(
    rows: int, inner: int, columns: int, dtype: torch.dtype, device: str = "cpu", repeats: int = 20
) -> float:
    """Floating-point operations per second of (rows, inner) x (inner, columns), best of `repeats`.

    A multiplication and an addition count as two. Rates are of the fastest run, because they stand for a limit.
    """
    left = torch.randn(rows, inner, device=device).to(dtype)
    right = torch.randn(columns, inner, device=device).to(dtype)
    multiply = torch.nn.functional.linear  # the layout of a model's own layers
    multiply(left, right)
    return 2 * rows * inner * columns / min(seconds(lambda: multiply(left, right)) for _ in range(repeats))


def read_rate(gigabytes: float, device: str = "cpu", repeats: int = 20) -> float:
    """Bytes per second of reading memory once from one end to the other, best of `repeats`.

    Takes the sum of an array that is larger than the caches.
    """
    array = torch.ones(int(gigabytes * 2.5e8), dtype=torch.float32, device=device)
    array.sum()
    return array.nbytes / min(seconds(array.sum) for _ in range(repeats))


def layer_weights(model: torch.nn.Module) -> int:
    """Weights of all linear layers: one token's pass takes twice as many floating-point operations, attention aside."""
    return sum(module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear))
