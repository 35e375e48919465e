"""Defines a corpus: its name, its splits with their numbers of utterances, and the function that reads its folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from robustger.errors import InputError
from robustger.hypotheses import BadLine, NBest
from robustger.hypotheses.keyed import read_archive
from robustger.manifest import Utterance
from robustger.registry import Registry

# A reader yields pairs: the name of a split, and a row of it.
SplitRow: TypeAlias = "tuple[str, Utterance | NBest]"
CorpusReader: TypeAlias = "Callable[[Scan], Iterator[SplitRow]]"


@dataclass(frozen=True, slots=True)
class Split:
    """One part of a corpus.

    Attributes:
        name: the name that `--split` takes.
        expected: how many rows it has where nothing is missing; None where that is not known.
        description: one line.
        default: whether it is among those that are read when none is named.
        recipes: of clean speech, names in `robustger.mixing.RECIPES` by which the paper's sets are made of it.
    """

    name: str
    expected: int | None
    description: str
    default: bool = True
    recipes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus: its names, its splits, and the function that reads its folder.

    Attributes:
        title: its name as people write it.
        splits: its parts; no utterance is in two of them.
        read: yields the rows of the splits that a `Scan` asks for, and tells the scan what is missing or wrong; raises
            InputError where the folder is not this corpus.
        lists: whether its rows are N-best lists and not recordings.
        companion: a second folder that it needs for transcripts or clean partners, by name; None where it needs none.
    """

    title: str
    splits: tuple[Split, ...]
    read: CorpusReader
    lists: bool = False
    companion: str | None = None

    def choose(self, names: Sequence[str]) -> tuple[Split, ...]:
        """The splits with these names, each once and in the corpus's order; without names, the splits read by default.

        Raises:
            InputError: it has no split of that name.
        """
        known = [split.name for split in self.splits]
        for name in names:
            if name not in known:
                raise InputError(f"{self.title} has no split {name!r}; choose among: {', '.join(known)}")
        return tuple(split for split in self.splits if (split.name in names if names else split.default))


CORPORA: Registry[Corpus] = Registry("corpus", "robustger.corpora")


class Scan:
    """One reading of a corpus's folder: the wanted splits, and the missing and broken files found on the way.

    Attributes:
        folder: as the user named it.
        splits: names of the splits to read.
        companion: the second folder, where one was named.
        missing: by split, the names that the corpus itself mentions (in a transcript, a log, a full grid of conditions)
            and has no recording of.
        problems: the reported problems.
    """

    def __init__(
        self,
        folder: str | Path,
        splits: Sequence[str],
        companion: str | Path | None = None,
        on_problem: Callable[[str, str], None] = lambda place, message: None,
    ) -> None:
        self.folder = Path(folder)
        self.splits = tuple(splits)
        self.companion = None if companion is None else Path(companion)
        self.missing: dict[str, list[str]] = {name: [] for name in self.splits}
        self.problems = 0
        self._on_problem = on_problem

    def problem(self, place: str | Path, message: str) -> None:
        """Reports an utterance or file that is broken or left out."""
        self.problems += 1
        self._on_problem(str(place), message)

    def root(self, title: str, *inner: str, below: Sequence[str] = ()) -> Path:
        """The folder in which the corpus begins: the one that was named, or one of `below` in it.

        Args:
            title: of the corpus, for the message.
            inner: paths of which the corpus has at least one.
            below: names of folders that people, or archives, put around the corpus.

        Raises:
            InputError: none of these holds any of `inner`.
        """
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder; name the one that {title} was unpacked to")
        for base in (self.folder, *(self.folder / name for name in below)):
            if any((base / path).exists() for path in inner):
                return base
        wanted = " or ".join(inner[:3])
        raise InputError(f"{self.folder}: is not {title}: it holds no {wanted}; name the folder that does")

    def transcripts(self, path: Path) -> dict[str, str]:
        """A file of `id words` lines, as Kaldi and LibriSpeech write them; bad lines are reported, empty texts absent.

        Raises:
            InputError: the file cannot be opened.
        """
        archive = read_archive(path)
        for place, bad in archive.bad:
            self.problem(place, bad.message if isinstance(bad, BadLine) else "cannot be read")
        return {key: text for key, (_, text) in archive.values.items() if text}


def files_below(folder: Path, suffix: str) -> Iterator[Path]:
    """The files with this suffix (lower case) at any depth, in the order of their paths; hidden ones are passed over.

    Archives packed on a Mac leave `__MACOSX` folders and `._` files that are named like recordings and are none.
    """
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in sorted(files):
            if name.lower().endswith(suffix) and not name.startswith("."):
                yield Path(base, name)
