"""Reads single rows of a tensor in a safetensors file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from robustger.errors import InputError


def read_rows(path: Path, name: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
    """Rows of the tensor `name` of a safetensors file, stacked.

    The file is mapped only during this call. Under a mapping that stays, every page ever read would count as memory of
    this process.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            tensor = file.get_slice(name)
            return np.stack([tensor[int(row)] for row in rows])
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: cannot be read: {error}; it must stay where it is until training ends"
        ) from None
