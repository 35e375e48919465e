"""Measures the level of a signal in dB relative to a full scale of 1.0 (dBov), as the basis of an SNR.

`p56` is the active speech level of ITU-T Recommendation P.56 (12/2011), method B: speech counts as present while its
envelope is at most 15.9 dB below the active level itself, and for 0.2 s after. The power is that of the whole signal
divided by the time speech is present, so pauses do not make speech quieter.

As in P.56 the thresholds are powers of two of full scale, 6.02 dB apart, and the level is interpolated between the two
around the margin. There is no lowest threshold (P.56 stops at one bit of 16), so quiet recordings have a level too, and
a gain of 2 or 1/2 moves every level by exactly 6.02 dB. Another gain may move it by some 0.2 dB more or less.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from robustger.errors import InputError
from robustger.registry import Registry

SMOOTHING_SECONDS = 0.03  # time constant of each of the envelope's two stages
HANGOVER_SECONDS = 0.2
MARGIN_DB = 15.9


def active_speech_level(samples: np.ndarray, sample_rate: int = 16_000) -> float:
    """The active speech level after ITU-T P.56, method B.

    Args:
        samples: (n,), one channel, full scale 1.0.
        sample_rate: in Hz.

    Returns:
        the level in dB relative to a full scale of 1.0. Where the level comes nowhere within 15.9 dB of its threshold
        (a click and nothing else), the highest threshold that the envelope reaches decides.

    Raises:
        InputError: there is no sound in it: all samples are 0, or there are none.
    """
    energy = _energy(samples)
    envelope = _envelope(samples, sample_rate)
    hangover = math.ceil(HANGOVER_SECONDS * sample_rate)
    threshold = math.ldexp(0.5, math.frexp(envelope.max())[1])  # the highest power of two that is reached
    levels: list[float] = []
    margins: list[float] = []
    while not margins or margins[-1] < MARGIN_DB:
        above = np.flatnonzero(envelope >= threshold)
        # A sample counts as active if the envelope was above the threshold now or within the hangover before.
        active = np.minimum(np.diff(above, append=len(envelope)), hangover + 1).sum()
        levels.append(10 * math.log10(energy / active))
        margins.append(levels[-1] - 20 * math.log10(threshold))
        threshold /= 2
    if len(levels) == 1:
        return levels[0]
    weight = (MARGIN_DB - margins[-2]) / (margins[-1] - margins[-2])
    return levels[-2] + weight * (levels[-1] - levels[-2])


def rms_level(samples: np.ndarray, sample_rate: int = 16_000) -> float:
    """The level of the whole signal, pauses included.

    Args:
        samples: (n,), one channel, full scale 1.0.
        sample_rate: in Hz; makes no difference.

    Returns:
        10 log10 of the mean square, in dB relative to a full scale of 1.0.

    Raises:
        InputError: there is no sound in it: all samples are 0, or there are none.
    """
    return 10 * math.log10(_energy(samples) / len(samples))


SPEECH_LEVELS: Registry[Callable[..., float]] = Registry("speech level")
"""Functions of samples and sample rate."""
SPEECH_LEVELS.register("p56")(active_speech_level)
SPEECH_LEVELS.register("rms")(rms_level)


def measured_snr(
    noisy: np.ndarray, clean: np.ndarray, *, level: str = "p56", sample_rate: int = 16_000
) -> float:
    """The SNR of noisy speech with a known clean partner; the noise is the difference of the two.

    Args:
        noisy: (n,) speech and noise.
        clean: (n,) the same speech, at the same gain and with the same samples beside each other.
        level: how the speech is measured: "p56" or "rms". Noise is measured by its RMS.
        sample_rate: of both, in Hz.

    Returns:
        in dB.

    Raises:
        InputError: the lengths differ, there is no sound in the speech, or no noise at all; an unknown level.
    """
    if np.shape(noisy) != np.shape(clean):
        raise InputError(f"noisy speech has shape {np.shape(noisy)}, its clean partner {np.shape(clean)}")
    noise = np.asarray(noisy, np.float64) - clean
    return SPEECH_LEVELS.get(level)(clean, sample_rate) - rms_level(noise, sample_rate)


def _energy(samples: np.ndarray) -> float:
    energy = float(np.square(samples, dtype=np.float64).sum())
    if energy == 0:
        raise InputError("all samples are 0; silence has no level")
    return energy


def _envelope(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """|samples| through two first-order low-passes, y[n] = g y[n-1] + (1 - g) x[n]."""
    envelope = np.abs(samples, dtype=np.float64)
    decay = math.exp(-1 / (SMOOTHING_SECONDS * sample_rate))
    # Block by block the filter is a running sum of x[n] / g^n, times g^n. All of it is positive, so nothing cancels.
    block = int(SMOOTHING_SECONDS * sample_rate * 20)
    powers = decay ** np.arange(1, block + 1)
    for _ in range(2):
        last = 0.0
        for start in range(0, len(envelope), block):
            part = envelope[start : start + block]
            scale = powers[: len(part)]
            part[:] = scale * (last + np.cumsum((1 - decay) * part / scale))
            last = float(part[-1])
    return envelope
