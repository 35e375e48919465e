"""The lists of an experiment: from a YAML file, from the folder of a laboratory, or from a folder of lists."""

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
from robustger.experiments.kept_embeddings import embeddings_sha256, kept_path
from robustger.experiments.measures.conditions import CLEAN, sentence
from robustger.files import sha256_of
from robustger.hypotheses import NBest, load_nbest
from robustger.training.lists import expanded, list_files
from robustger.yaml_files import read_yaml

LABORATORY = "corrector-more.jsonl"  # what makes a folder with lists/ a laboratory's
LAB_SNRS_DB = (0.0, 5.0, 10.0)
QUICK_LISTS = 60  # of all test sets together


class _DataFile(Section):
    """The content of a data file; patterns are relative to its folder, and may name variables of the environment."""

    train: list[str] = Field(default_factory=list)
    dev: list[str] = Field(default_factory=list)
    tests: dict[str, list[str]] = Field(min_length=1)
    clean: list[str] = Field(default_factory=list)
    snr_db: list[float] | None = None


@dataclass(frozen=True, slots=True)
class ExperimentData:
    """The files of an experiment, all N-best JSONL.

    Attributes:
        source: what the user named.
        train: lists that correctors, language models and examples are learned from.
        dev: lists that weights are tuned on.
        tests: lists that are tested on, by name.
        clean: lists of the same sentences as the tests', in clean speech.
        snrs_db: of the test lists that trained correctors are tested on; None for all of them.
        lab: whether it is a laboratory, where `make lab` can be told to make what is missing.
    """

    source: Path
    train: tuple[Path, ...]
    dev: tuple[Path, ...]
    tests: Mapping[str, tuple[Path, ...]]
    clean: tuple[Path, ...] = ()
    snrs_db: tuple[float, ...] | None = None
    lab: bool = field(default=False)

    def test_lists(self, quick: bool = False) -> dict[str, list[NBest]]:
        """The lists with a reference of every test set; `QUICK_LISTS` where those are enough, of each set its first.

        Raises:
            InputError: a file is broken, or an id is in two of its sets or files; or a set has no reference.
        """
        found = {name: with_reference(paths, f"test set {name}") for name, paths in self.tests.items()}
        _check_ids(found)
        if not quick:
            return found
        most = max(1, QUICK_LISTS // len(found))
        return {name: _first(lists, most) for name, lists in found.items()}

    def clean_lists(self) -> list[NBest]:
        """The lists in clean speech; empty where the data has none."""
        return with_reference(self.clean, "clean") if self.clean else []

    def parts(self) -> dict[str, tuple[Path, ...]]:
        """The files of every part, by what the part is called."""
        tests = {f"test set {name}": paths for name, paths in self.tests.items()}
        return {"train": self.train, "dev": self.dev, **tests, CLEAN: self.clean}

    def without_reference(self) -> tuple[str, ...]:
        """A line on each part that has lists whose reference is empty or not there: these are left out.

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
        """SHA-256 of all files and the embeddings that they name, by the path below the folder that holds all.

        So they are the same wherever that folder lies.
        """
        lists = [path.absolute() for paths in self.parts().values() for path in paths]
        named = {path.parent / name for path in lists for name in embedding_files(load_nbest(path))}
        digests = {path: sha256_of(path) for path in lists}
        digests |= {path: embeddings_sha256(path) for path in sorted(named) if kept_path(path)}
        folder = os.path.commonpath([path.parent for path in digests])
        return {path.relative_to(folder).as_posix(): digest for path, digest in digests.items()}


def load_data(source: str | Path) -> ExperimentData:
    """The data that the user named.

    Args:
        source: a YAML file (`train`, `dev`, `tests`, `clean`, `snr_db`); a laboratory's folder; or a folder of *.jsonl,
            or with a folder lists of them, each of which becomes a test set, and train*/dev* what they say.

    Raises:
        InputError: it is not there, names no lists, or is no data file.
    """
    path = Path(source)
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise InputError(f"--data {source}: not there; name a data file (YAML), or a folder of N-best lists")
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
        raise InputError(f"--data {folder}: holds no *.jsonl, nor a folder lists with some")
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
    # Where there is only a part that is called dev, as of the lists that are published without a test: it is the test.
    only = {file.stem.removesuffix(".dev").removesuffix(".val"): (file,) for file in dev}
    return ExperimentData(folder, train, dev if tests else (), tests or only)


def _is_part(file: Path, parts: tuple[str, ...]) -> bool:
    """Whether a file is called `train...jsonl` or `....train.jsonl`."""
    return file.name.startswith(parts) or file.stem.endswith(tuple(f".{part}" for part in parts))


def with_reference(paths: Iterable[Path], what: str) -> list[NBest]:
    """The lists of files that have a reference which is not empty.

    Raises:
        InputError: a file is broken, or none has one.
    """
    read = [nbest for path in paths for nbest in load_nbest(path)]
    lists = [nbest for nbest in read if has_reference(nbest)]
    if not lists:
        raise InputError(
            f"{what}: none of the {len(read)} lists has a reference; give lists with a 'reference'"
        )
    return lists


def has_reference(nbest: NBest) -> bool:
    """Whether there is one that is not empty."""
    return bool(nbest.reference and nbest.reference.strip())


def embedding_files(lists: Iterable[NBest]) -> list[str]:
    """The files of embeddings that lists name, relative to the lists' folder."""
    places = (nbest.audio_embedding for nbest in lists)
    return sorted({str(place["file"]) for place in places if place})


def lists_digest(lists: Iterable[NBest]) -> str:
    """SHA-256 of ids, hypotheses, scores and references, in order."""
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
    """Those of the first sentences: with all SNRs of a sentence, so that groups stay comparable."""
    kept: set[str] = set()
    taken: list[NBest] = []
    for nbest in lists:
        if len(taken) < most or sentence(nbest) in kept:
            kept.add(sentence(nbest))
            taken.append(nbest)
    return taken
