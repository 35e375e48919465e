"""The next process that writes a target clears away what a killed process left of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from robustger.files import atomic_folder, atomic_path, atomic_writer

PROGRAM = """
import os, signal, sys
from pathlib import Path
from robustger import files

target = Path(sys.argv[2])
if sys.argv[1] == "file":
    with files.atomic_writer(target) as file:
        file.write("half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "between":
    files.shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "away":
    replace = Path.replace
    def renamed(self, place):
        replace(self, place)
        os.kill(os.getpid(), signal.SIGKILL)
    Path.replace = renamed
with files.atomic_folder(target, "own") as folder:
    (folder / "own").write_text("new")
    (folder / "half").write_text("half")
    if sys.argv[1] == "folder":
        os.kill(os.getpid(), signal.SIGKILL)
"""

WAITING = """
import sys
from robustger.files import atomic_writer

with atomic_writer(sys.argv[1]) as file:
    file.write("theirs")
    print("writing", flush=True)
    sys.stdin.readline()
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signals")


def kill(how: str, target: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, how, target], check=False, capture_output=True, text=True
    )
    assert result.returncode == -9, result.stderr
    assert any(path.name != "target" for path in target.parent.iterdir())


def test_no_file_is_left_over(tmp_path: Path) -> None:
    target = tmp_path / "target"
    kill("file", target)
    kill("file", target)
    with atomic_writer(target) as file:
        file.write("x")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert target.read_text() == "x"


@pytest.mark.parametrize("how", ["folder", "between", "away"])
def test_no_folder_is_left_over(tmp_path: Path, how: str) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "own").write_text("old")
    kill(how, target)
    with atomic_folder(target, "own") as folder:
        (folder / "own").write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert [path.name for path in target.iterdir()] == ["own"]
    assert (target / "own").read_text() == "x"


def test_a_folder_that_was_moved_away_is_put_back_if_the_next_write_fails(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "own").write_text("old")
    kill("away", target)
    assert not target.exists()
    with pytest.raises(ZeroDivisionError), atomic_folder(target, "own"):
        raise ZeroDivisionError
    assert (target / "own").read_text() == "old"


def test_two_that_write_the_same_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with atomic_path(target) as one:
        with atomic_path(target) as other:
            assert one != other
            one.write_text("one")
            other.write_text("other")
        assert target.read_text() == "other"
        assert one.read_text() == "one"
    assert target.read_text() == "one"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "writing\n"
        with atomic_writer(target) as file:
            file.write("ours")
        other.stdin.write("\n")
        other.stdin.close()
        assert other.wait() == 0
    assert target.read_text() == "theirs"


def test_files_of_other_targets_and_computers_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill("file", tmp_path / "other")
    kill("file", tmp_path / "target")
    monkeypatch.setattr("platform.node", lambda: "another")
    with atomic_writer(tmp_path / "target") as file:
        file.write("x")
    assert len(list(tmp_path.iterdir())) == 3
