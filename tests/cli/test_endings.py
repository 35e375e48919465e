"""Real commands end properly when the disk is full, a stream is closed, or somebody presses Ctrl-C.

There is one line on stderr, no traceback, and the exit code of the module docstring of `robustger.cli`.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tests.tiny_preset import save_babble
from tests.tiny_whisper import build_tiny_whisper

from robustger.cli import endings
from robustger.errors import InputError

ROBUSTGER = shlex.join([sys.executable, "-m", "robustger"])
LISTS = [{"id": str(n), "hypotheses": ["a b", "a c"], "reference": "a c"} for n in range(300)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `lists.jsonl`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Path("lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in LISTS), encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "preset"
    build_tiny_whisper(folder / "recognizer")
    settings = {"kind": "whisper", "model": "recognizer", "n": 3, "beams": 4, "options": {"device": "cpu"}}
    (folder / "recognizer.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


def ended(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Checks that a command ended with one line that says these words, and with the exit code."""
    assert result.returncode == code, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("robustger: error: ")
    for word in words:
        assert word in result.stderr


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of the shell in which `robustger` stands for the command."""
    line = command.replace("robustger", ROBUSTGER, 1)
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command", ["models list", "evaluate lists.jsonl", "corpus --list", "evaluate --help"]
)
def test_a_full_standard_output_is_one_line(folder: Path, command: str) -> None:
    result = shell(f"robustger {command} > /dev/full")
    ended(result, 2, "stdout: No space left on device", "run the command again")


@pytest.mark.parametrize("command", ["models list", "evaluate lists.jsonl --json"])
def test_a_closed_standard_output_is_one_line(folder: Path, command: str) -> None:
    ended(shell(f"robustger {command} >&-"), 2, "stdout: Bad file descriptor")


@pytest.mark.parametrize(
    "command", ["evaluate -", "import-nbest - -f kaldi", "mix - --noise hum.wav -o out", "correct - -o out"]
)
def test_a_closed_standard_input_is_one_line(folder: Path, command: str) -> None:
    save_babble(Path("hum.wav"), 0.3, 1)
    ended(shell(f"robustger {command} <&-"), 2, "stdin")
    assert not Path("out").exists()


def test_a_closed_stderr_leaves_the_result_alone(folder: Path) -> None:
    """Without care, the first file that a command opens would become its stderr."""
    result = shell("robustger evaluate lists.jsonl --html page.html --audio none --json 2>&-")
    assert result.returncode == 0
    assert json.loads(result.stdout)["utterances"] == len(LISTS)
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!")
    assert shell("robustger evaluate none.jsonl 2>&-").returncode == 2


def test_a_file_that_does_not_fit_on_the_disk_is_not_left(folder: Path) -> None:
    before = sorted(os.listdir())
    result = limited(["evaluate", "lists.jsonl", "--html", "page.html", "--audio", "none"], 4096)
    ended(result, 2, "page.html: cannot be written: File too large", "no incomplete file was left")
    assert sorted(os.listdir()) == before


def test_nbest_on_a_full_disk_keeps_what_was_finished(folder: Path, preset: Path) -> None:
    save_babble(folder / "a.wav", 0.4, 0)
    rows = [{"id": f"u{number}", "audio": "a.wav"} for number in range(40)]
    Path("m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = ["nbest", "m.jsonl", "-o", "lists2.jsonl", "--preset", str(preset), "--batch-size", "2"]
    result = limited(command, 6000)
    ended(result, 2, "File too large", "the lists that were finished are kept", "the same command goes on")
    state = json.loads(Path("lists2.jsonl.partial/state.json").read_text(encoding="utf-8"))
    assert 0 < state["units"] < 20
    assert not Path("lists2.jsonl").exists()
    again = subprocess.run(
        [sys.executable, "-m", "robustger", *command], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert len(Path("lists2.jsonl").read_text(encoding="utf-8").splitlines()) == 40


def limited(arguments: list[str], size: int) -> subprocess.CompletedProcess[str]:
    """Runs the command while no file may grow beyond so many bytes."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writes then fail as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        [sys.executable, "-m", "robustger", *arguments],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )


def test_ctrl_c_says_what_is_kept(folder: Path) -> None:
    """The command waits for standard input when it is interrupted."""
    for command, words in (
        (["evaluate", "-"], "interrupted; no incomplete file was left; run the command again"),
        (
            ["mix", "-", "--noise", "noise", "-o", "out"],
            "interrupted; the mixtures that were finished are kept",
        ),
    ):
        Path("noise").mkdir(exist_ok=True)
        save_babble(Path("noise/hum.wav"), 0.3, 1)
        process = subprocess.Popen(
            [sys.executable, "-c", READY, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)  # into the system call that reads
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (130, "")
        assert err == f"robustger: error: {words}{'' if 'again' in words else GOES_ON}\n"


GOES_ON = ", and the same command goes on from there"
# Says so on standard output when the command asks for its input.
# A shell lets what it starts in the background ignore Ctrl-C; that is undone here.
READY = """
import io, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Told(io.FileIO):
    def readinto(self, buffer):
        print("ready", flush=True)
        return super().readinto(buffer)
sys.stdin = io.TextIOWrapper(io.BufferedReader(Told(0)))
from robustger.cli import main
main()
"""


def test_an_error_that_nobody_expected_is_a_bug_in_one_line(
    robustger, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robustger.cli import evaluate

    def fail(*_: object) -> None:
        raise KeyError("no\nsuch")

    monkeypatch.setattr(evaluate, "_domain_names", fail)
    result = robustger("evaluate", "lists.jsonl")
    assert (result.code, result.out) == (3, "")
    assert result.err.count("\n") == 1
    assert "a bug in robustger: KeyError: 'no\\nsuch' (test_endings.py, line " in result.err
    monkeypatch.setenv(endings.TRACEBACK_VARIABLE, "1")
    assert "Traceback" in robustger("evaluate", "lists.jsonl").err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EACCES, "Permission denied", "x.yaml"), "x.yaml: Permission denied; "),
        (MemoryError(), "there is not enough memory; "),
    ],
)
def test_errors_of_the_system_are_one_line(
    robustger, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    from robustger.cli import evaluate

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(evaluate, "_domain_names", fail)
    result = robustger("evaluate", "lists.jsonl")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"robustger: error: {message}no incomplete file was left; run the command again\n"


def test_only_a_full_disk_adds_how_to_go_on(robustger, monkeypatch: pytest.MonkeyPatch) -> None:
    from robustger.cli import evaluate

    def fail(*_: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise InputError("out: cannot be written") from None

    monkeypatch.setattr(evaluate, "_domain_names", fail)
    assert robustger("evaluate", "x").err.endswith(
        "written; no incomplete file was left; run the command again\n"
    )
    assert "again" not in robustger("evaluate", "x", "x").err
