"""Finds speech in streams of sound with Silero VAD, which comes with faster-whisper.

Silero gives the probability of speech for every 32 ms. It runs on two versions of the sound, and the larger probability
counts. Both versions are brought to one level: every moment is divided by the loudest 32 ms within half a second of it.
Without that, Silero misses a speaker who is 40 dB quieter than the one before. The second version lacks the frequencies
below about 400 Hz, because the deep part of street and car noise hides voices.

A frame counts as speech from a probability of 0.35 on. That is the threshold (0.5 - 0.15) at which Silero itself
continues speech that has begun. Four such frames must lie within about a second, because the beginning of a tone or a
bang can look like speech for one or two frames. Silero first hears a second of the recording in reverse, because it
takes many sounds for speech as long as it has heard nothing else.

This finds speech in 219 of the 240 recordings of NOIZEUS at 0 dB (Silero alone at 0.5: 193) and in all of
VoiceBank-DEMAND. It finds no speech in hum, fan noise, clicks, chords, and the machines of MS-SNSD.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robustger.audio.samples import SILENCE_PEAK

FRAME = 512  # samples at 16 kHz: Silero judges so many at a time
_CONTEXT = 64  # samples before each frame that Silero looks at, too
PROBABILITY = 0.35
NEEDED_FRAMES = 4
# Half a second on either side: for the level, and for the frames that must be near each other.
NEAR_FRAMES = 16
WARM_UP_FRAMES = 32
# 20 s. The chunks do not depend on how the samples arrive, so that the result does not either.
CHUNK_FRAMES = 625
_LEVEL = 0.1  # root mean square of the loudest frame near by in the leveled version
# Of the loudest frame, -44 dB: fainter speech is raised to it before it is recognized.
FAINT_LEVEL = 1 / 160
# A high-pass filter: the samples minus their moving average over 2 ms. It passes -17 dB at 150 Hz, half at 440 Hz, and
# everything from 1 kHz on.
_TAPS = np.convolve(np.ones(16), np.ones(16)).astype(np.float32)
_TAPS = -_TAPS / _TAPS.sum()
_TAPS[len(_TAPS) // 2] += 1
_EDGE_FRAMES = NEAR_FRAMES + 2  # the frames on either side that the leveled version of a frame depends on


class SpeechFinder:
    """Finds speech in a recording that arrives in blocks; memory does not grow with it.

    The frames of a recording are the same however it is cut into blocks.
    """

    def __init__(self) -> None:
        self._waiting: list[np.ndarray] = []  # samples that arrived and are no frames yet
        self._warm = False
        self._frames = np.zeros(
            (_EDGE_FRAMES, FRAME), np.float32
        )  # kept frames, the first ones judged already
        self._whole, self._high = _Silero(), _Silero()
        self._near = np.zeros(0, bool)  # judged frames whose neighbors are not all known
        self._decided = 0  # how many of those are there as neighbors only
        self._skip = 0  # frames of the warm-up that are still to be left out

    def feed(self, block: np.ndarray) -> np.ndarray:
        """Takes the next samples, float32 (samples,), 16 kHz.

        Returns:
            bool (frames,): whether there is speech, for the frames of 512 samples that could be decided; they continue
            those of the call before.
        """
        self._waiting.append(block)
        if not self._warm:
            if sum(map(len, self._waiting)) < WARM_UP_FRAMES * FRAME:
                return np.zeros(0, bool)
            self._warm_up()
        return self._advance(last=False)

    def finish(self) -> np.ndarray:
        """The rest of the frames, bool (frames,); the last one may be incomplete and counts as filled with silence."""
        if not self._warm:
            self._warm_up()
        return self._advance(last=True)

    def _warm_up(self) -> None:
        samples = np.concatenate([*self._waiting, np.zeros(0, np.float32)])
        count = min(WARM_UP_FRAMES, len(samples) // FRAME)
        self._waiting = [samples[: count * FRAME][::-1], samples]
        self._skip = count
        self._warm = True

    def _advance(self, last: bool) -> np.ndarray:
        samples = np.concatenate([*self._waiting, np.zeros(0, np.float32)])
        if last:
            samples = np.pad(samples, (0, -len(samples) % FRAME))
        whole = len(samples) // FRAME * FRAME
        self._waiting = [samples[whole:]]
        self._frames = np.concatenate([self._frames, samples[:whole].reshape(-1, FRAME)])
        found = []
        while len(self._frames) >= CHUNK_FRAMES + 2 * _EDGE_FRAMES:
            found.append(self._judged(self._frames[: CHUNK_FRAMES + 2 * _EDGE_FRAMES]))
            self._frames = self._frames[CHUNK_FRAMES:]
        if last:
            rest = len(self._frames) - _EDGE_FRAMES
            while rest > 0:
                padded = np.pad(self._frames, ((0, _EDGE_FRAMES), (0, 0)))
                found.append(self._judged(padded[: CHUNK_FRAMES + 2 * _EDGE_FRAMES]))
                self._frames = self._frames[CHUNK_FRAMES:]
                rest -= CHUNK_FRAMES
        return self._with_enough_neighbors(np.concatenate([*found, np.zeros(0, bool)]), last)

    def _judged(self, frames: np.ndarray) -> np.ndarray:
        """Whether the frames between the edges look like speech, bool (frames - 2 * edge,)."""
        samples = frames.reshape(-1)
        inner = slice(_EDGE_FRAMES, -_EDGE_FRAMES)
        whole = self._whole(_leveled(samples)[inner])
        high = self._high(_leveled(np.convolve(samples, _TAPS, "same"))[inner])
        return np.maximum(whole, high) >= PROBABILITY

    def _with_enough_neighbors(self, judged: np.ndarray, last: bool) -> np.ndarray:
        near = np.concatenate([self._near, judged])
        end = len(near) if last else max(self._decided, len(near) - NEAR_FRAMES)
        total = np.concatenate([[0], np.cumsum(near)])
        at = np.arange(self._decided, end)
        count = total[np.minimum(at + NEAR_FRAMES + 1, len(near))] - total[np.maximum(at - NEAR_FRAMES, 0)]
        speech = near[self._decided : end] & (count >= NEEDED_FRAMES)
        drop = max(0, end - NEAR_FRAMES)
        self._near, self._decided = near[drop:], end - drop
        skipped = min(self._skip, len(speech))
        self._skip -= skipped
        return speech[skipped:]


def audible(samples: np.ndarray) -> np.ndarray:
    """Amplifies faint speech until recognizers hear it: the loudest 32 ms reach -44 dB of full scale.

    The spectrograms of recognizers end at a floor, and the soft sounds of faint speech may lie below it.

    Args:
        samples: float32 (samples,), 16 kHz.

    Returns:
        float32 (samples,); the array itself where it is loud enough, or silent.
    """
    frames = np.pad(samples, (0, -len(samples) % FRAME)).reshape(-1, FRAME)
    loudest = float(frames.std(axis=1).max()) if len(frames) else 0.0
    if not SILENCE_PEAK < loudest < FAINT_LEVEL:
        return samples
    return samples * np.float32(FAINT_LEVEL / loudest)


class _Silero:
    """Silero VAD with its memory of the frames before."""

    def __init__(self) -> None:
        self._memory = {name: np.zeros((1, 1, 128), np.float32) for name in ("h", "c")}
        self._context = np.zeros(_CONTEXT, np.float32)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """The probability of speech in each frame, float32 (frames,); `frames` is (frames, 512) and at least one."""
        from faster_whisper.vad import get_vad_model

        before = np.concatenate([self._context[None], frames[:-1, -_CONTEXT:]])
        self._context = frames[-1, -_CONTEXT:].copy()
        session: Any = get_vad_model().session
        sound = {"input": np.concatenate([before, frames], axis=1)}
        found, h, c = session.run(None, sound | self._memory)
        self._memory = {"h": h, "c": c}
        return found.reshape(-1)


def _leveled(samples: np.ndarray) -> np.ndarray:
    """Whole frames of samples at one level, without their offset: float32 (frames, 512); not right at the edges."""
    frames = samples.reshape(-1, FRAME)
    around = np.pad(frames.var(axis=1), NEAR_FRAMES)
    loudest = np.lib.stride_tricks.sliding_window_view(around, 2 * NEAR_FRAMES + 1).max(axis=1)
    gain = _LEVEL / np.sqrt(np.maximum(loudest, SILENCE_PEAK**2))
    at, middle = np.arange(len(samples)), np.arange(len(frames)) * FRAME + FRAME / 2
    leveled = (samples - np.interp(at, middle, frames.mean(axis=1))) * np.interp(at, middle, gain)
    return leveled.astype(np.float32).reshape(-1, FRAME)
