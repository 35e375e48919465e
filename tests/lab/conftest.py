"""The laboratory's scripts."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "lab"
MODULES = (
    "batches",
    "demo_clips",
    "kept",
    "noises",
    "probe",
    "sentences",
    "simulated",
    "speech",
    "train_language_model",
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Any]:
    """The laboratory's scripts as modules of one object."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    finally:
        sys.path.remove(str(SCRIPTS))
        for name in MODULES:
            sys.modules.pop(name, None)
