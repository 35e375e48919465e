"""Opens, writes, digests and locks the files and folders that a user named.

A file or folder that is written appears under its name when it is complete, or not at all. Every error is one line.
"-" stands for the standard streams.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from robustger.errors import InputError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def shown_name(path: str | Path) -> str:
    """The name of an input in error messages."""
    return "stdin" if str(path) == "-" else str(path)


def open_binary(path: str | Path) -> BinaryIO:
    """Opens a file for reading; "-" is standard input.

    Raises:
        InputError: no such file, a folder, no permission, or no path at all.
    """
    if not isinstance(path, str | os.PathLike):  # an integer would be opened as a descriptor
        raise InputError(f"a path is needed, a string or a Path, not a {type(path).__name__}")
    try:
        if str(path) == "-":
            return sys.stdin.buffer
        return open(path, "rb")
    except (OSError, ValueError) as error:
        raise InputError(f"{shown_name(path)}: cannot be read: {_reason(error)}") from None


def check_readable(*paths: str | Path | None) -> None:
    """Checks that files can be opened for reading, before anything that takes long is begun.

    Args:
        paths: the files; "-" and None are passed over.

    Raises:
        InputError: as for `open_binary`, for the first file that cannot be opened.
    """
    for path in paths:
        if path is not None and str(path) != "-":
            open_binary(path).close()


def refuse_overwriting(target: str | Path, *sources: str | Path | None) -> None:
    """Keeps an output from taking the place of one of the files that it is made of.

    Args:
        target: the file to write, or "-" for standard output.
        sources: the files that are read. "-" is standard input, which may be redirected from a file. None is passed
            over.

    Raises:
        InputError: the target is one of the sources, by its name, a symbolic link or a hard link.
    """
    if str(target) == "-" or (identity := file_identity(target)) is None:
        return
    for source in sources:
        if source is not None and file_identity(source) == identity:
            raise InputError(f"{target}: is read by this command; name another output")


def file_identity(path: str | Path) -> tuple[int, int] | None:
    """The device and the inode of a file, which all of its names share; "-" is standard input.

    Returns:
        None where there is no such file, and for everything but a regular file: /dev/null may be read and written.
    """
    try:
        status = os.fstat(sys.stdin.fileno()) if str(path) == "-" else os.stat(path)
    except (OSError, ValueError, AttributeError):  # AttributeError: there is no stdin
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


@contextlib.contextmanager
def closing_unless_stdin(file: BinaryIO) -> Iterator[BinaryIO]:
    """Closes the file at the end, but not a standard stream that others may go on to use."""
    try:
        yield file
    finally:
        if file is not sys.stdin.buffer:
            file.close()


@contextlib.contextmanager
def atomic_writer(path: str | Path) -> Iterator[TextIO]:
    """A UTF-8 text file that appears under its name when it is complete, or not at all.

    Args:
        path: the file to write, or "-" for standard output. Devices and pipes are written directly.

    Yields:
        the handle to write to.

    Raises:
        InputError: the path is a folder or read-only, its folder does not exist, or may not be written to; before the
            body runs. There is no room on the disk; after it ran.
    """
    if str(path) == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    with atomic_path(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        yield file


def write_bytes(path: str | Path, content: bytes | memoryview) -> None:
    """Writes a file whole, or not at all.

    Raises:
        InputError: as for `atomic_writer`.
    """
    with atomic_path(path) as partial:
        partial.write_bytes(content)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the body ends, and is removed when it raises.

    The path lies in the same folder as the target. A device or a pipe is its own path, because a file must not take its
    place. A link stays a link: the file that it points to is replaced.

    Args:
        path: the file to write.

    Yields:
        the path of an empty file.

    Raises:
        InputError: as for `atomic_writer`.
    """
    try:
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode if target.exists() else None
        if target.is_dir():
            raise InputError(f"{path}: is a folder; name a file to write")
        if mode is not None and not stat.S_ISREG(mode):  # /dev/null must not be replaced
            partial = target
        elif mode is not None and not mode & 0o222:
            raise InputError(f"{path}: is read-only; choose another output or change its permissions")
        else:
            partial = _temporary(target, "partial")
            partial.touch(exist_ok=False)
    except FileNotFoundError:
        raise InputError(f"{path}: cannot be written: the folder {target.parent} does not exist") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written: {_reason(error)}") from None
    try:
        yield partial
        if partial != target:
            if mode is not None:
                partial.chmod(stat.S_IMODE(mode))
            partial.replace(target)
    except BaseException as error:
        if partial != target:
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise InputError(f"{path}: cannot be written: {_reason(error)}") from None
        raise


@contextlib.contextmanager
def atomic_folder(folder: str | os.PathLike[str], own_file: str) -> Iterator[Path]:
    """A new folder, which takes the place of `folder` when the body ends, and is removed when it raises.

    A link stays a link: the folder that it points to is replaced. If the new folder cannot take its place, the old one
    is put back.

    Args:
        folder: the folder to write.
        own_file: a file that every folder of this kind holds. A folder that holds files, but not this one, is somebody
            else's and is not replaced.

    Yields:
        the folder to write into. It lies beside `folder`.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    try:
        target = Path(os.path.realpath(folder))
        if target.exists() and not target.is_dir():
            raise InputError(f"{folder}: a file is in the way; name a folder")
        if target.is_dir() and any(target.iterdir()) and not (target / own_file).is_file():
            raise InputError(
                f"{folder}: holds files, but no {own_file}; they would be lost: name another folder"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = _temporary(target, "partial")
        partial.mkdir()
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be written: {_reason(error)}") from None
    try:
        yield partial
        _take_place(partial, target)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise InputError(f"{folder}: cannot be written: {_reason(error)}") from None
        raise


def _temporary(target: Path, kind: str) -> Path:
    """A new name beside a target, for this process.

    Args:
        target: what is to be replaced.
        kind: `partial`, or `old` for a folder that waits until another has taken its place.
    """
    clear_leftovers(target)
    return target.with_name(f"{_prefix(target)}{os.getpid()}-{secrets.token_hex(4)}.{kind}")


def clear_leftovers(target: Path) -> None:
    """Removes what killed processes left of a target, and puts a folder back that one of them had moved away.

    Only what processes of this computer left is known as such: another computer may be writing the same target into a
    shared folder.
    """
    prefix = _prefix(target)
    for left in target.parent.glob(f"{prefix}*.*"):
        process = left.name.removeprefix(prefix).partition("-")[0]
        if not process.isdecimal() or _is_alive(int(process)):
            continue
        with contextlib.suppress(OSError):  # another process may clear it away, too
            if (
                left.suffix == ".old" and not target.exists()
            ):  # killed between the two renames of `_take_place`
                left.replace(target)
            elif left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()


def _prefix(target: Path) -> str:
    """How the temporary names of a target on this computer begin."""
    place = hashlib.sha256(os.fsencode(f"{platform.node()}/{target.name}")).hexdigest()[:16]
    return f".robustger-{place}-"


def _is_alive(process: int) -> bool:
    """Whether a process of this computer may still be running; a system that cannot tell says yes."""
    if sys.platform == "win32":  # where os.kill ends the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _take_place(new: Path, target: Path) -> None:
    """Moves a folder to its place. A folder that was there is removed afterwards, or put back if moving fails."""
    if not target.exists():
        new.replace(target)
        return
    old = _temporary(target, "old")
    target.replace(old)
    try:
        new.replace(target)
    except BaseException:
        old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits.

    Raises:
        InputError: the file cannot be read.
    """
    with open_binary(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a BinaryIO can readinto


@contextlib.contextmanager
def exclusive(lock: Path, busy: str | None = None) -> Iterator[None]:
    """Holds a lock for this process alone, and lets it go when the body ends or the process dies.

    Args:
        lock: the lock's file; its folder must exist.
        busy: the error message for the case that another process holds the lock; None waits until the lock is free.

    Raises:
        InputError: another process holds the lock.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock)
    try:
        held.acquire(timeout=-1 if busy is None else 0)
    except Timeout:
        raise InputError(busy) from None
    try:
        yield
    finally:
        held.release()


def _reason(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
