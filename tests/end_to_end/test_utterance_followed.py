"""An utterance passes the functions that docs/explanation/architecture.md lists, in the order of the page."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from tests.cli.conftest import Result
from tests.cli.conftest import robustger as robustger  # a fixture
from tests.correction.cases import TEXTS
from tests.test_architecture import PAGE, SOURCE
from tests.tiny_preset import build_tiny_preset
from tests.voice import save_voice

# The page follows the preset `whisper`, and the tiny preset has the other recognizer of Whisper.
SHOWN = "recognition/recognizers/faster_whisper.py::FasterWhisperRecognizer"
STAND_IN = "recognition/recognizers/whisper.py::WhisperRecognizer"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.fixture
def preset(folder: Path, tiny_checkpoint: Path) -> Path:
    return build_tiny_preset(folder / "preset", tiny_checkpoint)


def functions_of(title: str) -> list[str]:
    """The functions in the list below a title of the page."""
    section = PAGE.read_text(encoding="utf-8").split(f"`robustger {title}`\n", 1)[1].partition("\n#")[0]
    named = re.findall(r"^\d+\. `([\w/]+\.py::[\w.]+)`", section, re.MULTILINE)
    assert len(named) > 10
    return [function.replace(SHOWN, STAND_IN) for function in named]


def passed(run: Callable[[], Result]) -> list[str]:
    """The functions of the package that a command calls, in the order of their first calls."""
    calls: dict[str, None] = {}
    root = str(SOURCE)  # a text, because every call of every library is looked at

    def note(frame: FrameType, event: str, argument: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(root):
            calls.setdefault(f"{Path(file).relative_to(SOURCE).as_posix()}::{frame.f_code.co_qualname}")

    sys.setprofile(note)
    threading.setprofile(note)
    try:
        result = run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert result.code == 0, result.err
    return list(calls)


def check(title: str, calls: list[str]) -> None:
    functions = functions_of(title)
    missing = [function for function in functions if function not in calls]
    assert not missing, f"{title}: the page names functions that the command does not pass: {missing}"
    assert functions == sorted(functions, key=calls.index), title


def test_transcribe(robustger: Callable[..., Result], folder: Path, preset: Path) -> None:
    save_voice(folder / "a.wav", 3.5, 1)
    check("transcribe", passed(lambda: robustger("transcribe", "a.wav", "-o", "a.srt", "--preset", preset)))


def test_nbest(robustger: Callable[..., Result], folder: Path, preset: Path) -> None:
    save_voice(folder / "a.wav", 3.5, 1)
    row = {"id": "a", "audio": "a.wav", "clean_audio": "a.wav", "text": "half past ten"}
    Path("m.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    command = ("nbest", "m.jsonl", "-o", "lists.jsonl", "--preset", preset, "--workers", "0")
    check("nbest", passed(lambda: robustger(*command)))


def test_correct(robustger: Callable[..., Result], folder: Path, tiny_checkpoint: Path) -> None:
    rows = [
        {"id": str(row), "hypotheses": texts, "scores": [-1.0 - place for place in range(len(texts))]}
        for row, texts in enumerate(TEXTS)
    ]
    Path("lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = (
        "correct",
        "lists.jsonl",
        "-o",
        "out.jsonl",
        "--checkpoint",
        tiny_checkpoint,
        "--guard",
        "heard",
    )
    check("correct", passed(lambda: robustger(*command)))
