"""Real weights and real speech, for tests that are skipped where these are missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustger.audio import read_audio
from robustger.errors import MissingModelError
from robustger.models import resolve_model
from robustger.recognition import load_recognizer

ENGINES = ("whisper", "faster-whisper")


def embedded(kind: str, dtype: str = "float32", **options: Any) -> Any:
    """whisper-base as it is embedded in a package; the test is skipped where it is not installed."""
    try:
        resolve_model("whisper-base")
    except MissingModelError as error:
        pytest.skip(str(error))
    return load_recognizer(kind, "whisper-base", device="cpu", dtype=dtype, **options)


def recordings(count: int) -> list[np.ndarray]:
    """Read English speech; the test is skipped where there is none."""
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        pytest.skip("ROBUSTGER_DATA is not set: no speech to hear")
    files = sorted((Path(data) / "audio" / "librispeech" / "test-clean-dev").glob("*.opus"))
    return [read_audio(file) for file in files[:: len(files) // count][:count]]
