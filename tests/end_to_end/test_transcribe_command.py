"""The command `robustger transcribe` on many files, and as a process: its pipes and its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Result
from tests.cli.conftest import robustger as robustger  # a fixture
from tests.tiny_preset import build_tiny_preset, save_broken
from tests.voice import save_voice

from robustger.pipeline import RobustGER
from robustger.pipeline.formats import nbest_lines, to_text

TRANSCRIBE = ("transcribe", "--no-find-speech")  # what the tiny recognizer hears is no speech


@pytest.fixture(scope="module")
def preset(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_preset(tmp_path_factory.mktemp("tiny") / "preset", tiny_checkpoint)


def test_fifty_broken_files_are_fifty_reports_and_nothing_else(
    robustger: Callable[..., Result], tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    files = [folder / f"{number:02d}.wav" for number in range(50)]
    for number, file in enumerate(files):
        save_broken(file, number)
    result = robustger(*TRANSCRIBE, *files, "-o", folder / "out", "--format", "srt")
    assert (result.code, result.out) == (1, "")
    *problems, summary = result.err.splitlines()
    assert len(problems) == 50
    for file, problem in zip(files, problems, strict=True):
        assert problem.startswith(f"robustger: {file}: ")
    assert summary.endswith(", 50 problems")
    assert sorted(folder.iterdir()) == files


def test_a_pipe_says_what_the_python_class_says(preset: Path, tmp_path: Path) -> None:
    path = tmp_path / "stdin.wav"  # the seed of what fills up short lists comes from the name
    save_voice(path, 1.2, 5)
    piped = subprocess.run(
        [sys.executable, "-m", "robustger", *TRANSCRIBE, "-", "--preset", str(preset), "--nbest"],
        input=path.read_bytes(),
        capture_output=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"},
        check=False,
    )
    transcription = RobustGER.from_preset(preset, find_speech=False).transcribe(path)
    assert piped.returncode == 0
    assert piped.stdout.decode() == to_text(transcription) + nbest_lines(transcription)
    assert piped.stderr.startswith(b"robustger: 1 recordings, 1.2 s, ")
    assert piped.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        (
            "openai/whisper-small.en",
            ["robustger models fetch openai/whisper-small.en", "--model FOLDER", "--model whisper-base"],
        ),
        (
            "large-v3",
            ["its full name is openai/whisper-large-v3", "robustger models fetch openai/whisper-large-v3"],
        ),
        ("small.en.pt", ["a file of PyTorch", "transformers or CTranslate2", "--model small.en"]),
        ("ggml-small.bin", ["a file of whisper.cpp (ggml)", "transformers or CTranslate2", "--model small"]),
        ("ct2", ["ct2/model.bin: not a whole model of CTranslate2"]),
    ],
)
def test_weights_that_cannot_be_had_are_told_before_anything_is_written(
    model: str, parts: list[str], tmp_path: Path
) -> None:
    """Without a hub, in a folder with weights of other programs and a broken folder of CTranslate2."""
    save_voice(tmp_path / "u.wav", 0.5, 1)
    (tmp_path / "small.en.pt").write_bytes(b"PK")
    (tmp_path / "ggml-small.bin").write_bytes(b"lmgg")
    (tmp_path / "ct2").mkdir()
    for name, content in (("config.json", "{}"), ("model.bin", "x"), ("vocabulary.json", "[]")):
        (tmp_path / "ct2" / name).write_text(content)
    result = subprocess.run(
        [sys.executable, "-m", "robustger", "transcribe", "u.wav", "-o", "u.txt", "--model", model],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")},
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"robustger: error: {model}")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr
    assert not (tmp_path / "u.txt").exists()
