"""Ends every command with an exit code, and with one line on stderr if something went wrong.

No exception of a command is printed as a traceback. Set the environment variable `ROBUSTGER_TRACEBACK` to get the
traceback of an error that nobody expected.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from typing import NoReturn

import typer

from robustger.errors import RobustGERError, one_line
from robustger.files import NO_ROOM

SUCCESS = 0
SKIPPED = 1
BAD_INPUT = 2
BUG = 3
INTERRUPTED = 130

TRACEBACK_VARIABLE = "ROBUSTGER_TRACEBACK"

GOES_ON = {
    "transcribe": "what was transcribed into a file or folder is kept",
    "nbest": "the lists that were finished are kept",
    "mix": "the mixtures that were finished are kept",
    "correct": "the lists that were corrected into a file are kept",
    "train": "the checkpoints are kept",
    "experiment": "the trainings and their checkpoints are kept",
}
"""The kept work of interrupted commands, for the commands that continue when they are started again."""

_STREAMS = ("stdin", "stdout", "stderr")


def run(app: typer.Typer, arguments: list[str]) -> NoReturn:
    """Runs the command line and exits.

    Args:
        app: the commands.
        arguments: what the user typed behind `robustger`.
    """
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    closed = open_closed_streams()
    try:
        code = app(args=arguments, prog_name="robustger", standalone_mode=False)
        sys.stdout.flush()  # a reader that went away, or a full disk, is noticed here and not at interpreter exit
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # nobody reads on, as in `robustger ... | head`
        code = SKIPPED
    except Exception as error:
        code = _report(error, command, closed)
    if code == INTERRUPTED:  # also typer's code for Ctrl-C
        _say(f"error: interrupted; {how_to_go_on(command)}")
    _flush_or_discard()
    sys.exit(code if isinstance(code, int) else SUCCESS)


def how_to_go_on(command: str) -> str:
    """Says what an unfinished command has kept, and what to do next."""
    if command in GOES_ON:
        return f"{GOES_ON[command]}, and the same command goes on from there"
    return "no incomplete file was left; run the command again"


def open_closed_streams() -> list[str]:
    """Opens standard streams that the caller closed (`>&-`), so that no other file takes their place.

    Reading or writing such a stream raises OSError with EBADF. Messages to a closed stderr are lost.

    Returns:
        the names of the streams that were closed.
    """
    closed = [name for name in _STREAMS if getattr(sys, name) is None]
    modes = {"stdin": ("r", os.O_WRONLY), "stdout": ("w", os.O_RDONLY), "stderr": ("w", os.O_WRONLY)}
    for name in closed:
        mode, flag = modes[name]
        setattr(sys, name, open(os.open(os.devnull, flag), mode, encoding="utf-8"))  # noqa: SIM115
    return closed


def _report(error: Exception, command: str, closed: list[str]) -> int:
    """Says in one line what went wrong.

    Returns:
        the exit code.
    """
    if isinstance(error, typer.TyperException):
        _say(f"error: {_usage(error)}")
        return BAD_INPUT
    if isinstance(error, RobustGERError):
        full = _disk_is_full(error)
        _say(f"error: {error}{f'; {how_to_go_on(command)}' if full else ''}")
        return error.exit_code
    if isinstance(error, OSError):
        _say(f"error: {_place(error, closed)}: {error.strerror or error}; {how_to_go_on(command)}")
        return BAD_INPUT
    if isinstance(error, MemoryError):
        _say(f"error: there is not enough memory; {how_to_go_on(command)}")
        return BAD_INPUT
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = " ".join(str(error).split())[:200]
    _say(
        f"error: this is a bug in robustger: {type(error).__name__}: {what} ({os.path.basename(frame.filename)}, line "
        f"{frame.lineno}); please report it, with the traceback that {TRACEBACK_VARIABLE}=1 shows"
    )
    return BUG


def _usage(error: typer.TyperException) -> str:
    """The message for a wrong option or argument, with the command that explains the right ones."""
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message}; see: {context.command_path if context is not None else 'robustger'} --help"


def _disk_is_full(error: BaseException) -> bool:
    """Whether an error comes from a write for which there was no room."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in NO_ROOM:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _place(error: OSError, closed: list[str]) -> str:
    """The file that an error of the system is about; errors without a file's name come from a standard stream."""
    if error.filename is not None:
        return str(error.filename)
    if error.errno == errno.EBADF and closed:
        return " and ".join(closed)
    return "stdout"


def _say(message: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # stderr may be full or closed as well
        typer.echo(f"robustger: {one_line(message)}", err=True)


def _flush_or_discard() -> None:
    """Keeps the interpreter from failing at its end on output that has nowhere to go."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
