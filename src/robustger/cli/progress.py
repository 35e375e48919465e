"""Shows on stderr how far a command is: a progress bar on a terminal, and lines above it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from robustger.errors import one_line
from robustger.files import open_binary

if TYPE_CHECKING:
    from tqdm import tqdm


def progress(what: str, unit: str, **settings: Any) -> tqdm[Any]:
    """A progress bar on stderr; it is not shown when stderr is not a terminal.

    Args:
        what: what the command is doing, such as "correcting".
        unit: what is counted, in the plural.
        settings: further arguments of `tqdm.tqdm`, such as `total`.
    """
    from tqdm import tqdm

    return tqdm(desc=what, unit=f" {unit}", disable=None, **settings)


def say(message: str) -> None:
    """Writes a line to stderr, above the progress bar if there is one. A message that is too long is cut."""
    from tqdm import tqdm

    tqdm.write(f"robustger: {one_line(message)}", file=sys.stderr)


def count_lines(path: str, bar: tqdm[Any]) -> None:
    """Gives a bar the number of lines that are not blank, so that it shows the total and the time left.

    Args:
        path: a JSON Lines file; nothing is counted in "-", which can be read only once.
        bar: nothing is counted for a bar that is not shown.

    Raises:
        InputError: the file cannot be read.
    """
    if path == "-" or bar.disable:
        return
    with open_binary(path) as file:
        bar.total = sum(1 for line in file if line.strip())
    bar.refresh()
