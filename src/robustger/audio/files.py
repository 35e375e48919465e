"""Reads and probes audio files of any format that FFmpeg (PyAV) knows."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from robustger.audio.containers import is_container, joined_recordings, missing_end
from robustger.audio.decoding import (
    Broken,
    DecodedSound,
    FileSection,
    NotRecognized,
    Stated,
    chosen_track,
    decoded,
    opened,
    stated,
)
from robustger.audio.frames import FrameRun, runs_of_frames
from robustger.audio.samples import SAMPLE_RATE, AudioError, Level
from robustger.audio.timeline import Damage, Joint, at_16_khz, on_time_line

OVERSHOOT_SECONDS = 0.1  # by which `end` may lie past the end of the recording: segment lists are rounded
HEAD = 16  # bytes that tell the containers apart


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """Says how to read a file that holds several recordings, several tracks, or a damaged recording.

    Attributes:
        track: which audio track of a video, from 1; the first when None.
        channel: which channel, from 1; the mean of all when None.
        keep_going: whether the readable part of a damaged file is used, with a warning; False refuses the file.
    """

    track: int | None = None
    channel: int | None = None
    keep_going: bool = False


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The length, sample rate, channels and tracks of a file.

    Attributes:
        seconds: how long it is; an estimate for the formats that do not state it.
        sample_rate: in Hz, as stored; of the first recording where several are joined.
        channels: as stored.
        tracks: how many audio tracks there are.
    """

    seconds: float
    sample_rate: int
    channels: int
    tracks: int = 1


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the recordings in a file, or the rest of a recording behind a damaged place.

    Attributes:
        begin: its first byte.
        end: the byte behind its last one.
        demuxer: FFmpeg's name of its format, None where its content tells.
        run: its frames, where it consists of nothing else.
    """

    begin: int
    end: int
    demuxer: str | None = None
    run: FrameRun | None = None


def read_audio(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    start: float | None = None,
    end: float | None = None,
    options: ReadingOptions = ReadingOptions(),
    on_warning: Callable[[str], object] = lambda message: None,
) -> np.ndarray:
    """Reads a recording of any format as 16 kHz mono.

    Sample i is heard at i / 16000 s when a player plays the file: a track that begins late begins with silence, and
    pauses in its time stamps are silence.

    Args:
        source: a file's path, or an open binary file.
        start: where to begin, in seconds; the beginning when None.
        end: where to stop, in seconds; the end when None. Up to 0.1 s past the recording's end means its end.
        options: the track, the channel, and the treatment of a damaged file.
        on_warning: gets one line that names the file where something of it is missing.

    Returns:
        float32 (samples,), full scale at 1. Lossy and float files may exceed 1 and are not clipped.

    Raises:
        AudioError: it does not exist, is not audio, was cut off, is damaged, empty, silent, holds NaN or infinite
            values or channels that cancel each other out, or the part, track or channel asked for is not there.
    """
    pieces = _pieces(source, start, end, options, on_warning)
    return np.concatenate([np.zeros(0, np.float32), *pieces])


def stream_audio(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    options: ReadingOptions = ReadingOptions(),
    on_warning: Callable[[str], object] = lambda message: None,
    block_seconds: float = 60.0,
) -> Iterator[np.ndarray]:
    """Yields the samples of `read_audio` in consecutive blocks, with the memory of one block.

    Args:
        source: a file's path, or an open binary file.
        options: as for `read_audio`.
        on_warning: as for `read_audio`.
        block_seconds: the length of every block but the last.

    Yields:
        float32 (samples,).

    Raises:
        AudioError: as for `read_audio`; that the recording is silent or was cut off shows only at its end, and is
            raised there.
    """
    size = max(1, round(block_seconds * SAMPLE_RATE))
    waiting: list[np.ndarray] = []
    count = 0
    for piece in _pieces(source, None, None, options, on_warning):
        while count + len(piece) >= size:
            yield np.concatenate([*waiting, piece[: size - count]])
            waiting, piece, count = [], piece[size - count :], 0
        waiting.append(piece)
        count += len(piece)
    if count:
        yield np.concatenate(waiting)


def probe_audio(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    options: ReadingOptions = ReadingOptions(),
) -> AudioInfo:
    """Length, sample rate and channels of a recording; decodes it only where its format does not state its length.

    Finds out about a file that was cut off where the container tells, but not about damaged, silent or NaN content.

    Raises:
        AudioError: it does not exist, is not audio, was cut off or is empty.
    """
    with _opened(source) as (file, name, size):
        damage = Damage(name, options.keep_going, lambda message: None)
        parts = _parts(file, name, size, damage)
        infos = [_stated(file, name, part, options, damage) for part in parts if part.end > part.begin]
    if not infos:
        raise AudioError(name, "not audio, or in a format that is not known here")
    seconds = sum(info.seconds or 0.0 for info in infos)
    seconds += sum(part.run.lost_seconds for part in parts if part.run is not None)
    if seconds <= 0:
        raise AudioError(name, "empty: it holds no samples")
    return AudioInfo(seconds, infos[0].rate, infos[0].channels, infos[0].tracks)


def stated_seconds(source: str | os.PathLike[str] | BinaryIO) -> float | None:
    """The length that a recording states, in seconds; nothing is decoded. None if it states none.

    Raises:
        AudioError: it does not exist, is empty, or holds no sound.
    """
    with _opened(source) as (file, name, size):
        try:
            with opened(FileSection(file, 0, size)) as container:
                return stated(container, chosen_track(container, None, name)).seconds
        except NotRecognized:  # some formats are recognized by their frames, when they are read
            return None


def _pieces(
    source: str | os.PathLike[str] | BinaryIO,
    start: float | None,
    end: float | None,
    options: ReadingOptions,
    on_warning: Callable[[str], object],
) -> Iterator[np.ndarray]:
    """Yields the samples between two times while they are decoded."""
    with _opened(source) as (file, name, size):
        if not 0 <= (start or 0) < (np.inf if end is None else end):
            raise AudioError(name, f"start {start} and end {end} do not fit; 0 <= start < end is needed")
        damage = Damage(name, options.keep_going, on_warning, start or 0.0)
        level = Level(start or 0.0, np.inf if end is None else end)
        parts = _parts(file, name, size, damage)
        sound = at_16_khz(
            on_time_line(_heard(file, name, parts, options, damage), options.channel, damage, level)
        )
        first = round((start or 0) * SAMPLE_RATE)
        stop = None if end is None else round(end * SAMPLE_RATE)
        position = 0
        for piece in sound:
            yield piece[max(0, first - position) : None if stop is None else max(0, stop - position)]
            position += len(piece)
            if stop is not None and position >= stop:
                break
        if position and (
            first >= position or (stop is not None and stop > position + OVERSHOOT_SECONDS * SAMPLE_RATE)
        ):
            asked = f"from {start or 0} s" + ("" if end is None else f" to {end} s")
            raise AudioError(
                name, f"the part {asked} was asked for, and it is {position / SAMPLE_RATE:.3f} s long"
            )
        damage.tell(position / SAMPLE_RATE)
        level.check(name, mixed=options.channel is None)


@contextlib.contextmanager
def _opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[tuple[BinaryIO, str, int]]:
    """An open file, its name in messages, and its length in bytes."""
    with contextlib.ExitStack() as stack:
        if isinstance(source, (str, os.PathLike)):
            name = str(source)
            try:
                file: BinaryIO = stack.enter_context(open(source, "rb"))
            except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
                raise AudioError(name, f"cannot be read: {_reason(error)}") from None
        elif isinstance(source, io.TextIOBase) or not hasattr(source, "seekable"):
            raise AudioError(
                "audio", f"a path or an open binary file is needed, not a {type(source).__name__}"
            )
        else:
            given = getattr(source, "name", None)  # a pipe's is a number
            name = given if isinstance(given, str) else "audio"
            file = source if source.seekable() else io.BytesIO(source.read())
        try:
            size = file.seek(0, io.SEEK_END)
            if size == 0:
                raise AudioError(name, "empty: the file has 0 bytes")
            yield file, name, size
        except OSError as error:
            raise AudioError(name, f"cannot be read: {_reason(error)}") from None


def _parts(file: BinaryIO, name: str, size: int, damage: Damage) -> list[_Part]:
    """The recordings in a file, in order, each with the end that its container gives."""
    parts = [_Part(begin, end) for begin, end in joined_recordings(file, size)]
    for part in parts:
        if why := missing_end(file, part.begin, part.end):
            damage.truncated(why)
    file.seek(0)
    if is_container(file.read(HEAD)):
        return parts
    try:
        with opened(FileSection(file, 0, size)) as container:
            frames_only = container.format.name in ("mp3", "aac")
    except NotRecognized:
        runs = runs_of_frames(file, size, search=False)  # FFmpeg wants to see a number of frames
        if not runs:
            file.seek(0)
            if file.read(3) == b"ID3" or runs_of_frames(file, size):
                raise AudioError(
                    name, "truncated or damaged: there is next to nothing; get the whole file"
                ) from None
            raise AudioError(name, "not audio, or in a format that is not known here") from None
    else:
        runs = runs_of_frames(file, size) if frames_only else []
        if not runs:
            return parts
    for run, following in zip(runs, [*runs[1:], None], strict=True):
        if run.end > size:
            damage.truncated(f"at least {run.end:,} bytes are promised, and {size:,} are there")
        if (
            run.stated_frames is not None
            and run.stated_frames > run.frames
            and not (following and following.damaged)
        ):
            damage.truncated(f"{run.stated_frames:,} frames are promised, and {run.frames:,} are there")
    return [_Part(run.begin, min(run.end, size), "mp3" if run.mpeg else "aac", run) for run in runs]


def _heard(
    file: BinaryIO, name: str, parts: list[_Part], options: ReadingOptions, damage: Damage
) -> Iterator[DecodedSound | Broken | Joint]:
    """Decodes all recordings in a file, one after the other."""
    for part in parts:
        lost = part.run.lost_seconds if part.run is not None and part.run.damaged else None
        if lost is not None:
            yield Broken("bytes that are no sound", lost)
        if part.begin == part.end:
            continue
        yield Joint(lost or 0.0)
        try:
            with opened(FileSection(file, part.begin, part.end), part.demuxer) as container:
                yield from decoded(container, chosen_track(container, options.track, name))
        except NotRecognized as problem:
            if len(parts) == 1:  # there is nothing to go on with
                raise AudioError(name, f"truncated or damaged: {problem}; get the whole file") from None
            yield Broken(str(problem))


def _stated(file: BinaryIO, name: str, part: _Part, options: ReadingOptions, damage: Damage) -> Stated:
    """The properties that a part states; its length is counted if it does not state one."""
    try:
        with opened(FileSection(file, part.begin, part.end), part.demuxer) as container:
            track = chosen_track(container, options.track, name)
            said = stated(container, track)
            if part.run is not None:
                seconds = part.run.seconds
                if part.run.stated_frames and track.duration and track.time_base:  # without tag and padding
                    seconds = float(track.duration * track.time_base)
                said = replace(said, seconds=seconds)
            elif said.seconds is None:
                whole = on_time_line(decoded(container, track), options.channel, damage, Level())
                said = replace(said, seconds=sum(len(each.samples) / each.rate for each in whole))
    except NotRecognized as problem:
        raise AudioError(name, f"truncated or damaged: {problem}; get the whole file") from None
    return said


def _reason(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
