"""The N-best lists of a training run, read from their files as often as they are needed; none stays in memory."""

from __future__ import annotations

import glob
import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from robustger.errors import InputError
from robustger.hypotheses import BadLine, NBest, read_numbered, stream_nbest

logger = logging.getLogger(__name__)

CHUNK_SIZE = 256  # lists that are read, embedded and checked together


def expanded(path: str) -> str:
    """Expands `~` and environment variables in a path."""
    return os.path.expandvars(os.path.expanduser(path))


def list_files(patterns: Sequence[str]) -> list[Path]:
    """The files matching the patterns, in the order of the patterns.

    Raises:
        InputError: a pattern matches no file.
    """
    files: list[Path] = []
    for pattern in patterns:
        found = sorted(glob.glob(path := expanded(pattern)))
        if not found:
            unset = "; is the variable set?" if "$" in path else ""
            raise InputError(f"data: no file matches {pattern}{unset}")
        files += map(Path, found)
    return files


def usable(nbest: NBest) -> bool:
    """Whether a list can be trained on: it has a reference that is not empty."""
    return bool(nbest.reference and nbest.reference.strip())


@dataclass(slots=True)
class TrainingLists:
    """One part of the data: the lists of its files that have a reference.

    Args:
        part: the name of the part in messages, `train` or `dev`.
        patterns: paths of N-best files, which may hold wildcards.

    Attributes:
        count: lists with a reference.
        without_reference: lists without one, which are left out.
        digest: digest of the hypotheses of the lists with a reference, in their order.

    Raises:
        InputError: a pattern matches no file, a line cannot be read or repeats an id, or no list has a reference.
    """

    part: str
    patterns: Sequence[str]
    files: list[Path] = field(init=False)
    count: int = field(init=False, default=0)
    without_reference: int = field(init=False, default=0)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        self.files = list_files(self.patterns)
        digest = hashlib.sha256()
        for file in self.files:
            for nbest in _checked(file):
                if usable(nbest):
                    self.count += 1
                    digest.update("\0".join([*nbest.texts, ""]).encode("utf-8", "surrogatepass") + b"\n")
                else:
                    self.without_reference += 1
        self.digest = digest.hexdigest()
        if self.patterns and not self.count:
            raise InputError(f"data.{self.part}: no list there has a reference")
        if self.without_reference:
            logger.warning(
                "data.%s: %d lists have no reference and are left out", self.part, self.without_reference
            )

    def __iter__(self) -> Iterator[tuple[Path, NBest]]:
        """Yields every list with a reference, after the file that holds it."""
        for file in self.files:
            for nbest in stream_nbest(file):
                if usable(nbest):
                    yield file, nbest

    def chunks(self, size: int = CHUNK_SIZE) -> Iterator[list[tuple[Path, NBest]]]:
        """Yields the same in chunks of `size`, which may reach from one file into the next."""
        lists = iter(self)
        while chunk := list(islice(lists, size)):
            yield chunk


def _checked(file: Path) -> Iterator[NBest]:
    """Yields the lists of a file, and refuses ids that occur twice."""
    lines: dict[str, int] = {}
    for line, value in read_numbered(file):
        if isinstance(value, BadLine):
            raise InputError(f"{file}:{line}: {value.message}")
        if value.id in lines:
            raise InputError(
                f"{file}:{line}: id {value.id!r} stands in line {lines[value.id]} already; make ids unique"
            )
        lines[value.id] = line
        yield value
