"""Checks arrays of samples, mixes channels down, and resamples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from robustger.errors import InputError

SAMPLE_RATE = 16_000  # Hz; of every array that leaves this room

SILENCE_PEAK = 1e-4
"""Audio that nowhere exceeds this (-80 dBFS, three steps of 16 bit) counts as silent: dither, not speech."""

CANCELED = 0.02
"""The mean of N channels that have nothing in common has one part in N of their energy; below this share of that they
cancel each other out."""

LARGEST_PEAK = 100.0  # beyond: not audio stored in [-1, 1], most likely integers that were cast to float
SAMPLE_RATES = range(1_000, 1_000_001)  # Hz; a damaged header can promise anything
MOST_CHANNELS = 64


class AudioError(InputError):
    """A recording or array cannot be used. The message is one line that names it and says why.

    Attributes:
        name: the name of the file or of the array.
        problem: the message without the name.
    """

    def __init__(self, name: object, problem: str) -> None:
        self.name = str(name)
        self.problem = problem
        super().__init__(f"{self.name}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.problem)  # crosses from a worker process to its parent


def check_samples(samples: Any, name: object = "audio") -> np.ndarray:
    """Checks an array of a user in the same way as `read_audio` checks a file.

    Args:
        samples: (samples,), 16 kHz mono; floats in [-1, 1], or signed integers, which are scaled to that.
        name: what the error calls it.

    Returns:
        float32 (samples,); the array itself where it is that already.

    Raises:
        AudioError: not one-dimensional, not real numbers, empty, NaN or infinite, silent (see `SILENCE_PEAK`), or far
            outside [-1, 1].
    """
    array = as_float32(samples, name)
    if array.ndim != 1:
        raise AudioError(
            name, f"has shape {array.shape}, one row of samples is needed; mix down with to_mono_16k"
        )
    level = Level()
    level.add(array[None], array, 0.0, SAMPLE_RATE)
    level.check(name)
    return array


class Level:
    """Measures part by part how loud a recording is, and refuses one that cannot be speech.

    Args:
        start: sound before this time, in seconds, does not count.
        end: sound from this time on does not count.
    """

    def __init__(self, start: float = 0.0, end: float = math.inf) -> None:
        self._start, self._end = start, end
        self._count, self._low, self._high = 0, math.inf, -math.inf
        self._mixed_energy = self._channel_energy = 0.0
        self._channels = 1

    def add(self, channels: np.ndarray, mono: np.ndarray, begin: float, rate: int) -> None:
        """Includes a stretch in the measurement.

        Args:
            channels: float32 (channels, samples).
            mono: float32 (samples,), their mix to one channel.
            begin: when it is heard, in seconds.
            rate: in Hz.
        """
        first = max(0, math.ceil((self._start - begin) * rate))
        last = len(mono) if math.isinf(self._end) else max(0, math.ceil((self._end - begin) * rate))
        mono, channels = mono[first:last], channels[:, first:last]
        if not mono.size:
            return
        self._count += mono.size
        low, high = float(mono.min()), float(mono.max())
        if not (math.isfinite(low) and math.isfinite(high)):  # NaN goes through both
            self._low, self._high = -math.inf, math.inf
            return
        self._low, self._high = min(self._low, low), max(self._high, high)
        if len(channels) > 1:
            self._channels = len(channels)
            self._mixed_energy += float(np.dot(mono, mono))
            self._channel_energy += float(np.einsum("ij,ij->", channels, channels)) / len(channels)

    def check(self, name: object, *, mixed: bool = True) -> None:
        """Refuses a recording that cannot be speech.

        Args:
            name: what the error calls it.
            mixed: whether the channels were averaged.

        Raises:
            AudioError: empty, NaN or infinite, far outside [-1, 1], channels that cancel each other out, or silent: a
                constant is, too.
        """
        if not self._count:
            raise AudioError(name, "empty: it holds no samples")
        if math.isinf(self._high):
            raise AudioError(name, "holds samples that are NaN or infinite; make the file again")
        peak = max(self._high, -self._low)
        if peak > LARGEST_PEAK:
            raise AudioError(
                name, f"samples reach {peak:.5g}; scale them to [-1, 1], 16-bit ones by dividing by 32768"
            )
        loud = self._channel_energy > self._count * SILENCE_PEAK**2
        if mixed and loud and self._mixed_energy * self._channels < CANCELED * self._channel_energy:
            raise AudioError(
                name, "its channels cancel each other out (one is inverted); choose one, as --channel 1 does"
            )
        if self._high - self._low <= 2 * SILENCE_PEAK:
            raise AudioError(
                name, "silent: nothing in it exceeds -80 dB of full scale; is it the right channel or track?"
            )


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
    array = as_float32(samples, name)
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


def as_float32(samples: Any, name: object) -> np.ndarray:
    """Numbers of any real type as float32, signed integers scaled to [-1, 1].

    Raises:
        AudioError: other values.
    """
    array = np.asarray(samples)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # becomes infinite, which is refused by that name
            return array.astype(np.float32, copy=False)
    if array.dtype.kind == "i":
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    raise AudioError(name, f"holds {array.dtype} values; floats in [-1, 1] or signed integers are needed")
