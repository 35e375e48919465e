"""Picks a device by name, and tells what the CPU is good at."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from robustger.errors import InputError

if TYPE_CHECKING:
    import torch


def torch_device(name: str | torch.device | None = None) -> torch.device:
    """The device called `name`; None takes a GPU where there is one.

    Raises:
        InputError: no such device, or none on this machine.
    """
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter: torch was built without it
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(name)!r} is not available here ({reason}); choose cpu") from None
    return device


def cpu_multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for products of bfloat16: AVX-512 BF16 or AMX on x86, BF16 on Arm.

    oneDNN accepts any AVX-512, but without these instructions it takes more than twice the time of float32. The
    instructions are looked up and nothing is timed, so that a busy machine makes the same choice as an idle one.
    """
    import torch

    if platform.machine().lower() in ("x86_64", "amd64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()
