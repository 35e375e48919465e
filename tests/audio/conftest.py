from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import robustger
from robustger.audio import read_audio

DEMO = Path(robustger.__file__).parent / "presets" / "lab" / "demo"


@pytest.fixture(scope="session")
def sentences() -> list[np.ndarray]:
    """Eight spoken sentences in noise at 0 to 10 dB, 2 to 3 s each: the clips of the laboratory."""
    found = [read_audio(path) for path in sorted(DEMO.glob("*.flac"))]
    assert len(found) == 8
    return found
