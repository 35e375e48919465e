"""Averages the weights of two recognizers, of which one was trained further from the other.

Usage: `python -m lab.average_recognizers FIRST SECOND SHARE_OF_SECOND OUTPUT`
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def average(first: Path, second: Path, share: float, output: Path) -> None:
    """Writes a copy of the folder `second` with the weights (1 - share) * first + share * second, in float16."""
    a, b = load_file(first / WEIGHTS), load_file(second / WEIGHTS)
    mixed = {name: ((1 - share) * a[name].float() + share * b[name].float()).half() for name in a}
    shutil.copytree(second, output, dirs_exist_ok=True)
    save_file(mixed, output / WEIGHTS, metadata={"format": "pt"})


if __name__ == "__main__":
    average(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
