"""Missing and malformed inputs are refused before torch is imported, which takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import atexit, sys
atexit.register(lambda: print("torch" in sys.modules))
sys.argv = ["robustger", *sys.argv[1:]]
from robustger.cli import main
main()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with lists and files of YAML that are wrong."""
    monkeypatch.chdir(tmp_path)
    row = {"id": "a", "hypotheses": ["a", "b"], "reference": "a"}
    Path("lists.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    Path("hum.wav").touch()
    Path("bad.yaml").write_text("output: [", encoding="utf-8")
    Path("unknown.yaml").write_text(
        "output: run\ndata: {train: [lists.jsonl]}\ncorrector: {bas: x}\n", encoding="utf-8"
    )
    Path("no-lists.yaml").write_text("output: run\ndata: {train: [none.jsonl]}\n", encoding="utf-8")
    Path("checkpoint").mkdir()
    Path("checkpoint/config.yaml").write_text("n_best: many\n", encoding="utf-8")
    Path("checkpoint/adapter.safetensors").touch()
    Path("preset").mkdir()
    Path("preset/recognizer.yaml").write_text("kind: [", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("correct none.jsonl", "none.jsonl: cannot be read"),
        ("correct lists.jsonl --preset none", "none: no such folder and no such preset"),
        ("correct lists.jsonl --checkpoint none", "none: no such folder and no such preset"),
        ("correct lists.jsonl --checkpoint checkpoint", "checkpoint/config.yaml: n_best = 'many'"),
        ("correct lists.jsonl --preset preset", "preset/recognizer.yaml: line 1: not valid YAML"),
        ("correct lists.jsonl --batch-size 0", "--batch-size 0: give a number"),
        ("baseline lm-rank none.jsonl", "none.jsonl: cannot be read"),
        ("baseline lm-rank lists.jsonl --dev none.jsonl", "none.jsonl: cannot be read"),
        ("evaluate none.jsonl", "none.jsonl: cannot be read"),
        ("evaluate lists.jsonl -c none.jsonl", "none.jsonl: cannot be read"),
        ("nbest none.jsonl -o out.jsonl", "none.jsonl: cannot be read"),
        ("nbest lists.jsonl -o out.jsonl --preset preset", "preset/recognizer.yaml: line 1: not valid YAML"),
        ("transcribe hum.wav --preset preset", "preset/recognizer.yaml: line 1: not valid YAML"),
        ("transcribe hum.wav --preset none", "none: no such folder and no such preset"),
        ("demo none.wav", "none.wav: cannot be read"),
        ("import-nbest none -f robusthp -o out.jsonl", "none: cannot be read"),
        ("import-nbest hum.wav -f kaldi --references none", "none: cannot be read"),
        ("mix none.jsonl --noise hum.wav -o out", "none.jsonl: cannot be read"),
        ("corpus noizeus none", "none: no such folder"),
        ("train none.yaml", "none.yaml: cannot be read"),
        ("train bad.yaml", "bad.yaml: line 1: not valid YAML"),
        ("train unknown.yaml", "unknown.yaml: unknown key 'corrector.bas'"),
        ("train no-lists.yaml", "data: no file matches none.jsonl"),
        ("experiment table1 --data none.yaml -o out", "--data none.yaml: does not exist"),
        ("experiment table1 --data bad.yaml -o out", "bad.yaml: line 1: not valid YAML"),
        ("experiment table1 --data . --recipe none.yaml -o out", "none.yaml: cannot be read"),
        ("experiment table9 --data . -o out", "no experiment 'table9'"),
        ("models convert-released none.pth --base lab-lm -o out", "none.pth: cannot be read"),
    ],
)
def test_a_wrong_input_is_refused_without_torch(folder: Path, command: str, message: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (2, "False\n"), result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("robustger: error: ")
    assert message in result.stderr
    assert not Path("out").exists()


def test_recordings_that_are_missing_are_skipped_without_torch(folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, "transcribe", "none.wav"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (1, "False\n")
    assert result.stderr.startswith("robustger: none.wav: cannot be read")
