"""Reading, probing and writing audio files: libsndfile for what it knows, FFmpeg (PyAV) for the rest."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from robustger.audio.containers import (
    FFMPEG_CONTAINERS,
    HEAD,
    SHARED_CONTAINERS,
    ffmpeg_container,
    missing_end,
)
from robustger.audio.mpeg import scan_mpeg
from robustger.audio.samples import SAMPLE_RATE, AudioError, check_samples, to_mono_16k
from robustger.errors import MissingExtraError

if TYPE_CHECKING:
    import soundfile

BLOCK = 1 << 20  # frames decoded at a time: a header that promises too much costs no memory
ENDLESS = 1 << 62  # more frames are libsndfile's way to say that it does not know how many
MPEG_PADDING = 4  # frames; encoders fill up the beginning and the end with at most that
OVERSHOOT_SECONDS = 0.1  # by which `end` may lie past the end of the recording: segment lists are rounded


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file says about itself.

    Attributes:
        seconds: how long it is; an estimate for the formats that do not state it.
        sample_rate: in Hz, as stored.
        channels: as stored.
    """

    seconds: float
    sample_rate: int
    channels: int


def read_audio(
    source: str | Path | BinaryIO, *, start: float | None = None, end: float | None = None
) -> np.ndarray:
    """Reads a recording as 16 kHz mono, whatever it is stored as.

    Args:
        source: a file's path, or an open binary file.
        start: where to begin, in seconds; the beginning when None.
        end: where to stop, in seconds; the end when None. Up to 0.1 s past the recording's end means its end.

    Returns:
        float32 (samples,), channels averaged, full scale at 1. Lossy and float files may exceed 1 and are not clipped.

    Raises:
        AudioError: it does not exist, is not audio, was cut off, is damaged, empty, silent, holds NaN or infinite
            values, or the part asked for lies outside of it.
        MissingExtraError: a format that needs PyAV (m4a, webm, video, ...), which is not installed.
    """
    with contextlib.ExitStack() as stack:
        file, name = stack.enter_context(_opened(source))
        if not 0 <= (start or 0) < (np.inf if end is None else end):
            raise AudioError(name, f"start {start} and end {end} do not fit; 0 <= start < end is needed")
        decoder = _decoder(file, name, stack)
        if isinstance(decoder, str):
            samples, sample_rate = _decoded_by_ffmpeg(file, decoder, name)
            samples = samples[_span(name, len(samples), sample_rate, start, end)]
        else:
            samples, sample_rate = _decoded_by_libsndfile(decoder, name, start, end)
    return check_samples(to_mono_16k(samples, sample_rate, name), name)


def probe_audio(source: str | Path | BinaryIO) -> AudioInfo:
    """Length, sample rate and channels of a recording; decodes it only where its format does not state its length.

    Finds out about a file that was cut off where the container tells, but not about damaged, silent or NaN content.

    Raises:
        AudioError: it does not exist, is not audio, was cut off or is empty.
        MissingExtraError: a format that needs PyAV, which is not installed.
    """
    with contextlib.ExitStack() as stack:
        file, name = stack.enter_context(_opened(source))
        decoder = _decoder(file, name, stack)
        if isinstance(decoder, str):
            info = _probed_by_ffmpeg(file, decoder, name)
        else:
            frames = decoder.frames
            if decoder.subtype.startswith("MPEG"):  # an estimate, unless it states its length
                frames = sum(len(block) for block in _blocks(decoder, name))
            info = AudioInfo(frames / decoder.samplerate, decoder.samplerate, decoder.channels)
    if info.seconds == 0:
        raise AudioError(name, "empty: it holds no samples")
    return info


def write_audio(path: str | Path, samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """Writes 16-bit audio, FLAC or WAV by the name's suffix; the file appears when it is complete.

    What was read from a 16-bit file at this rate is written back bit for bit.

    Args:
        path: ends in .wav or .flac.
        samples: (frames,) or (frames, channels), floats in [-1, 1].
        sample_rate: in Hz.

    Raises:
        AudioError: another suffix, samples that are not finite or exceed [-1, 1], or the file cannot be written.
    """
    import soundfile

    target = Path(os.path.realpath(path))
    kind = target.suffix.lower().removeprefix(".")
    if kind not in ("wav", "flac"):
        raise AudioError(path, "audio is written as .wav or .flac; choose one of these suffixes")
    peak = float(np.abs(samples).max()) if np.size(samples) else 0.0
    if not peak <= 1:
        raise AudioError(path, f"samples reach {peak:.5g} and would be clipped; scale them to [-1, 1]")
    rounded = np.clip(np.rint(np.asarray(samples) * 32768.0), -32768, 32767).astype(np.int16)
    encoded = io.BytesIO()
    soundfile.write(encoded, rounded, sample_rate, format=kind, subtype="PCM_16")
    partial = target.with_name(f".robustger-{secrets.token_hex(8)}.partial")
    try:
        try:
            with open(partial, "xb") as file:
                file.write(encoded.getbuffer())
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise AudioError(path, f"cannot be written: {error.strerror or error}") from None


@contextlib.contextmanager
def _opened(source: str | Path | BinaryIO) -> Iterator[tuple[BinaryIO, str]]:
    """A file that is whole, as far as its container tells, and what messages call it."""
    with contextlib.ExitStack() as stack:
        if isinstance(source, (str, os.PathLike)):
            name = str(source)
            try:
                file: BinaryIO = stack.enter_context(open(source, "rb"))
            except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
                raise AudioError(name, f"cannot be read: {_reason(error)}") from None
        else:
            given = getattr(source, "name", None)  # a pipe's is a number
            name = given if isinstance(given, str) else "audio"
            file = source if source.seekable() else io.BytesIO(source.read())
        try:
            size = file.seek(0, io.SEEK_END)
            if size == 0:
                raise AudioError(name, "empty: the file has 0 bytes")
            if why := missing_end(file, size):
                raise AudioError(name, f"truncated or damaged: {why}; get the whole file")
            file.seek(0)
            yield file, name
        except OSError as error:
            raise AudioError(name, f"cannot be read: {_reason(error)}") from None


def _decoder(file: BinaryIO, name: str, stack: contextlib.ExitStack) -> soundfile.SoundFile | str:
    """The file opened by libsndfile, or FFmpeg's name of its container where that one has to read it."""
    import soundfile

    mpeg = scan_mpeg(file)
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    if container := ffmpeg_container(head, FFMPEG_CONTAINERS):
        return container
    try:
        # Not by its path: libsndfile believes some suffixes without a look at what is in the file.
        sound = stack.enter_context(soundfile.SoundFile(file))
        # libsndfile reads an MP3 as far as it believes it to go, by what may be the tag of its first part or a guess.
        whole = mpeg is None or sound.frames >= mpeg.samples - MPEG_PADDING * mpeg.samples // mpeg.frames
        if sound.frames < ENDLESS and whole:
            return sound
        reason = "it does not state its true length"
    except soundfile.LibsndfileError as error:
        reason = _complaint(error)
    except TypeError:  # a suffix for samples without a header
        raise AudioError(name, "not audio that says what it is; give it a header (.wav, .flac)") from None
    container = "mp3" if mpeg is not None else ffmpeg_container(head, SHARED_CONTAINERS)
    if container is None:
        raise AudioError(name, "not audio, or in a format that is not known here")
    if importlib.util.find_spec("av") is None:
        raise AudioError(name, f"damaged ({reason}), or of a kind that needs: pip install 'robustger[audio]'")
    return container


def _decoded_by_libsndfile(
    sound: soundfile.SoundFile, name: str, start: float | None, end: float | None
) -> tuple[np.ndarray, int]:
    """Frames (frames, channels) between the times, and their rate."""
    rate = sound.samplerate
    if sound.subtype.startswith("MPEG"):  # its length is an estimate, beyond which libsndfile does not go
        samples = _joined(_blocks(sound, name), sound.channels)
        return samples[_span(name, len(samples), rate, start, end)], rate
    part = _span(name, sound.frames, rate, start, end)
    samples = _joined(_blocks(sound, name, part.start, part.stop), sound.channels)
    if len(samples) < part.stop - part.start:
        read = part.start + len(samples)
        raise AudioError(
            name, f"truncated or damaged: {read:,} of {sound.frames:,} frames can be read; get the whole file"
        )
    return samples, rate


def _blocks(
    sound: soundfile.SoundFile, name: str, first: int = 0, stop: int | None = None
) -> Iterator[np.ndarray]:
    """Decodes from one frame to another, or to the end."""
    import soundfile

    try:
        if first:
            sound.seek(first)
        while stop is None or first < stop:
            count = BLOCK if stop is None else min(BLOCK, stop - first)
            block = sound.read(count, dtype="float32", always_2d=True)
            if not len(block):
                return
            first += len(block)
            yield block
    except soundfile.LibsndfileError as error:
        raise AudioError(name, f"truncated or damaged: {_complaint(error)}; get the whole file") from None


def _joined(blocks: Iterator[np.ndarray], channels: int) -> np.ndarray:
    return np.concatenate([np.zeros((0, channels), np.float32), *blocks])


def _span(name: str, frames: int, rate: int, start: float | None, end: float | None) -> slice:
    """The frames of a part of a recording.

    Raises:
        AudioError: the recording has `frames` frames, and the part lies outside.
    """
    first = round((start or 0) * rate)
    stop = frames if end is None else round(end * rate)
    if frames and (first >= frames or stop > frames + OVERSHOOT_SECONDS * rate):
        asked = f"from {start or 0} s" + ("" if end is None else f" to {end} s")
        raise AudioError(name, f"the part {asked} was asked for, and it is {frames / rate:.3f} s long")
    return slice(first, min(stop, frames))


def _decoded_by_ffmpeg(file: BinaryIO, container: str, name: str) -> tuple[np.ndarray, int]:
    """All frames (frames, channels), and their rate."""
    with _ffmpeg(file, container, name) as (av, opened, stream):
        to_float = av.AudioResampler(format="fltp")
        frames = [part for frame in opened.decode(stream) for part in to_float.resample(frame)]
        if not frames:
            raise AudioError(name, "empty: it holds no samples")
        return np.concatenate([frame.to_ndarray() for frame in frames], axis=1).T, frames[0].sample_rate


def _probed_by_ffmpeg(file: BinaryIO, container: str, name: str) -> AudioInfo:
    with _ffmpeg(file, container, name) as (av, opened, stream):
        if container in ("mp3", "aac"):  # whatever length is given is a guess
            seconds = sum(frame.samples / frame.sample_rate for frame in opened.decode(stream))
        elif stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif opened.duration is not None:
            seconds = opened.duration / av.time_base
        else:
            seconds = sum(frame.samples / frame.sample_rate for frame in opened.decode(stream))
        return AudioInfo(seconds, stream.rate, stream.channels)


@contextlib.contextmanager
def _ffmpeg(file: BinaryIO, container: str, name: str) -> Iterator[tuple[Any, Any, Any]]:
    """PyAV, the file as it opened it, and its first audio stream."""
    try:
        import av
        from av.error import FFmpegError
    except ImportError:
        raise MissingExtraError("av", "audio") from None
    file.seek(0)
    try:
        with av.open(file, format=container) as opened:
            if not opened.streams.audio:
                raise AudioError(name, "holds no audio stream")
            yield av, opened, opened.streams.audio[0]
    except (FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(name, f"truncated or damaged: {str(reason)[:1].lower()}{str(reason)[1:]}") from None


def _complaint(error: soundfile.LibsndfileError) -> str:
    return error.error_string.removeprefix("Error : ").strip().rstrip(".")


def _reason(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
