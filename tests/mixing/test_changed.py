"""A changed utterance or noise is mixed again, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.mixing.clean_world import run, speech, tree
from tests.mixing.test_resumed import interrupted

from robustger.audio import write_audio
from robustger.manifest import load_manifest
from robustger.mixing.output import file_name


def own_world(world: Path, tmp_path: Path) -> Path:
    """A copy whose files may be changed."""
    return Path(shutil.copytree(world, tmp_path / "world"))


def changed_lines(manifest: Path, changes: dict[int, dict[str, object]]) -> None:
    lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    for number, change in changes.items():
        lines[number] |= change
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def new_text(world: Path) -> int:
    changed_lines(world / "clean.jsonl", {0: {"text": "another sentence"}, 1: {"text": None}})
    return 2


def new_meta(world: Path) -> int:
    changed_lines(world / "clean.jsonl", {3: {"meta": {"voice": "w"}}})
    return 1


def new_times(world: Path) -> int:
    changed_lines(world / "clean.jsonl", {8: {"start": 0.3}, 7: {"end": 1.0}})
    return 2


def new_speech(world: Path) -> int:
    before = (world / "2.wav").stat()
    write_audio(world / "2.wav", speech(0.6, 77, 0.1))  # as long as it was, and no younger
    os.utime(world / "2.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (world / "2.wav").stat().st_size == before.st_size
    return 1


def new_noise(world: Path) -> int:
    write_audio(world / "noise" / "hum.flac", speech(2, 98))
    return 0  # of the utterances that the hum was drawn for


def same_speech_elsewhere(world: Path) -> int:
    (world / "2.wav").rename(world / "two.wav")
    os.utime(world / "two.wav", ns=(0, 0))
    changed_lines(world / "clean.jsonl", {2: {"audio": "two.wav"}})
    return 0


@pytest.mark.parametrize(
    ("change", "killed"),
    [
        (new_text, False),
        (new_meta, False),
        (new_times, False),
        (new_speech, False),
        (new_speech, True),
        (new_noise, False),
        (same_speech_elsewhere, False),
    ],
)
def test_what_has_changed_is_made_again_and_nothing_else(
    world: Path, tmp_path: Path, change: Callable[[Path], int], killed: bool
) -> None:
    world = own_world(world, tmp_path)
    run(world, tmp_path / "out")
    if killed:  # all is in the journal alone
        interrupted(world, tmp_path / "killed", after=9, torn=0)
        (tmp_path / "out").rename(tmp_path / "whole")
        (tmp_path / "killed").rename(tmp_path / "out")
    rows = load_manifest(tmp_path / ("whole" if killed else "out") / "manifest.jsonl")
    affected = change(world) or len({row.meta["mix"]["source_id"] for row in rows if row.noise == "hum"})
    affected = 0 if change is same_speech_elsewhere else affected
    assert affected < 9
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*")}
    summary = run(world, tmp_path / "out")
    assert (summary.mixed, summary.resumed, summary.mixtures) == (affected, 9 - affected, 18)
    written = {path.name for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert len(written) == 3 * affected  # one clean file and two mixtures of each
    run(world, tmp_path / "fresh")
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")
    assert run(world, tmp_path / "out").resumed == 9


def test_a_change_taken_back_after_a_kill_leaves_nothing_of_it(world: Path, tmp_path: Path) -> None:
    world = own_world(world, tmp_path)
    original = (world / "0.wav").read_bytes()
    run(world, tmp_path / "out")
    before = tree(tmp_path / "out")
    write_audio(world / "0.wav", speech(0.4, 77, 0.1))
    # Killed when the files of the new speech are there, and before their rows are.
    code = (
        "import os, sys\n"
        "from robustger.mixing import *\n"
        "from robustger.mixing import folder\n"
        "mixed = folder._mix_one\n"
        "folder._mix_one = lambda *given: (mixed(*given), os._exit(9))\n"
        "mix_manifest(sys.argv[1], find_noises([sys.argv[2]]), sys.argv[3], MixSettings(snrs_db=(-5.0, 5.0)))\n"
    )
    arguments = [str(world / "clean.jsonl"), str(world / "noise"), str(tmp_path / "out")]
    assert subprocess.run([sys.executable, "-c", code, *arguments], check=False).returncode == 9
    assert (
        tree(tmp_path / "out")["clean/" + file_name("s/0", "flac")]
        != before["clean/" + file_name("s/0", "flac")]
    )
    (world / "0.wav").write_bytes(original)
    assert run(world, tmp_path / "out").mixed == 1
    assert tree(tmp_path / "out") == before


def test_what_can_no_longer_be_mixed_leaves_the_manifest(world: Path, tmp_path: Path) -> None:
    world = own_world(world, tmp_path)
    run(world, tmp_path / "out")
    original = (world / "3.wav").read_bytes()
    for spoil in (lambda path: path.write_text("no audio"), Path.unlink):
        spoil(world / "3.wav")
        summary = run(world, tmp_path / "out")
        assert (summary.mixed, summary.resumed, summary.problems, summary.mixtures) == (0, 8, 1, 16)
        rows = load_manifest(tmp_path / "out" / "manifest.jsonl")
        assert "s/3" not in {row.meta["mix"]["source_id"] for row in rows}
    (world / "3.wav").write_bytes(original)
    assert run(world, tmp_path / "out").mixed == 1
    run(world, tmp_path / "fresh")
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")


def test_speech_that_got_noise_leaves_the_manifest(world: Path, tmp_path: Path) -> None:
    world = own_world(world, tmp_path)
    run(world, tmp_path / "out")
    changed_lines(world / "clean.jsonl", {5: {"noise": "rain"}})
    summary = run(world, tmp_path / "out")
    assert (summary.resumed, summary.problems, summary.mixtures) == (8, 1, 16)
    rows = load_manifest(tmp_path / "out" / "manifest.jsonl")
    assert "s/5" not in {row.meta["mix"]["source_id"] for row in rows}


def test_rows_that_do_not_say_what_they_were_made_from_are_made_again(world: Path, tmp_path: Path) -> None:
    run(world, tmp_path / "out")
    before = tree(tmp_path / "out")
    path = tmp_path / "out" / "manifest.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows[:4]:
        del row["meta"]["mix"]["made_from"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    summary = run(world, tmp_path / "out")
    assert (summary.mixed, summary.resumed) == (2, 7)
    assert tree(tmp_path / "out") == before
