"""Picks a device by name."""

from __future__ import annotations

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
