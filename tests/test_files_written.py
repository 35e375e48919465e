"""Files and folders appear whole or not at all, whatever happens to the process that writes them."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from robustger.errors import InputError
from robustger.files import (
    atomic_folder,
    atomic_path,
    atomic_writer,
    exclusive,
    open_binary,
    sha256_of,
    write_bytes,
)

root_only = pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write into any folder")


def folder_of(path: Path) -> list[str]:
    return sorted(child.name for child in path.iterdir())


def started(script: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """A Python process that has printed a line, and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_an_interrupted_write_leaves_nothing_and_spares_the_old(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    for there in ([], ["out.txt"]):
        with pytest.raises(KeyboardInterrupt), atomic_writer(path) as file:  # noqa: PT012
            file.write("half")
            raise KeyboardInterrupt
        assert folder_of(tmp_path) == there
        path.write_text("old")
    assert path.read_text() == "old"


def test_a_killed_process_leaves_no_file_and_spares_the_old(tmp_path: Path) -> None:
    script = """
        import sys, time
        from robustger.files import atomic_writer
        with atomic_writer(sys.argv[1]) as file:
            file.write("half")
            file.flush()
            print("ready", flush=True)
            time.sleep(60)
    """
    new, old = tmp_path / "new.txt", tmp_path / "old.txt"
    old.write_text("old")
    for path in (new, old):
        killed(started(script, path))
    assert not new.exists()
    assert old.read_text() == "old"
    with atomic_writer(new) as file:  # what the killed process left behind is in nobody's way
        file.write("whole")
    assert new.read_text() == "whole"


def test_a_killed_process_leaves_no_folder_and_spares_the_old(tmp_path: Path) -> None:
    script = """
        import sys, time
        from robustger.files import atomic_folder
        with atomic_folder(sys.argv[1], own_file="own") as folder:
            (folder / "own").write_text("half")
            print("ready", flush=True)
            time.sleep(60)
    """
    new, old = tmp_path / "new", tmp_path / "old"
    old.mkdir()
    (old / "own").write_text("old")
    for path in (new, old):
        killed(started(script, path))
    assert not new.exists()
    assert (old / "own").read_text() == "old"


@pytest.mark.parametrize("write", ["writer", "bytes", "folder"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, write: str) -> None:
    """A limit on the size of files stands for the disk: the system refuses to write on in the same way."""
    script = """
        import resource, sys
        from robustger.errors import InputError
        from robustger.files import atomic_folder, atomic_writer, write_bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        how, path = sys.argv[1:]
        try:
            if how == "writer":
                with atomic_writer(path) as file:
                    file.write("x" * 100_000)
            elif how == "bytes":
                write_bytes(path, b"x" * 100_000)
            else:
                with atomic_folder(path, own_file="own") as folder:
                    (folder / "own").write_text("x" * 100_000)
        except InputError as error:
            print(error)
    """
    path = tmp_path / "out"
    if write == "folder":
        path.mkdir()
        (path / "own").write_text("old")
    else:
        path.write_text("old")
    command = [sys.executable, "-c", textwrap.dedent(script), write, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}: cannot be written: File too large\n"
    assert (path / "own" if write == "folder" else path).read_text() == "old"
    assert folder_of(tmp_path) == ["out"]


def test_a_complete_write_replaces_the_file_and_keeps_its_mode_and_link(tmp_path: Path) -> None:
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
    write_bytes(link, b"bytes")
    assert target.read_bytes() == b"bytes"
    assert folder_of(tmp_path) == ["link.txt", "target.txt"]


def test_a_link_to_nothing_gets_the_file_that_it_points_to(tmp_path: Path) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "target.txt")
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "target.txt").read_bytes() == b"new"


def test_a_new_file_has_the_mode_that_the_user_gives_files(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "written", b"")
    with atomic_folder(tmp_path / "folder", own_file="own") as folder:
        (folder / "own").touch()
    (tmp_path / "plain_folder").mkdir()
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in folder_of(tmp_path)}
    assert modes["written"] == modes["plain"]
    assert modes["folder"] == modes["plain_folder"]


def test_outputs_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    def attempt(path: Path) -> str:
        with pytest.raises(InputError) as caught, atomic_writer(path):
            pytest.fail("the body ran")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    read_only = tmp_path / "read_only.jsonl"
    read_only.touch(0o444)
    assert attempt(tmp_path) == f"{tmp_path}: is a folder; name a file to write"
    assert "is read-only" in attempt(read_only)
    assert "does not exist" in attempt(tmp_path / "no" / "such.jsonl")
    assert "cannot be written" in attempt(read_only / "below.jsonl")
    assert "cannot be written" in attempt(tmp_path / ("x" * 300))
    assert folder_of(tmp_path) == ["read_only.jsonl"]


@root_only
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    for manager in (atomic_writer(tmp_path / "x"), atomic_folder(tmp_path / "y", own_file="own")):
        with pytest.raises(InputError, match="cannot be written: Permission denied"), manager:
            pass


def test_a_device_is_written_to_and_not_replaced() -> None:
    with atomic_writer(os.devnull) as file:
        file.write("gone")
    write_bytes(os.devnull, b"gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True)
    with atomic_writer(pipe) as file:
        file.write("through")
    assert reader.communicate(timeout=20)[0] == "through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_standard_output_stays_open(capsys: pytest.CaptureFixture[str]) -> None:
    with atomic_writer("-") as file:
        file.write("one\n")
    print("two")
    assert capsys.readouterr().out == "one\ntwo\n"


def test_a_folder_takes_the_place_of_one_of_its_kind_and_of_no_other(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder"
    for content in ("first", "second"):
        with atomic_folder(target, own_file="own") as folder:
            (folder / "own").write_text(content)
            (folder / content).touch()
        assert folder_of(target) == sorted(["own", content])
    assert folder_of(target.parent) == ["folder"]

    somebodys = tmp_path / "thesis"
    somebodys.mkdir()
    with atomic_folder(somebodys, own_file="own") as folder:  # an empty folder is nobody's
        (folder / "chapter").touch()
    with pytest.raises(InputError, match=r"thesis: holds files, but no own; .*name another folder"):
        atomic_folder(somebodys, own_file="own").__enter__()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: a file is in the way; name a folder"):
        atomic_folder(tmp_path / "file", own_file="own").__enter__()
    assert folder_of(somebodys) == ["chapter"]


def test_an_error_spares_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with atomic_folder(target, own_file="own") as folder:
        (folder / "own").write_text("old")
    with pytest.raises(ValueError, match="broken"), atomic_folder(target, own_file="own") as folder:  # noqa: PT012
        (folder / "own").write_text("half")
        raise ValueError("broken")
    assert (target / "own").read_text() == "old"
    assert folder_of(tmp_path) == ["folder"]


def test_the_old_folder_is_put_back_if_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with atomic_folder(target, own_file="own") as folder:
        (folder / "own").write_text("old")
    with pytest.raises(FileNotFoundError), atomic_folder(target, own_file="own") as folder:
        folder.rmdir()
    assert (target / "own").read_text() == "old"
    assert folder_of(tmp_path) == ["folder"]


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "disk" / "folder", tmp_path / "link"
    with atomic_folder(target, own_file="own") as folder:
        (folder / "own").write_text("old")
    link.symlink_to(target, target_is_directory=True)
    with atomic_folder(link, own_file="own") as folder:
        (folder / "own").write_text("new")
    assert link.is_symlink()
    assert (target / "own").read_text() == "new"


def test_the_digest_of_a_file(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()
    with pytest.raises(InputError, match="cannot be read: No such file"):
        sha256_of(tmp_path / "nothing")


def test_a_lock_is_held_by_one_process_and_dies_with_it(tmp_path: Path) -> None:
    script = """
        import sys, time
        from pathlib import Path
        from robustger.files import exclusive
        with exclusive(Path(sys.argv[1]), "busy"):
            print("ready", flush=True)
            time.sleep(60)
    """
    lock = tmp_path / "lock"
    holder = started(script, lock)
    with pytest.raises(InputError, match="another process writes here"):
        exclusive(lock, "another process writes here").__enter__()
    killed(holder)
    for _ in range(2):  # it is let go when the body ends
        with exclusive(lock, "busy"):
            pass


def test_what_is_no_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a path is needed, a string or a Path, not a int"):
        open_binary(3)  # type: ignore[arg-type]
    for path, reason in (
        (tmp_path, "Is a directory"),
        (tmp_path / "no", "No such file"),
        ("a\0b", "null byte"),
    ):
        with pytest.raises(InputError, match=f"cannot be read: .*{reason}"):
            open_binary(path)
    for manager in (atomic_path("a\0b"), atomic_folder("a\0b", own_file="own")):
        with pytest.raises(InputError, match="cannot be written: embedded null byte"), manager:
            pytest.fail("the body ran")
