"""The layering of docs/explanation/architecture.md, read from the imports in the source."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "robustger"

# A room may import the rooms named behind it, itself, and nothing else of robustger.
BASE = {"batches", "errors", "files", "registry", "torch_files", "version", "yaml_files"}
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "version": set(),
    "presets": set(),
    "files": {"errors"},
    "torch_files": {"errors", "files"},
    "yaml_files": {"errors", "files"},
    "registry": {"errors"},
    "batches": set(),
    "hypotheses": BASE,
    "text": BASE,
    "audio": BASE,
    "manifest": BASE | {"hypotheses"},
    "mixing": BASE | {"hypotheses", "audio", "manifest"},
    "evaluation": BASE | {"hypotheses", "text"},
    "models": BASE,
    "corpora": BASE | {"hypotheses", "manifest", "audio", "mixing", "models"},
    "distillation": BASE,
    "recognition": BASE | {"hypotheses", "text", "audio", "manifest", "models"},
    "noise": BASE | {"hypotheses", "text", "models"},
    "correction": BASE | {"presets", "hypotheses", "text", "models", "noise"},
    "training": BASE
    | {"presets", "hypotheses", "text", "audio", "manifest", "models", "recognition"}
    | {"noise", "correction", "evaluation", "distillation"},
    "pipeline": BASE
    | {"presets", "hypotheses", "text", "audio", "manifest", "models", "recognition"}
    | {"noise", "correction", "evaluation"},
    "experiments": BASE
    | {"presets", "hypotheses", "text", "audio", "manifest", "models", "recognition"}
    | {"noise", "correction", "evaluation", "distillation", "training"},
}
# These may see all rooms.
ABOVE_ALL = {"cli", "__init__", "__main__"}

FILES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> Iterator[tuple[str, int]]:
    """Every (absolute module, line) imported in the file, at any depth, `from a import b` as both a and a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the full name"
            yield node.module or "", node.lineno
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def test_every_module_has_a_place() -> None:
    unknown = {room_of(path) for path in FILES} - set(ROOMS) - ABOVE_ALL
    assert not unknown, (
        f"give these a place in ROOMS and in docs/explanation/architecture.md: {sorted(unknown)}"
    )


def test_the_plan_has_no_cycles() -> None:
    order: list[str] = []
    for room, below in ROOMS.items():  # written bottom up
        assert below <= set(order), f"{room} imports a room that stands above it"
        order.append(room)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    if room in ABOVE_ALL:
        return
    for module, line in imported_modules(path):
        parts = module.split(".")
        if parts[0] != "robustger" or len(parts) < 2:
            continue
        assert parts[1] in ROOMS[room] | {room}, (
            f"{path.name}:{line}: {room} must not import robustger.{parts[1]}"
        )


def test_the_architecture_page_shows_every_room() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    rooms = {room_of(path) for path in FILES} - {"__main__"}
    missing = [room for room in sorted(rooms) if not re.search(rf"\b{room}\b(\.py|/)", page)]
    assert not missing, f"docs/explanation/architecture.md does not show {missing}"


def test_every_imported_package_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [
        *project["dependencies"],
        *(line for extra in extras if extra not in ("dev", "docs") for line in extras[extra]),
    ]
    declared = {canonical(re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0]) for line in lines}
    packages = importlib.metadata.packages_distributions()
    for path in FILES:
        for module, line in imported_modules(path):
            top = module.split(".")[0]
            if top == "robustger" or top in sys.stdlib_module_names:
                continue
            distributions = {canonical(name) for name in packages.get(top, [])}
            assert distributions & declared, (
                f"{path.name}:{line}: {top} is not in pyproject.toml's dependencies"
            )


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_stay_readable(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{path.name} has {lines} lines; cut it where the subject changes"
