"""Puts decoded sound at its time, fills gaps with silence, picks one channel, and resamples to 16 kHz."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from robustger.audio.decoding import Broken, DecodedSound
from robustger.audio.samples import MOST_CHANNELS, SAMPLE_RATE, SAMPLE_RATES, AudioError, Level

JITTER_SECONDS = 0.05  # time stamps that are off by less are rounded, or count the padding of a codec
CLOCK_SET_BACK_SECONDS = 1.0  # from here on a clock that goes back is another clock
LONGEST_HOLE_SECONDS = 3600.0  # torn by damage; what seems longer is a damaged time stamp
STRETCH_SECONDS = 10.0  # silence comes in stretches of at most that


@dataclass(frozen=True, slots=True)
class Joint:
    """A place where a clock starts anew: another recording begins, or the same one goes on after a damaged stretch.

    Attributes:
        lost_seconds: how much of it is missing here.
    """

    lost_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ChannelSamples:
    """Samples of one channel that follow the ones before.

    Attributes:
        rate: in Hz.
        samples: float32 (samples,).
    """

    rate: int
    samples: np.ndarray


class Damage:
    """Collects the damaged places of a recording, and either ends the reading or gives one warning at its end.

    Args:
        name: the file.
        keep_going: whether to read on.
        on_warning: gets the warning, one line that names the file.
        begin: damage before this time, in seconds, is of no account.
    """

    def __init__(
        self, name: str, keep_going: bool, on_warning: Callable[[str], object], begin: float = 0.0
    ) -> None:
        self.name, self.keep_going, self._warn, self._begin = name, keep_going, on_warning, begin
        self._places: list[tuple[float, float | None]] = []
        self._truncated: str | None = None

    def at(self, seconds: float, reason: str) -> None:
        """Takes note of a damaged place.

        Raises:
            AudioError: reading does not go on.
        """
        if not self.keep_going and seconds >= self._begin:
            raise AudioError(
                self.name,
                f"truncated or damaged at {seconds:.1f} s: {reason}; get the whole file, or read what is left of it "
                "with --keep-going",
            )
        self._places.append((seconds, None))

    def truncated(self, reason: str) -> None:
        """Takes note of bytes that are missing at the end.

        Raises:
            AudioError: reading does not go on.
        """
        if not self.keep_going:
            raise AudioError(
                self.name,
                f"truncated or damaged: {reason}; get the whole file, or read what is there with --keep-going",
            )
        self._truncated = reason

    def lost(self, seconds: float) -> None:
        """Notes the length of the missing sound at the last noted place."""
        if self._places and self._places[-1][1] is None:
            self._places[-1] = (self._places[-1][0], seconds)

    def tell(self, end: float) -> None:
        """Gives one warning about all noted places.

        Args:
            end: how long the recording is, in seconds, as far as it can be read.
        """
        places = [place for place in self._places if place[0] >= self._begin]
        if self._truncated is not None and not any(at >= end - JITTER_SECONDS for at, _ in places):
            self._warn(f"{self.name}: truncated: {self._truncated}; it is read up to {end:.1f} s")
        if places:
            shown = ", ".join(
                f"{at:.1f} s ({'an unknown part' if lost is None else f'{lost:.2f} s'} missing)"
                for at, lost in places[:5]
            )
            more = f" and {len(places) - 5} more places" if len(places) > 5 else ""
            self._warn(f"{self.name}: damaged at {shown}{more}; the rest is read, with silence there")
        self._places, self._truncated = [], None


def on_time_line(
    parts: Iterable[DecodedSound | Broken | Joint], channel: int | None, damage: Damage, level: Level
) -> Iterator[ChannelSamples]:
    """Yields one channel without gaps: sample i of a part belongs i / rate seconds after the part's beginning.

    Args:
        parts: the decoded parts, in order.
        channel: its number, from 1; the mean of all when None.
        damage: collects the missing places.
        level: measures all samples.

    Raises:
        AudioError: a damaged place (see `Damage`), or no such channel.
    """
    clock, origin, damaged = 0.0, 0.0, False
    for part in parts:
        if isinstance(part, Joint):
            origin = clock + part.lost_seconds
            continue
        if isinstance(part, Broken):
            if not damaged:
                damage.at(clock, part.reason)
            damaged = True
            if part.lost_seconds is not None:
                damage.lost(part.lost_seconds)
            continue
        _checked(part, damage.name)
        gap = 0.0 if part.start is None else origin + part.start - clock
        if gap > (0.0005 if damaged else JITTER_SECONDS):
            if not part.longest_pause and not damaged:
                damage.at(clock, "sound is missing there")
                damaged = True
            if gap > max(part.longest_pause, LONGEST_HOLE_SECONDS if damaged else 0.0):
                if not damaged and part.longest_pause > LONGEST_HOLE_SECONDS:
                    damage.at(clock, f"its time stamps go on {gap:,.0f} s later")
                origin -= gap
                gap = 0.0
            for silence in _silence(gap, part.rate):
                clock += len(silence.samples) / part.rate
                yield silence
        elif gap < -CLOCK_SET_BACK_SECONDS:
            origin -= gap
        if damaged:
            damage.lost(max(0.0, gap))
            damaged = False
        mono = _mono(part.samples, channel, damage.name)
        level.add(part.samples, mono, clock, part.rate)
        clock += len(mono) / part.rate
        yield ChannelSamples(part.rate, mono)
    damage.tell(clock)


def at_16_khz(stretches: Iterable[ChannelSamples]) -> Iterator[np.ndarray]:
    """The same sound at 16 kHz, float32 (samples,) a piece; resampled by soxr (quality HQ) as if it were one array."""
    resampler, rate = None, SAMPLE_RATE
    for stretch in stretches:
        if stretch.rate != rate:
            if resampler is not None:
                yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            resampler, rate = None, stretch.rate
        if rate == SAMPLE_RATE:
            yield stretch.samples
            continue
        if resampler is None:
            import soxr

            resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        yield resampler.resample_chunk(stretch.samples)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _checked(part: DecodedSound, name: str) -> None:
    if part.rate not in SAMPLE_RATES:
        raise AudioError(name, f"its sample rate of {part.rate} Hz lies outside 1,000 to 1,000,000 Hz")
    if len(part.samples) > MOST_CHANNELS:
        raise AudioError(name, f"has {len(part.samples)} channels; at most {MOST_CHANNELS} are taken")


def _mono(samples: np.ndarray, channel: int | None, name: str) -> np.ndarray:
    channels = len(samples)
    if channel is not None:
        if not 1 <= channel <= channels:
            count = f"{channels} channel" + ("" if channels == 1 else "s")
            raise AudioError(name, f"channel {channel} was asked for; it has {count}")
        return np.ascontiguousarray(samples[channel - 1])
    if channels == 1:
        return np.ascontiguousarray(samples[0])
    with np.errstate(invalid="ignore", over="ignore"):  # not finite then, which is refused by that name
        return samples.mean(axis=0, dtype=np.float32)


def _silence(seconds: float, rate: int) -> Iterator[ChannelSamples]:
    left, longest = round(seconds * rate), round(STRETCH_SECONDS * rate)
    while left > 0:
        yield ChannelSamples(rate, np.zeros(min(left, longest), np.float32))
        left -= longest
