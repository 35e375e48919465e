"""Long audio cut into windows that a recogniser takes at once: in its pauses, with the time stamps kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robustger.audio.samples import SAMPLE_RATE, SILENCE_PEAK
from robustger.errors import InputError

HOP = SAMPLE_RATE // 100  # samples: the grid of 10 ms on which levels are taken and cuts are made
BELOW_SPEECH_DB = 40.0  # what lies this far below the loud parts of a recording is a pause
LOUD_PERCENTILE = 95.0
MARGIN_SECONDS = 0.3  # kept around what is not a pause, for soft onsets and endings
PAUSE_SECONDS = 2.0  # pauses from this length on are left out; shorter ones belong to the speech around them
CUT_SECONDS = 0.3  # a cut is made in the middle of the stretch of this length that has the least energy


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a recording, in seconds from its beginning.

    Attributes:
        start: where it begins.
        end: where it ends.
    """

    start: float
    end: float

    @property
    def samples(self) -> slice:
        """The window's samples in an array at 16 kHz."""
        return slice(round(self.start * SAMPLE_RATE), round(self.end * SAMPLE_RATE))


def windows(samples: np.ndarray, max_seconds: float, *, min_seconds: float | None = None) -> list[Window]:
    """Cuts a recording into windows of at most `max_seconds`, in order and without overlap.

    A recording that fits is one window, whole. In a longer one, pauses of 2 s and more are left out (all but 0.3 s on
    either side); a pause is what lies 40 dB below the recording's loud parts (the 95th percentile of its 10 ms levels),
    which under noise is nothing. What lies between them is cut, where it is too long, at the quietest place that
    makes windows of `min_seconds` to `max_seconds`. So all speech is in some window; silence alone is in none.

    Args:
        samples: (samples,), 16 kHz mono.
        max_seconds: the longest window, at least 0.1.
        min_seconds: the shortest that a cut may make; at most, and by default, half of `max_seconds`.

    Returns:
        the windows; none for an array without samples above the level of silence.

    Raises:
        InputError: the lengths do not fit each other.
    """
    min_seconds = max_seconds / 2 if min_seconds is None else min_seconds
    if not (max_seconds >= 0.1 and 0 < min_seconds <= max_seconds / 2):
        raise InputError(
            f"windows of {min_seconds} to {max_seconds} s: max_seconds must be 0.1 or more, min_seconds above 0 and "
            "at most half of it"
        )
    if not len(samples) or max(samples.max(), -samples.min()) <= SILENCE_PEAK:
        return []
    if len(samples) <= max_seconds * SAMPLE_RATE:
        return [Window(0.0, len(samples) / SAMPLE_RATE)]
    levels = _levels(samples)
    longest = int(max_seconds * SAMPLE_RATE / HOP + 1e-6)
    shortest = max(1, int(min_seconds * SAMPLE_RATE / HOP))
    smooth = _smoothed(levels)
    found = []
    for start, end in _stretches(levels):
        while end - start > longest:
            first, last = start + shortest, min(start + longest, end - shortest)
            candidates = smooth[first : last + 1]
            # Of equally quiet places the last one: fewer windows.
            cut = last - int(np.argmin(candidates[::-1]))
            found.append((start, cut))
            start = cut
        found.append((start, end))
    return [Window(a * HOP / SAMPLE_RATE, min(b * HOP, len(samples)) / SAMPLE_RATE) for a, b in found]


def _levels(samples: np.ndarray) -> np.ndarray:
    """Mean power of every hop (hops,); the last one is filled up with zeros."""
    hops = np.pad(samples, (0, -len(samples) % HOP)).reshape(-1, HOP)
    return np.einsum("ij,ij->i", hops, hops).astype(np.float64) / HOP


def _smoothed(powers: np.ndarray) -> np.ndarray:
    """Mean power around the beginning of every hop, (hops + 1,)."""
    half = round(CUT_SECONDS * SAMPLE_RATE / HOP / 2)
    total = np.concatenate([[0.0], np.cumsum(powers)])
    at = np.arange(len(total))
    low, high = np.maximum(at - half, 0), np.minimum(at + half, len(powers))
    return (total[high] - total[low]) / (high - low)


def _stretches(powers: np.ndarray) -> list[tuple[int, int]]:
    """Beginnings and ends, in hops, of what lies between long pauses, margins included."""
    audible = powers > SILENCE_PEAK**2 / 2
    loud = np.percentile(powers[audible], LOUD_PERCENTILE) if audible.any() else 0.0
    active = np.flatnonzero(powers > loud * 10 ** (-BELOW_SPEECH_DB / 10))
    if not len(active):
        return [(0, len(powers))]
    margin = round(MARGIN_SECONDS * SAMPLE_RATE / HOP)
    pause = round(PAUSE_SECONDS * SAMPLE_RATE / HOP)
    breaks = np.flatnonzero(np.diff(active) > pause)
    starts = np.concatenate([active[:1], active[breaks + 1]])
    ends = np.concatenate([active[breaks], active[-1:]]) + 1
    return [
        (max(0, int(start) - margin), min(len(powers), int(end) + margin))
        for start, end in zip(starts, ends, strict=True)
    ]
