"""Recordings for tests, in many formats, and a folder of files that only look like recordings."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile


def speech_like(seconds: float, sample_rate: int = 16_000, *, seed: int = 0) -> np.ndarray:
    """Harmonics that come and go four times a second, with some noise: float32 (frames,), peak 0.5."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    voice = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 12))
    noise = np.random.default_rng(seed).standard_normal(len(time)) * 0.02
    samples = voice * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * time)) + noise
    return (samples * (0.5 / np.abs(samples).max())).astype(np.float32)


def encoded(
    samples: np.ndarray, sample_rate: int = 16_000, kind: str = "WAV", subtype: str | None = None
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format=kind, subtype=subtype)
    return file.getvalue()


def _cut_off(folder: Path, samples: np.ndarray) -> None:
    whole = {
        "pcm16.wav": encoded(samples),
        "pcm24.wav": encoded(samples, subtype="PCM_24"),
        "float.wav": encoded(samples, subtype="FLOAT"),
        "lossless.flac": encoded(samples, kind="FLAC"),
        "vorbis.ogg": encoded(samples, kind="OGG"),
        "opus.ogg": encoded(samples, kind="OGG", subtype="OPUS"),
        "layer3.mp3": encoded(samples, kind="MP3"),
        "big-endian.aiff": encoded(samples, kind="AIFF"),
    }
    for name, content in whole.items():
        for percent in (10, 50, 95):
            (folder / f"first-{percent}-percent-{name}").write_bytes(content[: len(content) * percent // 100])
    for name in ("pcm16.wav", "lossless.flac", "vorbis.ogg", "opus.ogg", "layer3.mp3"):
        (folder / f"last-byte-missing-{name}").write_bytes(whole[name][:-1])
    for name, count in (("pcm16.wav", 12), ("lossless.flac", 42), ("vorbis.ogg", 4), ("layer3.mp3", 100)):
        (folder / f"header-only-{name}").write_bytes(whole[name][:count])
    middle = len(whole["lossless.flac"]) // 2
    damaged = bytearray(whole["lossless.flac"])
    damaged[middle : middle + 2000] = bytes(2000)
    (folder / "damaged.flac").write_bytes(damaged)


def _without_sound(folder: Path, samples: np.ndarray) -> None:
    nothing = np.zeros(0, np.float32)
    (folder / "no-bytes.wav").write_bytes(b"")
    (folder / "no-bytes.mp3").write_bytes(b"")
    (folder / "no-samples.wav").write_bytes(encoded(nothing))
    (folder / "no-samples.flac").write_bytes(encoded(nothing, kind="FLAC"))
    dither = np.random.default_rng(0).integers(-1, 2, len(samples)).astype(np.int16)
    (folder / "silent.wav").write_bytes(encoded(np.zeros_like(samples)))
    (folder / "silent.ogg").write_bytes(encoded(np.zeros_like(samples), kind="OGG"))
    (folder / "dither.flac").write_bytes(encoded(dither, kind="FLAC"))
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        holed = samples.copy()
        holed[len(holed) // 2] = value
        (folder / f"{name}.wav").write_bytes(encoded(holed, subtype="FLOAT"))


def _not_audio(folder: Path, samples: np.ndarray) -> None:
    random = np.random.default_rng(0)
    (folder / "text.wav").write_text("this is the transcript, not the recording\n" * 40)
    (folder / "page.mp3").write_text("<!doctype html><title>404 Not Found</title>" * 40)
    (folder / "list.flac").write_text("#EXTM3U\n#EXTINF:1,\nother.wav\n")
    with zipfile.ZipFile(folder / "archive.wav", "w") as archive:
        archive.writestr("a.wav", encoded(samples))
    (folder / "picture.ogg").write_bytes(b"\x89PNG\r\n\x1a\n" + random.bytes(3000))
    (folder / "random.mp3").write_bytes(b"\xff\xfb\x90\x64" + random.bytes(3000))
    (folder / "zeros.wav").write_bytes(bytes(3000))


@pytest.fixture(scope="session")
def broken_audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 50 files, none of which can be read whole: cut off, damaged, silent, empty, not audio at all."""
    folder = tmp_path_factory.mktemp("broken")
    samples = speech_like(1.5)
    _cut_off(folder, samples)
    _without_sound(folder, samples)
    _not_audio(folder, samples)
    assert len(list(folder.iterdir())) == 50
    return folder
