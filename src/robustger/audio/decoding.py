"""Decodes one recording of a file with FFmpeg (PyAV): its sounds with their times, and the places of missing data."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from robustger.audio.containers import describes_itself
from robustger.audio.samples import MOST_CHANNELS, SAMPLE_RATES, AudioError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

# The formats that FFmpeg may read. Its others are pictures, raw samples without a header, music made of notes, and
# lists and texts that name files or addresses, which it would open.
_DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,ircam,matroska,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,"
    "nistsphere,nut,ogg,paf,pvf,rm,sds,shn,sox,tak,truehd,tta,voc,w64,wav,wtv,wv,wve,xwma"
)
# Containers that give each packet its time, so that recordings may pause. In all others, missing data was lost.
_WITH_PAUSES = ("asf", "avi", "flv", "matroska", "mov", "mpeg", "mpegts", "mxf", "nut", "rm", "wtv")
_JUMPING = ("mpeg", "mpegts")  # their clocks may be set anew at any time, as where two files were joined
_WITH_ZERO = ("matroska", "mov")  # their time line begins at 0, whenever the first sound is heard
_EXACT = ("aiff", "au", "flac", "wav", "w64", "wv", "caf", "nistsphere")  # state their length to the sample
_PLAIN = ("wav", "w64")
_LONGEST_PAUSE_SECONDS = 4 * 3600.0
_LONGEST_PAUSE_OF_JUMPING_SECONDS = 10.0
_LATEST_START_SECONDS = 600.0  # a recording that begins later was cut out of a longer one, and kept its clock
_STATED_TOLERANCE_SECONDS = 0.1  # of MP4 and Ogg; the padding of its codecs is in the length or is not
_CHECKSUMMED = ("flac", "wavpack", "tta")  # codecs whose frames carry a checksum
_TICK_SECONDS = 0.005  # time stamps are whole ticks of a clock, of up to so long
_BLOCK_SECONDS = 2.0  # frames are put together to blocks of that length
_MOST_ERRORS = 1000  # in a row without a sound between; the rest is given up then
_UNSIGNED_8_BIT_ZERO = 128


@dataclass(frozen=True, slots=True)
class DecodedSound:
    """A stretch of sound.

    Attributes:
        start: the time at which it is heard, in seconds on the recording's time line; None if it follows the sound
            before it directly.
        rate: in Hz.
        samples: float32 (channels, samples), full scale at 1.
        longest_pause: seconds by which it may lie behind what came before; 0 where the container has no pauses,
            and what is missing was lost.
    """

    start: float | None
    rate: int
    samples: np.ndarray
    longest_pause: float


@dataclass(frozen=True, slots=True)
class Broken:
    """A place where the recording is damaged.

    Attributes:
        reason: the sign of the damage.
        lost_seconds: how much is missing, where it is known; else the time of the next sound tells.
    """

    reason: str
    lost_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Stated:
    """The length, rate, channels and tracks that a recording states in its headers.

    Attributes:
        seconds: how long it is; None where it does not say so, or where that is a guess.
        rate: in Hz.
        channels: of the track.
        tracks: how many there are.
    """

    seconds: float | None
    rate: int
    channels: int
    tracks: int


class FileSection(io.RawIOBase):
    """A part of a file, for FFmpeg to read; it has no name, from which FFmpeg would guess the format."""

    def __init__(self, file: BinaryIO, begin: int, end: int) -> None:
        self._file, self._begin, self._length, self._at = file, begin, max(0, end - begin), 0

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._length - self._at)
        self._file.seek(self._begin + self._at)
        content = self._file.read(left if size < 0 else min(size, left))
        self._at += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._length)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


@contextlib.contextmanager
def opened(window: FileSection, demuxer: str | None = None) -> Iterator[InputContainer]:
    """A recording as FFmpeg opens it.

    Args:
        window: its bytes.
        demuxer: FFmpeg's name of the format; None lets it look at the content.

    Raises:
        NotRecognized: FFmpeg does not find a recording in it.
    """
    import av
    from av.error import FFmpegError

    options = {
        "format_whitelist": _DEMUXERS,
        "protocol_whitelist": "none",
        "err_detect": "crccheck",
        "max_size": "65536",  # of packets of plain samples: fewer, larger ones
    }
    if describes_itself(window.read(16)):
        options["probesize"] = (
            "32768"  # bytes; more are read to find out about streams that no header describes
        )
    window.seek(0)
    try:
        container = av.open(window, "r", format=demuxer, options=options)
    except (FFmpegError, ValueError, OverflowError) as error:
        raise NotRecognized(_complaint(error)) from None
    with container:
        yield container


class NotRecognized(Exception):
    """FFmpeg cannot open a file; the message is its reason."""


def chosen_track(container: InputContainer, track: int | None, name: str) -> AudioStream:
    """The audio track with a number, from 1; the first one when None.

    Raises:
        AudioError: there is none, or its codec is not known.
    """
    tracks = container.streams.audio
    if not tracks:
        raise AudioError(name, "holds no audio stream")
    if not 1 <= (track or 1) <= len(tracks):
        raise AudioError(name, f"track {track} was asked for; it has {_count(len(tracks), 'audio track')}")
    found = tracks[(track or 1) - 1]
    if found.codec_context is None:
        raise AudioError(
            name, "its sound is in a codec that is not known here; convert it, to WAV for example"
        )
    if found.codec_context.sample_rate and found.codec_context.sample_rate not in SAMPLE_RATES:
        raise AudioError(
            name,
            f"its sample rate of {found.codec_context.sample_rate} Hz lies outside 1,000 to 1,000,000 Hz",
        )
    if found.codec_context.channels > MOST_CHANNELS:
        raise AudioError(
            name, f"has {found.codec_context.channels} channels; at most {MOST_CHANNELS} are taken"
        )
    return found


def stated(container: InputContainer, track: AudioStream) -> Stated:
    """Reads what the recording states about itself without decoding any sound."""
    seconds = None
    form = container.format.name.split(",")[0]
    duration = None if track.duration is None else float(track.duration * (track.time_base or 0))
    if form in (*_EXACT, "ogg", "tta", "ape") and duration:
        seconds = duration
    elif form in ("mov", "asf", "avi") and duration:
        seconds = max(0.0, _seconds(track.start_time, track) - _zero(container, track)) + duration
    elif form == "matroska" and container.duration:
        seconds = container.duration / 1e6
    rate, context = track.codec_context.sample_rate, track.codec_context
    if context.name in ("opus", "libopus") and context.extradata is not None and len(context.extradata) >= 16:
        # OpusHead: the number of 48 kHz samples before the sound, and the rate of the encoded input.
        if form == "ogg" and seconds is not None:
            seconds -= int.from_bytes(context.extradata[10:12], "little") / 48_000
        rate = int.from_bytes(context.extradata[12:16], "little") or rate
    return Stated(seconds, rate, context.channels, len(container.streams.audio))


def decoded(container: InputContainer, track: AudioStream) -> Iterator[DecodedSound | Broken]:
    """Decodes a track: yields its sound and its damaged places, in order.

    Args:
        container: the recording.
        track: one of its audio tracks.
    """
    from av.error import FFmpegError

    form = container.format.name.split(",")[0]
    pause = 0.0 if form not in _WITH_PAUSES else _LONGEST_PAUSE_SECONDS
    pause = _LONGEST_PAUSE_OF_JUMPING_SECONDS if form in _JUMPING else pause
    zero = _zero(container, track)
    context = track.codec_context
    context.thread_count = 1  # the order of frames, and of errors, is that of the packets
    if context.name in _CHECKSUMMED:
        context.options = {"err_detect": "crccheck+explode"}
    promised = stated(container, track).seconds
    tick = float(track.time_base or 0)
    heard, following, errors, started = 0, 0.0, 0, False
    waiting: list[AudioFrame] = []
    waiting_samples, begin = 0, None
    form_of_samples: tuple[object, ...] = ()
    for packet in _packets(container, track):
        problem = "its bytes are not what its checksum says or end too soon"
        frames: list[AudioFrame] = []
        # A last packet of plain samples need not be full where their number is not known.
        broken = packet is None or (packet.is_corrupt and form not in _PLAIN)
        if packet is not None:
            try:
                frames = packet.decode()
            except FFmpegError as error:
                broken, problem = True, _complaint(error)
        for frame in frames:
            time = None if frame.pts is None else frame.pts * tick - zero
            same = (frame.sample_rate, frame.format.name, frame.layout.nb_channels)
            apart = time is not None and abs(time - following) > _TICK_SECONDS
            if waiting and (apart or same != form_of_samples):
                yield _heard(waiting, begin, pause)
                waiting, waiting_samples = [], 0
            if not waiting:
                begin, form_of_samples = time, same
            waiting.append(frame)
            samples, rate = frame.samples, frame.sample_rate
            waiting_samples, heard = waiting_samples + samples, heard + samples
            following = (following if time is None else time) + samples / rate
            started, errors = True, 0
        if waiting and (broken or waiting_samples >= _BLOCK_SECONDS * waiting[0].sample_rate):
            yield _heard(waiting, begin, pause)
            waiting, waiting_samples = [], 0
        if broken:
            errors += 1
            if started or errors > 2 or pause:  # the first frames of a cut MP3 need what came before them
                yield Broken(problem)
            if errors > _MOST_ERRORS:
                break
    if waiting:
        yield _heard(waiting, begin, pause)
    if errors and not started:
        yield Broken("no sound in it can be decoded")
    if promised is not None:
        yield from _missing_end(form, promised, heard / context.sample_rate, following)


def _missing_end(form: str, promised: float, heard: float, end: float) -> Iterator[Broken]:
    if form in _EXACT:
        # A gap in the middle shows in the time stamps, and not in the sound.
        lost, least = promised - max(heard, end), 1e-6
    elif form in ("mov", "ogg"):
        lost, least = promised - end, _STATED_TOLERANCE_SECONDS
    else:
        return
    if lost > least:
        yield Broken(f"of {promised:.2f} s {max(0.0, promised - lost):.2f} s can be read", lost)


def _packets(container: InputContainer, track: AudioStream) -> Iterator[Any]:
    """Yields the packets of a track, and None for each packet that cannot be read."""
    from av.error import FFmpegError

    errors = 0
    while errors <= _MOST_ERRORS:
        try:
            for packet in container.demux(track):
                errors = 0
                yield packet
            return
        except FFmpegError:
            errors += 1
            yield None


def _zero(container: InputContainer, track: AudioStream) -> float:
    """The time stamp, in seconds, at which the recording's time line begins."""
    form = container.format.name.split(",")[0]
    if form not in _WITH_PAUSES:
        return max(0.0, _seconds(track.start_time, track))
    begin = (container.start_time or 0) / 1e6
    return 0.0 if form in _WITH_ZERO and begin <= _LATEST_START_SECONDS else begin


def _seconds(time_stamp: int | None, track: AudioStream) -> float:
    return 0.0 if time_stamp is None or track.time_base is None else float(time_stamp * track.time_base)


def _heard(frames: list[Any], start: float | None, longest_pause: float) -> DecodedSound:
    first = frames[0]
    channels, planar = first.layout.nb_channels, first.format.is_planar
    parts = [frame.to_ndarray() for frame in frames]
    stored = np.concatenate(parts, axis=1)
    if not planar:
        stored = stored.reshape(-1, channels).T
    if stored.dtype.kind == "f":
        with np.errstate(over="ignore"):  # becomes infinite, which is refused by that name
            samples = stored.astype(np.float32)
    elif stored.dtype == np.uint8:
        samples = (stored.astype(np.float32) - _UNSIGNED_8_BIT_ZERO) / _UNSIGNED_8_BIT_ZERO
    else:
        samples = stored.astype(np.float32) * np.float32(1 / -float(np.iinfo(stored.dtype).min))
    return DecodedSound(start, first.sample_rate, samples, longest_pause)


def _complaint(error: Exception) -> str:
    reason = str(getattr(error, "strerror", None) or error)
    known = {"Operation not permitted": "a part that its codec does not allow"}  # what AAC's decoder returns
    reason = known.get(reason, reason).removesuffix(" found when processing input")
    return reason[:1].lower() + reason[1:]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
