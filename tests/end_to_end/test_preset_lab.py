"""The preset `lab`: from the recordings of the package to text, offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from robustger.audio import read_audio
from robustger.evaluation.wer import wer
from robustger.manifest import load_manifest
from robustger.pipeline import RobustGER, load_preset_recognizer
from robustger.text import normalize

CLIPS = Path(str(resources.files("robustger.presets") / "lab" / "demo"))
LIMIT_BYTES = 30_000_000


@pytest.fixture(scope="module")
def lab() -> RobustGER:
    return RobustGER.from_preset("lab", device="cpu")


def test_the_recognizer_is_small_enough_to_ship() -> None:
    folder = CLIPS.parent / "recognizer"
    assert sum(path.stat().st_size for path in folder.iterdir()) < LIMIT_BYTES


def test_the_recognizer_hears_speech_in_noise() -> None:
    clips = load_manifest(CLIPS / "demo.jsonl")
    recognizer = load_preset_recognizer("lab").load(device="cpu")
    found = recognizer.recognize([read_audio(clip.audio) for clip in clips], n=5, beams=10)
    assert all(recognition.distinct == 5 for recognition in found)
    heard = wer([clip.text for clip in clips], [recognition.hypotheses[0].text for recognition in found])
    assert 0.0 < heard.rate < 0.4  # the clips are noisy, and not hopeless
    assert all(
        h.text == normalize(h.text, "released") for r in found for h in r.hypotheses
    )  # as the corrector has it


def test_the_clips_are_of_the_kind_the_manifest_says() -> None:
    clips = load_manifest(CLIPS / "demo.jsonl")
    assert 4 <= len(clips) <= 12
    assert all(clip.audio.is_file() and clip.text and clip.noise for clip in clips)
    assert len({clip.snr_db for clip in clips}) >= 3


def test_what_it_hears_is_close_to_what_was_said(lab: RobustGER) -> None:
    clips = load_manifest(CLIPS / "demo.jsonl")
    transcriptions = [lab.transcribe(clip.audio) for clip in clips]
    heard = wer([clip.text for clip in clips], [t.segments[0].nbest.best for t in transcriptions])
    written = wer([clip.text for clip in clips], [t.text for t in transcriptions])
    assert written.rate <= heard.rate
    assert all(len(t.segments[0].nbest.hypotheses) == 5 for t in transcriptions)


def test_the_command_needs_no_hub(tmp_path: Path) -> None:
    clip = load_manifest(CLIPS / "demo.jsonl")[0]
    output = tmp_path / "text.json"
    command = [sys.executable, "-m", "robustger", "transcribe", str(clip.audio), "--preset", "lab"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    subprocess.run(
        [*command, "--format", "json", "-o", str(output)], check=True, capture_output=True, env=environment
    )
    fields = json.loads(output.read_text(encoding="utf-8"))
    assert fields["text"]
    assert len(fields["segments"][0]["hypotheses"]) == 5
