"""All commands share help, exit codes, one-line errors and pipes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import robustger as package
from robustger.cli import evaluate
from robustger.errors import MissingModelError, RobustGERError

COMMAND = [sys.executable, "-m", "robustger"]


def test_help_explains_the_exit_codes(robustger) -> None:
    result = robustger("--help")
    assert result.code == 0
    assert "evaluate" in result.out
    for words in ("Exit codes", "0 all went well", "2 bad input"):
        assert words in " ".join(result.out.split())


def test_version(robustger) -> None:
    assert robustger("--version").out == f"robustger {package.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["evaluate"], ["evaluate", "--nonsense", "x"], ["models", "nonsense"]]
)
def test_wrong_usage_is_2_and_leaves_stdout_alone(robustger, arguments: list[str]) -> None:
    result = robustger(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err


@pytest.mark.parametrize(
    ("error", "code"), [(MissingModelError("no such model"), 2), (RobustGERError("two left out"), 1)]
)
def test_deliberate_errors_are_one_line(
    robustger, monkeypatch: pytest.MonkeyPatch, error: RobustGERError, code: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(evaluate, "_domain_names", fail)
    result = robustger("evaluate", "a.jsonl", "b.jsonl")
    assert (result.code, result.out, result.err) == (code, "", f"robustger: error: {error}\n")


def test_a_reader_that_goes_away_is_no_error_to_shout_about() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [*COMMAND, "models", "list"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, "")


def test_ctrl_c_is_130_without_a_traceback(robustger, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "_domain_names", interrupt)
    result = robustger("evaluate", "a.jsonl", "b.jsonl")
    assert (result.code, result.out) == (130, "")
    assert "Traceback" not in result.err
