"""`robustger nbest` as a process that is killed, and as two processes at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.cli.conftest import Result
from tests.cli.conftest import robustger as robustger  # a fixture
from tests.tiny_whisper import babble, build_tiny_whisper

from robustger.audio import write_audio
from robustger.hypotheses import load_nbest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_runs_killed_at_random_moments_end_with_the_same_bytes(tmp_path: Path) -> None:
    """The benchmark, with four kills of two commands."""
    record = tmp_path / "kills.jsonl"
    result = subprocess.run(
        [
            sys.executable,
            ROOT / "benchmarks" / "kills.py",
            "nbest",
            "mix",
            "--kills",
            "4",
            "--record",
            record,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    rounds = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    for command in ("nbest", "mix"):
        own = [one for one in rounds if one["command"] == command]
        assert sum(one["kills"] for one in own) >= 4
        assert all(
            one["different"] == [] and one["left_running"] == 0 and one["exit_code"] == 1 for one in own
        )


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs signals")
def test_a_second_process_is_refused_and_a_killed_one_followed_up(
    robustger: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is a process of its own; the others are the one of the test."""
    monkeypatch.chdir(tmp_path)
    build_tiny_whisper(tmp_path / "preset" / "recognizer")
    settings = {"kind": "whisper", "model": "recognizer", "n": 2, "beams": 8}
    (tmp_path / "preset" / "recognizer.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    ids = [f"u{number}" for number in range(20)]
    for number, id_ in enumerate(ids):
        write_audio(tmp_path / f"{id_}.wav", babble(0.3, number))
    text = "".join(json.dumps({"id": id_, "audio": f"{id_}.wav"}) + "\n" for id_ in ids)
    (tmp_path / "manifest.jsonl").write_text(text, encoding="utf-8")
    command = ("nbest", "manifest.jsonl", "-o", "lists.jsonl")
    command += ("--preset", "preset", "--device", "cpu", "--batch-size", "1")

    partial = tmp_path / "lists.jsonl.partial"
    first = subprocess.Popen([sys.executable, "-m", "robustger", *command], stderr=subprocess.DEVNULL)
    while not (partial / "state.json").exists():
        assert first.poll() is None
        time.sleep(0.001)
    first.send_signal(signal.SIGSTOP)
    assert partial.exists()
    try:
        second = robustger(*command)
    finally:
        first.kill()
        first.wait()
    assert (second.code, second.out) == (2, "")
    message = "lists.jsonl: another run is writing it; wait for that one, or name another output"
    # Before it there may be what transformers said when the tiny recognizer was saved.
    assert second.err.splitlines()[-1] == f"robustger: error: {message}"
    assert json.loads((partial / "state.json").read_text(encoding="utf-8"))["units"] < len(ids)

    third = robustger(*command)
    assert (third.code, third.out) == (0, "")
    assert third.err.startswith("robustger: 20 utterances, 20 lists, ")
    assert [nbest.id for nbest in load_nbest(tmp_path / "lists.jsonl")] == ids
    assert not partial.exists()
