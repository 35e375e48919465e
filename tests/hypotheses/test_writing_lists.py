"""N-best lists are written whole, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.hypotheses.generated_lists import GOOD

from robustger.errors import InputError
from robustger.hypotheses import (
    NBest,
    atomic_writer,
    save_nbest,
)


def folder_of(path: Path) -> list[str]:
    return sorted(child.name for child in path.iterdir())


def test_an_interrupted_write_leaves_nothing_and_spares_the_old(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt), atomic_writer(path) as file:  # noqa: PT012
        file.write("half")
        raise KeyboardInterrupt
    assert folder_of(tmp_path) == []
    path.write_text("old")
    with pytest.raises(InputError, match="'bad' cannot be written as JSON"):
        save_nbest([NBest.from_dict(GOOD), NBest.from_texts("bad", ["a"], meta={"x": {1, 2}})], path)
    assert path.read_text() == "old"
    assert folder_of(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("meta", [{"x": float("nan")}, {"x": "\ud800"}])
def test_what_is_not_json_is_not_written(tmp_path: Path, meta: dict):
    with pytest.raises(InputError, match="'x' cannot be written as JSON"):
        save_nbest([NBest.from_texts("x", ["a"], meta=meta)], tmp_path / "out.jsonl")
    assert folder_of(tmp_path) == []


def test_a_complete_write_replaces_the_file_and_keeps_its_mode_and_link(tmp_path: Path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    with atomic_writer(link) as file:
        file.write("new\n")
        assert target.read_text() == "old"
    assert target.read_text() == "new\n"
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert folder_of(tmp_path) == ["link.txt", "target.txt"]


def test_outputs_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path):
    def attempt(path: Path) -> str:
        with pytest.raises(InputError) as caught, atomic_writer(path):
            pytest.fail("the body ran")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    read_only = tmp_path / "read_only.jsonl"
    read_only.touch(0o444)
    assert attempt(tmp_path) == f"{tmp_path}: is a folder; name a file to write"
    assert "is read-only" in attempt(read_only)
    assert "folder" in attempt(tmp_path / "no" / "such.jsonl")
    assert "does not exist" in attempt(tmp_path / "no" / "such.jsonl")
    assert "cannot be written" in attempt(read_only / "below.jsonl")
    assert folder_of(tmp_path) == ["read_only.jsonl"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write into any folder")
def test_a_read_only_folder_is_refused(tmp_path: Path):
    tmp_path.chmod(0o555)
    with (
        pytest.raises(InputError, match="cannot be written: Permission denied"),
        atomic_writer(tmp_path / "x"),
    ):
        pass


def test_a_device_is_written_to_and_not_replaced():
    with atomic_writer(os.devnull) as file:
        file.write("gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
