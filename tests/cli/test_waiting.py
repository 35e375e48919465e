"""The command line lets waiting threads of OpenMP sleep, unless the user or a Python program decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from robustger.cli.waiting import wait_passively

CHOSEN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def test_nothing_chosen_becomes_passive() -> None:
    environment = {"PATH": "/bin"}
    wait_passively(environment)
    assert environment == {"PATH": "/bin", "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


@pytest.mark.parametrize("variable", CHOSEN)
def test_the_users_choice_stands(variable: str) -> None:
    environment = {variable: "chosen"}
    wait_passively(environment)
    assert environment == {variable: "chosen"}


def environment_after(code: str) -> dict[str, str]:
    """The variables that a fresh process holds when it ends, and whether torch was loaded when they were set."""
    program = f"import atexit, json, os\natexit.register(lambda: print(json.dumps(dict(os.environ))))\n{code}"
    clean = {key: value for key, value in os.environ.items() if key not in CHOSEN}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=clean, check=False
    )
    return json.loads(result.stdout.splitlines()[-1])


def test_the_command_line_sets_it_before_torch_is_loaded() -> None:
    found = environment_after(
        "import sys; sys.argv = ['robustger', '--version']\n"
        "from robustger.cli import main\nassert 'torch' not in sys.modules\nmain()"
    )
    assert (found["OMP_WAIT_POLICY"], found["KMP_BLOCKTIME"]) == ("PASSIVE", "0")


def test_the_package_changes_no_environment() -> None:
    assert not set(CHOSEN) & environment_after("import robustger\nfrom robustger.cli import main\n").keys()


@pytest.mark.skipif(sys.platform != "linux", reason="torch's wheels for Linux bring GNU's OpenMP")
def test_torch_takes_it() -> None:
    """GNU's OpenMP says at its start what it read."""
    code = "from robustger.cli.waiting import wait_passively\nwait_passively()\nimport torch"
    clean = {key: value for key, value in os.environ.items() if key not in CHOSEN}
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=clean | {"OMP_DISPLAY_ENV": "VERBOSE"},
        check=True,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in result.stderr
