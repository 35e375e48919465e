"""Loads the lists of an experiment from a YAML file, a laboratory's folder, or a folder of lists."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from robustger.correction.config import Section, validate_config
from robustger.errors import InputError
from robustger.experiments.conditions import CLEAN, sentence
from robustger.experiments.kept_embeddings import embeddings_sha256, kept_paths
from robustger.files import sha256_of
from robustger.hypotheses import NBest, load_nbest
from robustger.training.lists import expanded, list_files
from robustger.yaml_files import read_yaml

LABORATORY = "corrector-more.jsonl"  # a folder whose lists/ holds this file is a laboratory
LAB_SNRS_DB = (0.0, 5.0, 10.0)
QUICK_LISTS = 60  # in all test sets together, for a first look


class _DataFile(Section):
    """The content of a data file. Patterns are relative to its folder and may name environment variables."""

    train: list[str] = Field(default_factory=list)
    dev: list[str] = Field(default_factory=list)
    tests: dict[str, list[str]] = Field(min_length=1)
    clean: list[str] = Field(default_factory=list)
    snr_db: list[float] | None = None


@dataclass(frozen=True, slots=True)
class ExperimentData:
    """The files of an experiment, all of them N-best JSONL.

    Attributes:
        source: the path that the user named.
        train: lists to train correctors and language models on, and to draw examples from.
        dev: lists to tune weights on.
        tests: lists to test on, by the name of the test set.
        clean: lists of the tests' sentences in clean speech.
        snrs_db: trained correctors are tested on the lists at these SNRs; None for all lists.
        lab: whether the files are a laboratory's, where `make lab` makes missing files.
    """

    source: Path
    train: tuple[Path, ...]
    dev: tuple[Path, ...]
    tests: Mapping[str, tuple[Path, ...]]
    clean: tuple[Path, ...] = ()
    snrs_db: tuple[float, ...] | None = None
    lab: bool = field(default=False)

    def test_lists(self, quick: bool = False) -> dict[str, list[NBest]]:
        """The lists of every test set that have a reference.

        Args:
            quick: whether the first lists of each set are enough, `QUICK_LISTS` in all.

        Raises:
            InputError: a file is broken, an id occurs in two sets or files, or a set has no reference.
        """
        found = {name: lists_with_reference(paths, f"test set {name}") for name, paths in self.tests.items()}
        _check_ids(found)
        if not quick:
            return found
        most = max(1, QUICK_LISTS // len(found))
        return {name: _first(lists, most) for name, lists in found.items()}

    def clean_lists(self) -> list[NBest]:
        """The lists of clean speech; empty where the data has none."""
        return lists_with_reference(self.clean, "clean") if self.clean else []

    def parts(self) -> dict[str, tuple[Path, ...]]:
        """The files of every part, by the name of the part."""
        tests = {f"test set {name}": paths for name, paths in self.tests.items()}
        return {"train": self.train, "dev": self.dev, **tests, CLEAN: self.clean}

    def without_reference(self) -> tuple[str, ...]:
        """One line for each part that holds lists without a reference; experiments leave these lists out.

        Raises:
            InputError: a file is broken.
        """
        lines = []
        for name, paths in self.parts().items():
            lists = [nbest for path in paths for nbest in load_nbest(path)]
            lacking = [nbest.id for nbest in lists if not has_reference(nbest)]
            if lacking:
                lines.append(
                    f"{name}: {len(lacking):,} of {len(lists):,} lists have no reference or an empty one, and are left "
                    f"out; the first is {lacking[0]!r}."
                )
        return tuple(lines)

    def digests(self) -> dict[str, str]:
        """The SHA-256 of all files and of the embeddings that they name.

        Each is filed under its path below the folder that holds all of them, so that the result does not depend on
        where that folder lies.
        """
        lists = [path.absolute() for paths in self.parts().values() for path in paths]
        named = {path.parent / name for path in lists for name in embedding_files(load_nbest(path))}
        digests = {path: sha256_of(path) for path in lists}
        digests |= {path: embeddings_sha256(path) for path in sorted(named) if kept_paths(path)}
        folder = os.path.commonpath([path.parent for path in digests])
        return {path.relative_to(folder).as_posix(): digest for path, digest in digests.items()}


def load_data(source: str | Path) -> ExperimentData:
    """The data that the user named.

    Args:
        source: a YAML file (`train`, `dev`, `tests`, `clean`, `snr_db`); a laboratory's folder; or a folder that holds
            *.jsonl files, itself or in its folder lists. Files called train* and dev* become those parts, and every
            other file becomes a test set.

    Raises:
        InputError: the source does not exist, names no lists, or is not a data file.
    """
    path = Path(source)
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise InputError(
            f"--data {source}: does not exist; name a data file (YAML) or a folder of N-best lists"
        )
    content = validate_config(_DataFile, read_yaml(path), str(path))

    def files(key: str, patterns: list[str]) -> tuple[Path, ...]:
        try:
            return tuple(list_files([str(path.parent / expanded(pattern)) for pattern in patterns]))
        except InputError as error:
            raise InputError(f"{path}: {key}: {str(error).removeprefix('data: ')}") from None

    return ExperimentData(
        path,
        files("train", content.train),
        files("dev", content.dev),
        {name: files(f"tests.{name}", patterns) for name, patterns in content.tests.items()},
        files("clean", content.clean),
        None if content.snr_db is None else tuple(content.snr_db),
    )


def _of_folder(folder: Path) -> ExperimentData:
    lists = folder / "lists" if (folder / "lists").is_dir() else folder
    files = sorted(lists.glob("*.jsonl"))
    if not files:
        raise InputError(f"--data {folder}: holds no *.jsonl files, and no folder lists that does")
    if (lists / LABORATORY).exists() and (lists / "test.jsonl").exists():
        return ExperimentData(
            folder,
            (lists / LABORATORY,),
            tuple(sorted(lists.glob("dev-*.jsonl"))),
            {"test": (lists / "test.jsonl",)},
            tuple(lists.glob("test-clean.jsonl")),
            LAB_SNRS_DB,
            lab=True,
        )
    train = tuple(file for file in files if _is_part(file, ("train",)))
    dev = tuple(file for file in files if _is_part(file, ("dev", "val")))
    tests = {file.stem: (file,) for file in files if file not in (*train, *dev)}
    # Some published lists have no test part: then the files called dev are the tests.
    only = {file.stem.removesuffix(".dev").removesuffix(".val"): (file,) for file in dev}
    return ExperimentData(folder, train, dev if tests else (), tests or only)


def _is_part(file: Path, parts: tuple[str, ...]) -> bool:
    """Whether a file is called `train...jsonl` or `....train.jsonl`."""
    return file.name.startswith(parts) or file.stem.endswith(tuple(f".{part}" for part in parts))


def lists_with_reference(paths: Iterable[Path], what: str) -> list[NBest]:
    """The lists of some files that have a reference which is not empty.

    Args:
        paths: N-best JSONL files.
        what: the name of the part, for error messages.

    Raises:
        InputError: a file is broken, or none of the lists has a reference.
    """
    read = [nbest for path in paths for nbest in load_nbest(path)]
    lists = [nbest for nbest in read if has_reference(nbest)]
    if not lists:
        raise InputError(
            f"{what}: none of the {len(read)} lists has a reference; give lists with a 'reference'"
        )
    return lists


def has_reference(nbest: NBest) -> bool:
    """Whether the list has a reference that is not empty."""
    return bool(nbest.reference and nbest.reference.strip())


def embedding_files(lists: Iterable[NBest]) -> list[str]:
    """The embedding files that lists name, relative to the folder of the lists."""
    places = (nbest.audio_embedding for nbest in lists)
    return sorted({str(place["file"]) for place in places if place})


def lists_digest(lists: Iterable[NBest]) -> str:
    """The SHA-256 of the lists' ids, hypotheses, scores and references, in order."""
    digest = hashlib.sha256()
    for nbest in lists:
        scores = [hypothesis.score for hypothesis in nbest.hypotheses]
        digest.update(json.dumps([nbest.id, nbest.texts, scores, nbest.reference]).encode() + b"\n")
    return digest.hexdigest()


def _check_ids(sets: Mapping[str, list[NBest]]) -> None:
    seen: dict[str, str] = {}
    for name, lists in sets.items():
        for nbest in lists:
            if (other := seen.setdefault(nbest.id, name)) is not name:
                raise InputError(
                    f"id {nbest.id!r} is in the test sets {other!r} and {name!r}; make ids unique"
                )


def _first(lists: list[NBest], most: int) -> list[NBest]:
    """The lists of the first sentences, each sentence with all of its SNRs, so that groups stay comparable."""
    kept: set[str] = set()
    taken: list[NBest] = []
    for nbest in lists:
        if len(taken) < most or sentence(nbest) in kept:
            kept.add(sentence(nbest))
            taken.append(nbest)
    return taken
