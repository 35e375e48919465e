"""`robustger nbest --workers 2` killed in the middle: its worker processes end with it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tests.tiny_whisper import babble, build_tiny_whisper

from robustger.audio import write_audio

SECONDS = 20.0  # more than enough, for a busy machine; a worker that is left behind never ends


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds child processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_command(tmp_path: Path, number: signal.Signals) -> None:
    build_tiny_whisper(tmp_path / "preset" / "recognizer")
    settings = {"kind": "whisper", "model": "recognizer", "n": 2, "beams": 8}
    (tmp_path / "preset" / "recognizer.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    # Features of pairs of 2 s: more than a pipe takes, so a worker is in the middle of writing when the reader is gone.
    write_audio(tmp_path / "u.wav", babble(2.0, 1))
    rows = [{"id": f"u{row}", "audio": "u.wav", "clean_audio": "u.wav"} for row in range(500)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "manifest.jsonl").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "robustger", "nbest", "manifest.jsonl", "-o", "lists.jsonl"]
    command += ["--preset", "preset", "--device", "cpu", "--batch-size", "32", "--workers", "2"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ
    )
    assert process.stdout is not None
    workers: list[int] = []
    try:
        while not (tmp_path / "lists.jsonl.partial" / "state.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        workers = children_of(process.pid)
        assert len(workers) == 2
        process.send_signal(number)
        assert process.wait(SECONDS) == -number
        readable, _, _ = select.select([process.stdout], [], [], SECONDS)
        assert readable, "a worker holds the pipe open"
        assert process.stdout.read() == b""
        until = time.monotonic() + SECONDS
        while left := [worker for worker in workers if is_running(worker)]:
            assert time.monotonic() < until, left
            time.sleep(0.05)
    finally:
        process.kill()
        process.stdout.close()
        for worker in filter(is_running, workers):
            os.kill(worker, signal.SIGKILL)


def children_of(process: int) -> list[int]:
    return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


def is_running(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
