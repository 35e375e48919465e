"""Opens, writes, digests and locks the files and folders that a user named.

A file or folder that is written appears under its name when it is complete, or not at all. Every error is one line.
"-" stands for the standard streams.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from robustger.errors import InputError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def shown_name(path: str | Path) -> str:
    """What error messages call an input."""
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
    own = None
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
            partial, own = _own_partial(target, ".robustger-{}.partial", _open_file)
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
    finally:
        if own is not None:
            os.close(own)


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
    own = None
    try:
        target = Path(os.path.realpath(folder))
        if target.exists() and not target.is_dir():
            raise InputError(f"{folder}: a file is in the way; name a folder")
        if target.is_dir() and any(target.iterdir()) and not (target / own_file).is_file():
            raise InputError(
                f"{folder}: holds files, but no {own_file}; they would be lost: name another folder"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        partial, own = _own_partial(target, f".{target.name}.{{}}.partial", _open_folder)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be written: {_reason(error)}") from None
    old = partial.with_suffix(".old")
    try:
        if (
            own is not None and old.is_dir()
        ):  # a process was killed between the two renames of `_take_place`, or after
            if target.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.replace(target)
        yield partial
        _take_place(partial, target, old)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise InputError(f"{folder}: cannot be written: {_reason(error)}") from None
        raise
    finally:
        if own is not None:
            os.close(own)


def _own_partial(target: Path, pattern: str, open_new: Callable[[Path, int], int]) -> tuple[Path, int | None]:
    """Makes an empty file or folder beside a target, under a temporary name.

    The name depends on the target alone, so that what a killed process left is used again and does not lie around
    forever. The file or folder is locked, so that nobody takes what another process is writing; who finds it locked, or
    cannot lock, takes a random name.

    Args:
        target: what is to be replaced.
        pattern: of the temporary name, with one pair of braces.
        open_new: opens the path, which it makes where there is none, with further flags.

    Returns:
        the path, and the descriptor that holds the lock until it is closed; None where there is no lock.

    Raises:
        OSError: the folder does not exist or may not be written to.
    """
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    partial = target.with_name(pattern.format(name))
    with contextlib.suppress(
        ImportError, OSError
    ):  # what is wrong with the folder, the random name meets again
        import fcntl  # not on Windows

        descriptor = open_new(partial, os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_ours(descriptor, partial):
                _clear(partial)
                return partial, descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    partial = target.with_name(pattern.format(secrets.token_hex(8)))
    os.close(open_new(partial, os.O_EXCL))
    return partial, None


def _open_file(path: Path, flags: int) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)


def _open_folder(path: Path, flags: int) -> int:
    path.mkdir(exist_ok=not flags & os.O_EXCL)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | flags & ~os.O_EXCL)


def _is_ours(descriptor: int, path: Path) -> bool:
    """Whether the path still leads to the open file, which belongs to this user and has no other name."""
    held = os.fstat(descriptor)
    try:
        found = os.lstat(path)
    except FileNotFoundError:  # it has just become the target
        return False
    alone = stat.S_ISDIR(held.st_mode) or held.st_nlink == 1
    return os.path.samestat(held, found) and held.st_uid == os.geteuid() and alone


def _clear(path: Path) -> None:
    """Empties a file or a folder."""
    if not path.is_dir():
        os.truncate(path, 0)
        return
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _take_place(new: Path, target: Path, old: Path) -> None:
    """Moves a folder to a place where another may be, which becomes `old`, is put back if that fails, else removed."""
    if not target.exists():
        new.replace(target)
        return
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
