"""Opening files that a user named: whole or not at all, with one-line errors, "-" for the standard streams."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from robustger.errors import InputError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


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


def refuse_overwriting(target: str | Path, *sources: str | Path | None) -> None:
    """Keeps an output from taking the place of one of the files that it is made of.

    Args:
        target: the file to write, or "-" for standard output.
        sources: the files that are read; "-" and None are none.

    Raises:
        InputError: the target is one of them, under whatever name.
    """
    if str(target) == "-":
        return
    place = os.path.realpath(target)
    for source in sources:
        if source is None or str(source) == "-" or not os.path.isfile(place):  # /dev/null may be both
            continue
        if os.path.realpath(source) == place:
            raise InputError(f"{target}: is read by this command; name another output")


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

    The text goes to a temporary file in the same folder, which replaces the target at the end and is removed when the
    body raises. Devices and pipes are written directly.

    Args:
        path: the file to write, or "-" for standard output.

    Yields:
        the handle to write to.

    Raises:
        InputError: the path is a folder or read-only, its folder does not exist, or may not be written to; before the
            body runs.
    """
    if str(path) == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    target = Path(os.path.realpath(path))  # a link stays a link
    try:
        mode = target.stat().st_mode if target.exists() else None
        if target.is_dir():
            raise InputError(f"{path}: is a folder; name a file to write")
        if mode is not None and not stat.S_ISREG(mode):  # /dev/null must not be replaced
            partial, file = None, open(target, "w", encoding="utf-8", newline="\n")  # noqa: SIM115
        elif mode is not None and not mode & 0o222:
            raise InputError(f"{path}: is read-only; choose another output or change its permissions")
        else:
            partial = target.with_name(f".robustger-{secrets.token_hex(8)}.partial")
            file = open(partial, "x", encoding="utf-8", newline="\n")  # noqa: SIM115
    except FileNotFoundError:
        raise InputError(f"{path}: cannot be written: the folder {target.parent} does not exist") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written: {_reason(error)}") from None
    try:
        with file:
            yield file
        if partial is not None:
            if mode is not None:
                partial.chmod(stat.S_IMODE(mode))
            partial.replace(target)
    except BaseException as error:
        if partial is not None:
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise InputError(f"{path}: cannot be written: {_reason(error)}") from None
        raise


def _reason(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
