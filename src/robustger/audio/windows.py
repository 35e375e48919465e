"""Cuts long audio at pauses into windows that a recognizer takes at once, and keeps their times.

Recordings arrive in blocks and may have any length, because only about two windows of sound are held in memory. The
windows do not depend on how the recording is divided into blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from robustger.audio.samples import SAMPLE_RATE, SILENCE_PEAK
from robustger.audio.speech import FRAME, SpeechFinder
from robustger.errors import InputError

_HOP = SAMPLE_RATE // 100  # samples: the grid of 10 ms on which levels are taken
PAUSE_SECONDS = 2.0  # pauses from this length on are left out; shorter ones belong to the speech around them
MARGIN_SECONDS = 0.4  # kept on either side of speech, for soft beginnings and endings; as faster-whisper does
SHORT_PAUSE_SECONDS = (
    0.2  # from this length on a pause is a better place to cut than a quiet one within speech
)
CUT_SECONDS = 0.3  # a cut is made in the middle of the stretch of this length that has the least energy
BLOCK_SECONDS = 60  # in which whole recordings are gone through


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


def windows(
    samples: np.ndarray, max_seconds: float, *, min_seconds: float | None = None, find_speech: bool = True
) -> list[Window]:
    """Cuts a recording into windows of at most `max_seconds`, in order and without overlap.

    A recording that fits is one window, or none if nobody speaks. In a longer recording, pauses of at least 2 s (or
    half of `max_seconds`, if that is less) are left out, but 0.4 s (or a quarter of that length, if that is less) is
    kept on either side of speech. A stretch between two such pauses that is too long is cut in the longest pause that
    leaves windows of `min_seconds` to `max_seconds`. In speech without pauses it is cut at the quietest place. So all
    speech is in some window.

    Args:
        samples: (samples,), 16 kHz mono.
        max_seconds: the longest window, at least 0.1.
        min_seconds: the shortest that a cut may make; at most, and by default, half of `max_seconds`.
        find_speech: whether pauses are found. False treats everything as speech: nothing is left out, and cuts are made
            at the quietest places.

    Returns:
        the windows; none where nobody speaks, nor for an array without samples above the level of silence.

    Raises:
        InputError: the lengths do not fit each other.
    """
    if not len(samples) or max(samples.max(), -samples.min()) <= SILENCE_PEAK:
        samples = samples[:0]
    step = BLOCK_SECONDS * SAMPLE_RATE
    blocks = (samples[first : first + step] for first in range(0, len(samples), step))
    found = stream_windows(blocks, max_seconds, min_seconds=min_seconds, find_speech=find_speech)
    return [window for window, _ in found]


def stream_windows(
    blocks: Iterable[np.ndarray],
    max_seconds: float,
    *,
    min_seconds: float | None = None,
    find_speech: bool = True,
) -> Iterator[tuple[Window, np.ndarray]]:
    """Cuts a recording that arrives in blocks; yields each window with its samples as soon as its end is known.

    The windows are those that `windows` gives for the whole recording, with one exception: without speech finding,
    silence is a window, too.

    Args:
        blocks: float32 (samples,), 16 kHz mono, of any lengths, one after the other.
        max_seconds: as for `windows`.
        min_seconds: as for `windows`.
        find_speech: as for `windows`.

    Raises:
        InputError: the lengths do not fit each other; raised here, before the first window is asked for.
    """
    min_seconds = max_seconds / 2 if min_seconds is None else min_seconds
    if not (max_seconds >= 0.1 and 0 < min_seconds <= max_seconds / 2):
        raise InputError(
            f"windows of {min_seconds} to {max_seconds} s: max_seconds must be 0.1 or more, min_seconds above 0 and "
            "at most half of it"
        )
    return _streamed(
        blocks, _Cutter(max_seconds, min_seconds), SpeechFinder() if find_speech else _AllSpeech()
    )


def _streamed(
    blocks: Iterable[np.ndarray], cutter: _Cutter, finder: SpeechFinder | _AllSpeech
) -> Iterator[tuple[Window, np.ndarray]]:
    for block in blocks:
        cutter.add(block, finder.feed(block))
        yield from cutter.ready()
    cutter.add(np.zeros(0, np.float32), finder.finish(), last=True)
    yield from cutter.ready()


class _AllSpeech:
    """Reports everything as speech; used instead of a `SpeechFinder`."""

    def __init__(self) -> None:
        self._samples = 0  # of a frame that is not complete

    def feed(self, block: np.ndarray) -> np.ndarray:
        frames, self._samples = divmod(self._samples + len(block), FRAME)
        return np.ones(frames, bool)

    def finish(self) -> np.ndarray:
        return np.ones(int(self._samples > 0), bool)


class _Cutter:
    """Decides on windows while the recording and its speech become known.

    Places are samples from the recording's beginning. A window is given out once nothing that arrives later can
    change it.
    """

    def __init__(self, max_seconds: float, min_seconds: float) -> None:
        self._longest = int(max_seconds * SAMPLE_RATE + 1e-6)
        pause = min(PAUSE_SECONDS, max_seconds / 2)
        self._pause = max(1, round(pause * SAMPLE_RATE / FRAME))  # frames
        self._margin = round(min(MARGIN_SECONDS, pause / 4) * SAMPLE_RATE)
        # So the last window holds more than the margin after speech.
        self._shortest = max(int(min_seconds * SAMPLE_RATE), self._margin + FRAME)
        self._samples = np.zeros(0, np.float32)  # what may still be needed
        self._base = 0  # where these begin
        self._speech = np.zeros(0, bool)  # of the frames from `_frame` on
        self._frame = 0
        self._last = False
        self._fits = True  # so far
        self._begin: int | None = None  # of the window under way
        self._floor = 0  # end of the window before

    def add(self, block: np.ndarray, speech: np.ndarray, last: bool = False) -> None:
        """Takes the next samples, and for each of the next frames whether it holds speech."""
        self._samples = np.concatenate([self._samples, block])
        self._speech = np.concatenate([self._speech, speech])
        self._last = last
        self._fits = self._fits and self._end <= self._longest

    def ready(self) -> Iterator[tuple[Window, np.ndarray]]:
        """Yields the windows that are certain by now."""
        if self._fits:
            if self._last and self._speech.any():
                yield self._window(0, self._end)
            return
        while (span := self._next()) is not None:
            yield self._window(*span)
        self._forget()

    @property
    def _end(self) -> int:
        return self._base + len(self._samples)

    def _window(self, begin: int, end: int) -> tuple[Window, np.ndarray]:
        self._floor = end
        samples = self._samples[begin - self._base : end - self._base].copy()
        return Window(begin / SAMPLE_RATE, end / SAMPLE_RATE), samples

    def _next(self) -> tuple[int, int] | None:
        """Beginning and end of the next window; None where too little is known."""
        if self._begin is None:
            if not self._speech.any():
                return None
            first = self._frame + int(self._speech.argmax())
            self._begin = max(self._floor, first * FRAME - self._margin)
        begin = self._begin
        end = self._end_of_stretch(begin)
        if end is None:
            if self._known < begin + self._longest + self._shortest + self._pause * FRAME:
                return None
        elif end - begin <= self._longest:
            self._begin = None
            self._drop_frames(-(-end // FRAME))
            return begin, end
        latest = begin + self._longest if end is None else min(begin + self._longest, end - self._shortest)
        self._begin = self._place(begin + self._shortest, latest)
        return begin, self._begin

    @property
    def _known(self) -> int:
        """The sample up to which speech and pauses are known."""
        return (self._frame + len(self._speech)) * FRAME

    def _end_of_stretch(self, begin: int) -> int | None:
        """Where the speech from `begin` on comes to a long pause or the end, margin included; None if unknown."""
        first = max(begin // FRAME, self._frame)
        spoken = first + np.flatnonzero(self._speech[first - self._frame :])
        pauses = np.flatnonzero(np.diff(spoken) > self._pause)
        final = int(spoken[pauses[0]] if len(pauses) else spoken[-1]) + 1
        if not len(pauses) and not self._last and self._known - final * FRAME < self._pause * FRAME:
            return None
        return min(final * FRAME + self._margin, self._end if self._last else self._known)

    def _place(self, earliest: int, latest: int) -> int:
        """Picks the cut between two places: in the longest pause, or at the quietest place if there is no pause."""
        first, last = -(-earliest // FRAME), latest // FRAME
        silent = ~self._speech[first - self._frame : last - self._frame]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]])))
        starts, ends = edges[::2] + first, edges[1::2] + first
        if len(starts):
            # Of equally long ones the last: fewer windows.
            longest = len(starts) - 1 - int(np.argmax((ends - starts)[::-1]))
            if (ends - starts)[longest] * FRAME >= SHORT_PAUSE_SECONDS * SAMPLE_RATE:
                earliest, latest = int(starts[longest]) * FRAME, int(ends[longest]) * FRAME
        return self._quietest(earliest, latest)

    def _quietest(self, earliest: int, latest: int) -> int:
        first, last = -(-earliest // _HOP), latest // _HOP
        if first > last:
            return earliest
        half = round(CUT_SECONDS * SAMPLE_RATE / _HOP / 2)
        low = max(-(-self._base // _HOP), first - half)
        samples = self._samples[low * _HOP - self._base :][: (last + half - low) * _HOP]
        hops = samples[: len(samples) // _HOP * _HOP].reshape(-1, _HOP)
        powers = np.einsum("ij,ij->i", hops, hops).astype(np.float64)
        total = np.concatenate([[0.0], np.cumsum(powers)])
        at = np.arange(first, last + 1) - low
        before, after = np.maximum(at - half, 0), np.minimum(at + half, len(powers))
        mean = (total[after] - total[before]) / (after - before)
        # Of equally quiet places the last one: fewer windows.
        return (last - int(np.argmin(mean[::-1]))) * _HOP

    def _drop_frames(self, frame: int) -> None:
        drop = max(0, min(frame - self._frame, len(self._speech)))
        self._speech, self._frame = self._speech[drop:], self._frame + drop

    def _forget(self) -> None:
        """Drops the samples that no later window can contain."""
        if self._begin is not None:
            keep = self._begin
        else:
            self._drop_frames(self._known // FRAME)  # none of these is speech
            keep = max(self._floor, self._known - self._margin)
        self._drop_frames(keep // FRAME)
        keep = max(self._base, keep - round(CUT_SECONDS * SAMPLE_RATE))
        self._samples, self._base = self._samples[keep - self._base :].copy(), keep
