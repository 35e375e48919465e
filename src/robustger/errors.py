"""The errors robustger raises on purpose: one line that says what was wrong, where, and what to do."""

from __future__ import annotations

MESSAGE_CHARACTERS = 1600
_END_CHARACTERS = 400  # of a message that is cut, which mostly says there what to do


def one_line(message: str) -> str:
    """A message without line breaks, cut in the middle if it is longer than `MESSAGE_CHARACTERS`.

    Messages quote what a user or a stranger gave: names of files with line breaks in them, ids of a megabyte.
    """
    if len(message) > MESSAGE_CHARACTERS:
        message = f"{message[: MESSAGE_CHARACTERS - _END_CHARACTERS]} [...] {message[-_END_CHARACTERS:]}"
    return message.replace("\r", "\\r").replace("\n", "\\n")


class RobustGERError(Exception):
    """Base of all deliberate errors; the command line prints the message and exits with `exit_code`.

    Args:
        message: is made one line; see `one_line`.
    """

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class InputError(RobustGERError):
    """The user's input (a file, a line, a key, an option) is wrong; the message names it."""

    exit_code = 2


class UnsupportedModelError(InputError):
    """The language model's family cannot carry the noise prompt; the message names the family and the reason."""


class MissingModelError(InputError):
    """A model name could not be resolved to files; the message names the command that gets them."""


class MissingExtraError(InputError):
    """An optional dependency is not installed; the message names the extra."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {package!r}: install it with: pip install 'robustger[{extra}]'"
        )
