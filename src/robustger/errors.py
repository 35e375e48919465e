"""The errors robustger raises on purpose: one line that says what was wrong, where, and what to do."""

from __future__ import annotations


class RobustGERError(Exception):
    """Base of all deliberate errors; the command line prints the message and exits with `exit_code`."""

    exit_code = 1


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
