"""A synthetic voice for tests that need speech, because plain noise counts as silence for the speech finder."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16_000


@cache
def _said() -> np.ndarray:
    """The clips of the preset whisper with the mildest noise, one behind the other."""
    from robustger.audio import read_audio

    folder = Path(str(resources.files("robustger.presets"))) / "whisper" / "demo"
    return np.concatenate([read_audio(folder / f"{name}.flac") for name in ("rain_15dB", "pink_15dB")])


def voice(seconds: float, seed: int) -> np.ndarray:
    """Float32 (samples,) at 16 kHz in which somebody speaks all the time; for each seed another part of it."""
    return np.roll(_said(), -round((0.4 + 0.37 * seed) * SAMPLE_RATE))[: round(seconds * SAMPLE_RATE)].copy()


def save_voice(path: Path, seconds: float, seed: int) -> np.ndarray:
    """Writes `voice` as a recording; returns its samples as they are read again."""
    from robustger.audio import read_audio, write_audio

    write_audio(path, voice(seconds, seed))
    return read_audio(path)
