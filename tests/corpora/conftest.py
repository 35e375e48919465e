from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fixtures_audio import encoded

from robustger.corpora import CorpusCheck, SplitCheck, corpus_manifest
from robustger.manifest import Utterance, load_manifest

WAV = encoded(np.linspace(-0.1, 0.1, 16, dtype=np.float32))
FLAC = encoded(np.linspace(-0.1, 0.1, 16, dtype=np.float32), kind="FLAC")


@dataclass(frozen=True, slots=True)
class Made:
    """What a corpus's folder became.

    Attributes:
        rows: the manifest, read back.
        check: what was counted.
        problems: what was reported, "place: message".
    """

    rows: list[Utterance]
    check: CorpusCheck
    problems: list[str]

    def split(self, name: str) -> SplitCheck:
        return next(split for split in self.check.splits if split.name == name)

    def ids(self) -> list[str]:
        return [row.id for row in self.rows]

    def row(self, id_: str) -> Utterance:
        return next(row for row in self.rows if row.id == id_)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Made]:
    """Makes a corpus's manifest."""

    def run(name: str, folder: Path, *splits: str, **options: Any) -> Made:
        target, problems = tmp_path / "manifest.jsonl", []
        check = corpus_manifest(
            name,
            folder,
            target,
            splits=splits,
            on_problem=lambda place, message: problems.append(f"{place}: {message}"),
            **options,
        )
        return Made(load_manifest(target), check, problems)

    return run


@pytest.fixture
def fill(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of these files: tiny recordings."""

    def write(*recordings: str, root: str = "corpus") -> Path:
        folder = tmp_path / root
        for name in recordings:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(FLAC if path.suffix == ".flac" else WAV)
        return folder

    return write


@pytest.fixture
def note() -> Callable[..., None]:
    """Writes lines to a file."""

    def write(path: Path, *lines: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    return write
