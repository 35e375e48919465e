"""`--llm-server` of `correct` and `transcribe`: options, exit codes, the key, and going on after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.llm_endpoint import Raw, hypotheses_of, llm_endpoint
from tests.tiny_preset import build_tiny_preset, save_babble

from robustger.correction.endpoint import remote_proposer

KEY = "sk-1234567890"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(remote_proposer, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("ROBUSTGER_LLM_KEY", KEY)
    write_lists(Path("lists.jsonl"), 3)
    return tmp_path


def text_of(row: int) -> str:
    """The text of a list, without digits, which a corrector would spell out."""
    return "half past " + "".join("abcdefghij"[int(digit)] for digit in f"{row:03}")


def write_lists(path: Path, count: int) -> None:
    rows = [
        {"id": str(row), "hypotheses": [text, text.replace("past", "passed")], "scores": [-1.0, -2.0]}
        for row in range(count)
        for text in [text_of(row)]
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def rows_of(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_correct_asks_the_server_and_names_it(
    robustger: Callable[..., Any], folder: Path, tiny_checkpoint: Path
) -> None:
    with llm_endpoint(lambda body: hypotheses_of(body)[0]) as server:
        command = ("correct", "lists.jsonl", "-o", "out.jsonl", "--checkpoint", tiny_checkpoint)
        result = robustger(
            *command, "--guard", "heard", "--llm-server", server.url, "--llm-model", "some-model"
        )
    assert result.code == 0, result.err
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    found = rows_of("out.jsonl")
    assert {row["proposer"] for row in found} == {f"some-model at {server.url}"}
    assert all("reason" not in row for row in found)
    assert KEY not in result.err + Path("out.jsonl").read_text(encoding="utf-8")


def test_a_server_that_is_away_leaves_the_recognizers_text(
    robustger: Callable[..., Any], folder: Path, tiny_checkpoint: Path
) -> None:
    with llm_endpoint(lambda body: Raw(503)) as server:
        result = robustger(
            *("correct", "lists.jsonl", "-o", "out.jsonl", "--checkpoint", tiny_checkpoint),
            *("--guard", "heard", "--llm-server", server.url, "--llm-model", "some-model"),
            *("--llm-retries", "1", "--llm-concurrency", "1"),
        )
    assert result.code == 1
    first, second, third = result.err.splitlines()
    assert (
        first
        == f"robustger: some-model at {server.url}: status 503 (after 2 tries); such lists keep the recognizer's text"
    )
    assert second.startswith("robustger: 3 lists got no answer of the language model")
    assert third.startswith("robustger: 3 lists, 0 changed")
    assert [(row["text"], row["source"]) for row in rows_of("out.jsonl")] == [
        (text_of(row), "no_answer") for row in range(3)
    ]
    assert all("status 503" in row["reason"] for row in rows_of("out.jsonl"))


def test_transcribe_asks_the_server_and_says_when_it_is_away(
    robustger: Callable[..., Any], folder: Path, tiny_checkpoint: Path
) -> None:
    preset = build_tiny_preset(folder / "preset", tiny_checkpoint)
    save_babble(folder / "a.wav", 1.5, 1)
    command = (
        "transcribe",
        "a.wav",
        "--preset",
        preset,
        "--guard",
        "edits",
        "-f",
        "json",
        "--no-find-speech",
    )
    with llm_endpoint(lambda body: hypotheses_of(body)[0]) as server:
        endpoint = ("--llm-server", server.url, "--llm-model", "some-model", "--llm-retries", "0")
        result = robustger(*command, *endpoint, "-o", "good.json")
        assert result.code == 0, result.err
    away = robustger(*command, *endpoint, "-o", "away.json")
    [good] = rows_of("good.json")[0]["segments"]
    assert good["proposer"] == f"some-model at {server.url}"
    assert away.code == 1
    assert away.err.count("such texts stay as they were recognized") == 1
    assert "1 segments without an answer of the language model" in away.err
    [kept] = rows_of("away.json")[0]["segments"]
    assert (kept["source"], kept["text"]) == ("no_answer", kept["best"])
    assert kept["reason"].startswith(f"some-model at {server.url}: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--llm-server", "http://localhost:1"), "go together"),
        (("--llm-model", "m"), "go together"),
        (("--llm-server", "localhost", "--llm-model", "m"), "--llm-server localhost: not the URL"),
        (("--llm-server", f"http://u:{KEY}@h", "--llm-model", "m"), "put a key into ROBUSTGER_LLM_KEY"),
        (("--llm-server", "http://h", "--llm-model", "m", "--llm-timeout", "0"), "a timeout of 0"),
        (("--llm-server", "http://h", "--llm-model", "m", "--guard", "none"), "guard 'none': does not judge"),
        (("--llm-server", "http://h", "--llm-model", "m", "--beams", "2"), "leave out --beams"),
    ],
)
def test_bad_options_are_one_line(
    robustger: Callable[..., Any],
    folder: Path,
    tiny_checkpoint: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
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
    result = robustger(*command, *arguments)
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert message in result.err
    assert KEY not in result.err
    assert not Path("out.jsonl").exists()


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_endpoint_only(
    robustger: Callable[..., Any], folder: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lists(Path("lists.jsonl"), 3 * 256)
    reached = threading.Event()
    running = True
    last = {text_of(row) for row in range(512, 768)}

    def reply(body: dict[str, Any]) -> Raw | str:
        text = hypotheses_of(body)[0]
        if running and text in last:  # two batches of 256 are kept by now
            reached.set()
            return Raw(503, headers={"Retry-After": "30"})
        return text

    with llm_endpoint(reply) as server:
        options = [
            *("correct", "lists.jsonl", "-o", "out.jsonl", "--checkpoint", str(tiny_checkpoint)),
            *("--guard", "edits", "--llm-server", server.url, "--llm-model"),
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "robustger", *options, "some-model"], stderr=subprocess.DEVNULL
        )
        assert reached.wait(120)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not os.path.exists("out.jsonl")
        running = False
        other = robustger(*options, "another-model")
        assert other.code == 2
        assert "llm_server" in other.err
        asked_before = len(server.bodies)
        monkeypatch.setenv("ROBUSTGER_LLM_KEY", "another-key")
        result = robustger(*options, "some-model", "--llm-timeout", "30")
        assert result.code == 0, result.err
        assert len(server.bodies) - asked_before == 256
    assert [row["generated"] for row in rows_of("out.jsonl")] == [text_of(row) for row in range(768)]
    assert all(KEY not in path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())
