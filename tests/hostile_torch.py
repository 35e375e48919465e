"""Files of `torch.save` as an attacker would make them."""

from __future__ import annotations

import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch._utils import _rebuild_tensor_v2

GIGABYTE = 1 << 30


class RebuiltTensor:
    """Pickled as a tensor of four numbers, with any size and strides."""

    def __init__(self, size: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self._arguments = (torch.zeros(4).storage(), 0, size, strides, False, OrderedDict())

    def __reduce__(self) -> Any:
        return _rebuild_tensor_v2, self._arguments


class Touching:
    """Pickled as a call that makes a file."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._marker),)


def save_bomb(path: Path, content: Any, gigabytes: int = 1) -> None:
    """Saves the content with a first array of so many gigabytes of zeros, compressed to a thousandth."""
    torch.save(content, path)
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    numbers = next(name for name in entries if "/data/" in name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in entries.items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(data)
                for _ in range(64 * gigabytes if name == numbers else 0):
                    file.write(bytes(GIGABYTE // 64))
