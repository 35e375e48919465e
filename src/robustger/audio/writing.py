"""Writes audio files, WAV and FLAC, with libsndfile: each is complete, or not there."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from robustger.audio.samples import SAMPLE_RATE, AudioError
from robustger.errors import InputError
from robustger.files import write_bytes


def write_audio(path: str | Path, samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """Writes 16-bit audio, FLAC or WAV by the name's suffix; the file appears when it is complete.

    Samples that were read from a 16-bit file at this rate are written back bit for bit.

    Args:
        path: ends in .wav or .flac.
        samples: (frames,) or (frames, channels), floats in [-1, 1].
        sample_rate: in Hz.

    Raises:
        AudioError: another suffix, samples that are not finite or exceed [-1, 1], or the file cannot be written.
    """
    import soundfile

    kind = Path(os.path.realpath(path)).suffix.lower().removeprefix(".")
    if kind not in ("wav", "flac"):
        raise AudioError(path, "audio is written as .wav or .flac; choose one of these suffixes")
    peak = float(np.abs(samples).max()) if np.size(samples) else 0.0
    if not peak <= 1:
        raise AudioError(path, f"samples reach {peak:.5g} and would be clipped; scale them to [-1, 1]")
    rounded = np.clip(np.rint(np.asarray(samples) * 32768.0), -32768, 32767).astype(np.int16)
    encoded = io.BytesIO()
    soundfile.write(encoded, rounded, sample_rate, format=kind, subtype="PCM_16")
    try:
        write_bytes(path, encoded.getbuffer())
    except InputError as error:
        raise AudioError(path, str(error).removeprefix(f"{path}: ")) from None
