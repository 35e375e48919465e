"""Arrays of samples: what may pass as speech, mix-down, resampling."""

from __future__ import annotations

from typing import Any

import numpy as np

from robustger.errors import InputError

SAMPLE_RATE = 16_000  # Hz; of every array that leaves this room

SILENCE_PEAK = 1e-4
"""Audio that nowhere exceeds this (-80 dBFS, three steps of 16 bit) counts as silent: dither, not speech."""

LARGEST_PEAK = 100.0  # beyond: not audio stored in [-1, 1], most likely integers that were cast to float
SAMPLE_RATES = range(1_000, 1_000_001)  # Hz; a damaged header can promise anything
MOST_CHANNELS = 64


class AudioError(InputError):
    """A recording, or an array in its place, cannot be used; the message is one line that names it and says why.

    Attributes:
        name: the file, or what the array was called.
        problem: the message without the name.
    """

    def __init__(self, name: object, problem: str) -> None:
        self.name = str(name)
        self.problem = problem
        super().__init__(f"{self.name}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.problem)  # crosses from a worker process to its parent


def check_samples(samples: Any, name: object = "audio") -> np.ndarray:
    """An array that a user passes in, checked as `read_audio` checks a file.

    Args:
        samples: (samples,), 16 kHz mono; floats in [-1, 1], or signed integers, which are scaled to that.
        name: what the error calls it.

    Returns:
        float32 (samples,); the array itself where it is that already.

    Raises:
        AudioError: not one-dimensional, not real numbers, empty, NaN or infinite, silent (see `SILENCE_PEAK`), or far
            outside [-1, 1].
    """
    array = _float32(samples, name)
    if array.ndim != 1:
        raise AudioError(
            name, f"has shape {array.shape}, one row of samples is needed; mix down with to_mono_16k"
        )
    if not array.size:
        raise AudioError(name, "empty: it holds no samples")
    peak = float(max(array.max(), -array.min()))  # NaN goes through both
    if not np.isfinite(peak):
        raise AudioError(name, "holds samples that are NaN or infinite; make the file again")
    if peak <= SILENCE_PEAK:
        raise AudioError(name, "silent: no sample exceeds -80 dB of full scale; is it the right channel?")
    if peak > LARGEST_PEAK:
        raise AudioError(name, f"samples reach {peak:.5g}; scale them to [-1, 1]")
    return array


def to_mono_16k(samples: Any, sample_rate: int, name: object = "audio") -> np.ndarray:
    """Mixes channels down (their mean) and resamples to 16 kHz (soxr, quality HQ).

    Args:
        samples: (frames,) or (frames, channels); floats in [-1, 1], or signed integers, which are scaled to that.
        sample_rate: theirs, in Hz.
        name: what the error calls it.

    Returns:
        float32 (samples,). Not clipped: resampling can overshoot the peak a little.

    Raises:
        AudioError: another shape, or a sample rate outside 1 kHz to 1 MHz.
    """
    array = _float32(samples, name)
    if array.ndim == 2 and array.shape[1] <= MOST_CHANNELS:
        with np.errstate(invalid="ignore", over="ignore"):  # not finite then, which check_samples refuses
            array = array[:, 0] if array.shape[1] == 1 else array.mean(axis=1, dtype=np.float32)
    elif array.ndim != 1:
        raise AudioError(name, f"has shape {array.shape}; (frames,) or (frames, channels) is needed")
    if sample_rate not in SAMPLE_RATES:
        raise AudioError(name, f"its sample rate of {sample_rate} Hz lies outside 1,000 to 1,000,000 Hz")
    if sample_rate == SAMPLE_RATE or not array.size:
        return np.ascontiguousarray(array)
    import soxr

    return soxr.resample(np.ascontiguousarray(array), sample_rate, SAMPLE_RATE, quality="HQ")


def _float32(samples: Any, name: object) -> np.ndarray:
    array = np.asarray(samples)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # becomes infinite, which is refused by that name
            return array.astype(np.float32, copy=False)
    if array.dtype.kind == "i":
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    raise AudioError(name, f"holds {array.dtype} values; floats in [-1, 1] or signed integers are needed")
