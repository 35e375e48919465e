"""Builds a complete preset of tiny random models in a folder, for `--preset FOLDER`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import yaml
from tests.tiny_whisper import babble, build_tiny_whisper

WINDOW_SECONDS = 2


def build_tiny_preset(folder: Path, checkpoint: Path, **settings: object) -> Path:
    """Writes the corrector of `checkpoint`, a recognizer with a window of 2 s and its settings; returns `folder`."""
    shutil.copytree(checkpoint, folder)
    build_tiny_whisper(folder / "recognizer", seconds=WINDOW_SECONDS)
    given = {"kind": "whisper", "model": "recognizer", "n": 5, "beams": 6, "options": {"device": "cpu"}}
    (folder / "recognizer.yaml").write_text(yaml.safe_dump(given | settings), encoding="utf-8")
    return folder


def save_babble(path: Path, seconds: float, seed: int) -> np.ndarray:
    """Writes a recording that the recognizer hears something in; returns its samples, 16 kHz, float32."""
    from robustger.audio import read_audio, write_audio

    write_audio(path, babble(seconds, seed))
    return read_audio(path)


def save_broken(path: Path, kind: int) -> None:
    """Writes a file that is no usable recording, each `kind` in another way."""
    good = path.with_name("good-for-a-moment.wav")
    save_babble(good, 0.5, kind)
    content = good.read_bytes()
    good.unlink()
    silent = content[:44] + bytes(len(content) - 44)
    path.write_bytes(
        [
            b"",
            b"this is no audio",
            content[: len(content) // 2],  # cut off
            content[:30],  # not even the header
            silent,
        ][kind % 5]
    )
