"""The command `robustger serve` as a process: kill -9 in the middle of jobs, SIGTERM in the middle of an answer."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.service.conftest import Clip
from typer.testing import CliRunner

from robustger.cli import app

KEY = "sk-of-the-process"


@contextlib.contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """A server in a process of its own, its address, and the lines of its log."""
    command = [sys.executable, "-m", "robustger", "serve", "--preset", "lab", "--port", "0"]
    environment = {**os.environ, "ROBUSTGER_JOBS_FOLDER": str(folder), "ROBUSTGER_API_KEY": KEY}
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(running.stderr or ()))
    reader.start()
    try:
        address = None
        while address is None:
            assert running.poll() is None, lines
            address = next(
                (found[0] for line in lines if (found := re.findall(r"http://[\d.]+:\d+", line))), None
            )
            time.sleep(0.05)
        while httpx.get(f"{address}/ready").status_code != 200:
            time.sleep(0.05)
        yield running, address, lines
    finally:
        running.kill()
        running.wait()
        reader.join()


def asking() -> httpx.Client:
    return httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=120)


@pytest.mark.slow
def test_jobs_survive_kill_9_and_each_is_finished_once(clips: list[Clip], tmp_path: Path) -> None:
    fields = {"correction": "none"}
    with process(tmp_path) as (running, url, _), asking() as client:
        ids = [
            client.post(f"{url}/v1/jobs", files={"file": clip.data}, data=fields).json()["id"]
            for clip in clips
            for _ in range(2)
        ]
        while client.get(f"{url}/v1/jobs/{ids[2]}").json()["status"] != "done":
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.wait()
    import sqlite3

    def ends() -> dict[str, float]:
        with contextlib.closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as base:
            return dict(base.execute("SELECT id, ended FROM jobs WHERE ended IS NOT NULL"))

    before = ends()
    assert 3 <= len(before) < len(ids)
    with process(tmp_path) as (_, url, lines), asking() as client:
        texts = []
        for id_ in ids:
            while (job := client.get(f"{url}/v1/jobs/{id_}").json())["status"] in ("queued", "running"):
                time.sleep(0.05)
            texts.append(job["result"]["text"])
    assert texts == [clip.recognized for clip in clips for _ in range(2)]
    after = ends()
    assert {id_: after[id_] for id_ in before} == before
    assert not list(tmp_path.glob("*.audio"))
    assert not any(KEY in line for line in lines)


@pytest.mark.slow
def test_sigterm_lets_accepted_requests_finish(clips: list[Clip], tmp_path: Path) -> None:
    answers: list[httpx.Response] = []

    def ask(url: str, clip: Clip) -> None:
        with asking() as client:
            answers.append(client.post(f"{url}/v1/audio/transcriptions", files={"file": clip.data}))

    with process(tmp_path) as (running, url, _):
        threads = [threading.Thread(target=ask, args=(url, clip)) for clip in clips]
        for thread in threads:
            thread.start()
        with asking() as client:
            while f"robustger_open_requests {len(clips)}.0" not in client.get(f"{url}/metrics").text:
                time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert running.wait(30) in (0, -signal.SIGTERM)
    assert {answer.json()["text"] for answer in answers} == {clip.text for clip in clips}


def test_wrong_settings_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for arguments, word in [
        (["--port", "70000"], "--port"),
        (["--preset", "no-such"], "no-such"),
        (["--jobs-folder", str(tmp_path / "file")], "--jobs-folder"),
    ]:
        result = CliRunner().invoke(app, ["serve", *arguments])
        assert word in str(result.exception)
    monkeypatch.setenv("ROBUSTGER_MAX_REQUESTS", "many")
    assert "ROBUSTGER_MAX_REQUESTS" in str(CliRunner().invoke(app, ["serve"]).exception)
