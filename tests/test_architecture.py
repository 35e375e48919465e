"""The rules of docs/explanation/architecture.md: imports between rooms, lengths of files, and unique names.

    python tests/test_architecture.py --write

draws the table of layers in the page anew, from the imports in the source.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "robustger"
PAGE = ROOT / "docs" / "explanation" / "architecture.md"

# Every room may import the ground; beside it, a room may import the rooms named here and itself. Written bottom up.
GROUND: dict[str, set[str]] = {
    "errors": set(),
    "version": set(),
    "batches": set(),
    "end_with_parent": set(),
    "files": {"errors"},
    "registry": {"errors"},
    "torch_files": {"errors", "files"},
    "yaml_files": {"errors", "files"},
}
SIGNALS = {"hypotheses", "text", "audio", "manifest", "models"}
ROOMS: dict[str, set[str]] = {
    "presets": set(),
    "hypotheses": set(),
    "text": set(),
    "audio": set(),
    "models": set(),
    "distillation": set(),
    "manifest": {"hypotheses"},
    "evaluation": {"hypotheses", "text"},
    "mixing": {"hypotheses", "audio", "manifest"},
    "corpora": {"hypotheses", "manifest", "audio", "mixing", "models"},
    "recognition": SIGNALS,
    "noise": {"hypotheses", "text", "models"},
    "correction": {"presets", "hypotheses", "text", "models", "noise"},
    "training": {*SIGNALS, "presets", "recognition", "noise", "correction", "evaluation", "distillation"},
    "experiments": {
        *(*SIGNALS, "presets", "recognition", "noise", "correction", "evaluation"),
        *("distillation", "training"),
    },
    "pipeline": {*SIGNALS, "presets", "recognition", "noise", "correction", "evaluation"},
    "service": {*SIGNALS, "presets", "recognition", "noise", "correction", "evaluation", "pipeline"},
    "cli": {
        *(*SIGNALS, "presets", "recognition", "noise", "correction", "evaluation", "mixing", "corpora"),
        *("distillation", "training", "experiments", "pipeline", "service"),
    },
}
# The public API names what every room offers, and `python -m robustger` starts the command line.
ENTRANCES = {"__init__", "__main__"}

MOST_LINES = 400
# Names that may be defined in several modules, because each means the same thing in its own place.
SHARED_NAMES = {
    *("logger", "app", "main", "router", "T"),
    *("TITLE", "CHANNELS", "NOISES", "SETS", "SNRS_DB"),  # of the corpus that a module of `corpora` reads
}

FILES = sorted(SOURCE.rglob("*.py"))
TEST_FILES = sorted((ROOT / "tests").rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported_modules(path: Path) -> Iterator[tuple[str, int]]:
    """Every (absolute module, line) imported in the file, at any depth, `from a import b` as both a and a.b."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the full name"
            yield node.module or "", node.lineno
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def imported_rooms(path: Path) -> Iterator[tuple[str, int]]:
    """Every (room, line) that the file imports from, its own room left out."""
    for module, line in imported_modules(path):
        parts = module.split(".")
        if parts[0] == "robustger" and len(parts) > 1 and parts[1] != room_of(path):
            yield parts[1], line


def arrows() -> dict[str, set[str]]:
    """The rooms that every room imports today, without the ground."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path in FILES:
        if room_of(path) in ROOMS:
            found[room_of(path)] |= {room for room, _ in imported_rooms(path) if room in ROOMS}
    return found


def layers() -> dict[str, int]:
    """The layer of every room: one above the highest room that it imports."""
    found: dict[str, int] = {}
    imports = arrows()
    for room in ROOMS:  # bottom up, so what is imported has its layer already
        found[room] = 1 + max((found[below] for below in imports[room]), default=0)
    return found


def drawn_layers() -> str:
    """The table of layers in Markdown, highest layer first."""
    imports, layer = arrows(), layers()
    lines = ["| layer | room | imports, beside the ground |", "|---:|:--|:--|"]
    for room in sorted(ROOMS, key=lambda room: (-layer[room], room)):
        below = ", ".join(
            f"`{name}`" for name in sorted(imports[room], key=lambda name: (-layer[name], name))
        )
        lines.append(f"| {layer[room]} | `{room}` | {below or 'nothing'} |")
    lines.append(f"| 0 | {', '.join(f'`{name}`' for name in sorted(GROUND))} | the ground: each other only |")
    return "\n".join(lines)


def with_layers(page: str) -> str:
    """The page with the table of layers drawn anew between its two marks."""
    begin, end = "<!-- layers: drawn by tests/test_architecture.py -->", "<!-- layers: end -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{drawn_layers()}\n\n{end}{after}"


def test_every_module_has_a_place() -> None:
    unknown = {room_of(path) for path in FILES} - set(ROOMS) - set(GROUND) - ENTRANCES
    assert not unknown, (
        f"give these a place in ROOMS and in docs/explanation/architecture.md: {sorted(unknown)}"
    )


def test_the_plan_has_no_cycles() -> None:
    for plan in (GROUND, ROOMS):
        order: list[str] = []
        for room, below in plan.items():  # written bottom up
            assert below <= set(order), f"{room} imports a room that stands above it"
            order.append(room)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    if room in ENTRANCES:
        return
    allowed = GROUND[room] if room in GROUND else ROOMS[room] | set(GROUND)
    for below, line in imported_rooms(path):
        assert below in allowed, f"{path.name}:{line}: {room} must not import robustger.{below}"


def test_the_page_shows_the_layers_of_today() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_layers(page), (
        "the table of layers has changed; draw it anew: python tests/test_architecture.py --write"
    )


def test_the_page_describes_every_room_and_three_of_its_files() -> None:
    page = PAGE.read_text(encoding="utf-8")
    described = {}
    for room, files in re.findall(r"^\| `(\w+)/?(?:\.py)?` \|[^|]*\| ([^|]*) \|$", page, re.MULTILINE):
        described[room] = re.findall(r"`([\w/]+\.(?:py|jsonl|yaml))`", files)
    folders = {room for room in ROOMS if (SOURCE / room).is_dir()}
    assert folders <= set(described), f"describe these rooms: {sorted(folders - set(described))}"
    for room in folders:
        assert 1 <= len(described[room]) <= 3, f"{room}: name the one to three files that a newcomer needs"
        missing = [name for name in described[room] if not (SOURCE / room / name).is_file()]
        assert not missing, f"{room}: the page names files that are not there: {missing}"


def test_the_functions_that_the_page_names_exist_and_stand_once_in_each_list() -> None:
    for title, section in re.findall(
        r"^#+ (.*?)\n(.*?)(?=^#|\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        named = re.findall(r"`([\w/]+\.py)::([\w.]+)`", section)
        twice = {name for name in named if named.count(name) > 1}
        assert not twice, f"{title}: named more than once: {sorted(twice)}"
        for file, name in named:
            path = SOURCE / file
            assert path.is_file(), f"{title}: there is no {file}"
            assert name in definitions(path), f"{title}: {file} does not define {name}"


def definitions(path: Path) -> set[str]:
    """Functions, classes and module constants of the file, methods as `Class.method`."""
    found: set[str] = set()
    for node in tree_of(path).body:
        found |= set(names_of(node))
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for inner in node.body for name in names_of(inner)}
    return found


def names_of(node: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def test_no_name_is_defined_for_two_things() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for node in tree_of(path).body:
            for name in names_of(node):
                command = room_of(path) == "cli" and isinstance(node, ast.FunctionDef)
                if not name.startswith("_") and not command:  # a command is called as what it runs
                    homes[name].append(str(path.relative_to(SOURCE)))
    twice = {name: files for name, files in homes.items() if len(files) > 1 and name not in SHARED_NAMES}
    assert not twice, (
        f"these names are defined in several modules; rename what differs, share what is one: {twice}"
    )


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


@pytest.mark.parametrize("path", FILES + TEST_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{path.name} has {lines} lines; cut it where the subject changes"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(with_layers(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(drawn_layers())
