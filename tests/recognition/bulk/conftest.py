"""The manifest that the runs recognize, and a tiny Whisper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_whisper import babble

from robustger.audio import read_audio, write_audio
from robustger.recognition import Recognizer, load_recognizer


@pytest.fixture(scope="module")
def whisper(tiny_whisper: Path) -> Recognizer:
    return load_recognizer("whisper", tiny_whisper, device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine rows, `manifest.jsonl`: long and short, with and without clean pairs, two that are of no use."""
    rows: list[dict[str, Any]] = []
    for number, seconds in enumerate((0.5, 0.3, 5.3, 0.4, 0.6, 0.3, 0.7, 0.35)):
        write_audio(tmp_path / f"{number}.wav", babble(seconds, number))
        rows.append({"id": f"u{number}", "audio": f"{number}.wav", "text": f"text {number}"})
    for number in (0, 2, 6):
        seconds = len(read_audio(tmp_path / f"{number}.wav")) / 16_000
        write_audio(tmp_path / f"{number}.clean.flac", babble(seconds, 100 + number))
        rows[number] |= {"clean_audio": f"{number}.clean.flac", "noise": "rain", "snr_db": 5, "speaker": "s1"}
    rows[3]["audio"] = "none.wav"
    rows[6] |= {"start": 0.1, "end": 0.5}
    rows.insert(5, {"id": "u0", "audio": "0.wav"})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "manifest.jsonl").write_text(text, encoding="utf-8")
    return tmp_path
