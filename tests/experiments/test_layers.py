"""The layers of the experiments: which room may import which, and how many imports cross rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.test_architecture import SOURCE, imported_modules

ROOT = SOURCE / "experiments"

# Every room may import itself and the rooms above it in this list. A file of the folder itself is a room of its own.
LAYERS = (
    {"conditions", "kept_embeddings", "experiment"},
    {"data"},
    {"measures"},
    {"runs"},
    {"systems"},
    {"figures"},
    {"tables"},
    {"record", "known_experiments"},
    {"perform"},
)
# What an experiment is names the type of its data; this import is for the type checker alone.
FOR_TYPES_ONLY = {("experiment", "data")}
MOST_CROSSING = 56

FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_files(path: Path) -> Iterator[Path]:
    """The files of the experiments that a file imports, each once."""
    found = set()
    for module, _ in imported_modules(path):
        parts = module.split(".")
        file = SOURCE.parent.joinpath(*parts).with_suffix(".py")
        if parts[:2] == ["robustger", "experiments"] and file.is_file() and file != path:
            found.add(file)
    yield from sorted(found)


def layer_of(room: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if room in rooms)


def test_every_room_has_a_layer() -> None:
    assert {room_of(path) for path in FILES} == set().union(*LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    for file in imported_files(path):
        one, other = room_of(path), room_of(file)
        if one != other and (one, other) not in FOR_TYPES_ONLY:
            assert layer_of(other) < layer_of(one), f"{one} must not import {other} ({file.name})"


def test_few_imports_cross_rooms() -> None:
    """Files of the folder itself, which are the ground and the entrance, count as one room."""
    crossing = [(path, file) for path in FILES for file in imported_files(path) if path.parent != file.parent]
    assert len(crossing) <= MOST_CROSSING
