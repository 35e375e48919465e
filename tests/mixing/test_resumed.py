"""A run that was interrupted or killed goes on and ends with the same bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.mixing.clean_world import run, tree

from robustger.errors import InputError


def interrupted(world: Path, target: Path, after: int, torn: int) -> None:
    """A run that ends when `after` utterances are finished, the last bytes of its journal lost."""

    def interrupt(utterances: int) -> None:
        nonlocal after
        after -= utterances
        if after <= 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(world, target, on_progress=interrupt)
    journal = target / "rows.partial.jsonl"
    journal.write_bytes(journal.read_bytes()[: -torn or None])
    assert not (target / "manifest.jsonl").exists()


@pytest.mark.parametrize("torn", [0, 1, 30])
def test_an_interrupted_run_goes_on(world: Path, tmp_path: Path, torn: int) -> None:
    run(world, tmp_path / "whole")
    interrupted(world, tmp_path / "out", after=2, torn=torn)
    interrupted(world, tmp_path / "out", after=5, torn=0)
    summary = run(world, tmp_path / "out")
    assert (summary.mixed, summary.resumed) == (4, 5)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert run(world, tmp_path / "out").resumed == 9
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_killed_runs_end_with_the_same_bytes(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "whole")
    code = (
        "import sys, time\n"
        "from robustger.mixing import *\n"
        "mix_manifest(sys.argv[1], find_noises([sys.argv[2]]), sys.argv[3], MixSettings(snrs_db=(-5.0, 5.0)),"
        " workers=2, on_progress=lambda utterances: time.sleep(0.05))\n"
    )
    target = tmp_path / "out"
    for lines in (1, 3, 6):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(world / "clean.jsonl"), str(world / "noise"), str(target)]
        )
        journal = target / "rows.partial.jsonl"
        while process.poll() is None and (not journal.is_file() or journal.read_bytes().count(b"\n") < lines):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    (target / "noisy" / ".robustger-0123.partial").touch()  # as a kill in the middle of a file leaves it
    run(world, target)
    assert tree(target) == tree(tmp_path / "whole")


def test_lost_audio_is_made_again(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "out")
    before = tree(tmp_path / "out")
    next((tmp_path / "out" / "noisy").iterdir()).unlink()
    assert run(world, tmp_path / "out").mixed == 1
    assert tree(tmp_path / "out") == before


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs signals")
def test_a_second_process_is_refused_and_a_killed_one_followed_up(world: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    command = [sys.executable, "-m", "robustger", "mix", str(world / "clean.jsonl"), "-o", str(target)]
    command += ["--noise", str(world / "noise"), "--snr=-5,5"]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    journal = target / "rows.partial.jsonl"
    while not (journal.is_file() and journal.stat().st_size):
        assert first.poll() is None, "it was finished before it could be stopped"
        time.sleep(0.0005)
    first.send_signal(signal.SIGSTOP)
    try:
        before = tree(target)
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert tree(target) == before
    finally:
        first.kill()
        first.wait()
    message = "another run is mixing into it; wait for that one, or name another folder"
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr.splitlines()[-1] == f"robustger: error: {target}: {message}"

    third = subprocess.run(command, capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stderr
    assert "mixed, 0 there already" not in third.stderr
    run(world, tmp_path / "whole")
    assert tree(target) == tree(tmp_path / "whole")
    assert not list(target.glob(".robustger-*"))


def test_two_runs_of_one_process_are_refused_too(world: Path, tmp_path: Path) -> None:
    def again(utterances: int) -> None:
        with pytest.raises(InputError, match="another run is mixing into it"):
            run(world, tmp_path / "out")

    run(world, tmp_path / "out", on_progress=again)
    assert not list((tmp_path / "out").glob(".robustger-*"))


@pytest.mark.parametrize(
    ("name", "content"),
    [("mix.json", "null"), ("mix.json", "[" * 5000), ("manifest.jsonl", "[" * 5000 + "\n")],
)
def test_a_folder_that_was_changed_from_outside_is_refused(tmp_path: Path, name: str, content: str) -> None:
    from robustger.errors import InputError
    from robustger.mixing.output import open_output_folder

    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "mix.json").write_text('{"seed": 0}', encoding="utf-8")
    (folder / name).write_text(content, encoding="utf-8")
    with (
        pytest.raises(InputError, match="cannot be used: not what was written there"),
        open_output_folder(folder, {"seed": 0}),
    ):
        pass
