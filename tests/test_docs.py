"""The pages of the documentation: links lead somewhere, named files and tests exist, and the README stays short."""

from __future__ import annotations

import re
import shlex
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
import yaml

from robustger.cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *DOCS.rglob("*.md"),
        *(ROOT / "recipes").rglob("*.md"),
        *(ROOT / "src").rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "benchmarks/README.md")),
    ]
)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


def github_anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", plain(heading).lower()).replace(" ", "-")


def mkdocs_anchor(heading: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", plain(heading)).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())


def plain(heading: str) -> str:
    """A heading without marks of Markdown."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "").strip()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings that GitHub and mkdocs make alike."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {github_anchor(heading) for heading in headings} & {mkdocs_anchor(heading) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{named(page)}: there is no {link}"
        if anchor:
            assert anchor in anchors(target), f"{named(page)}: {link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_named_files_of_the_repository_exist(page: Path) -> None:
    inside = r"`((?:docs|lab|recipes|benchmarks|tests)/[\w./-]*\w)`"
    for path in re.findall(inside, prose(page)):
        assert (ROOT / path).exists(), f"{named(page)}: there is no {path}"
    for script in re.findall(
        r"\bpython ((?:docs|lab|benchmarks|tests)/[\w./]+\.py)", page.read_text("utf-8")
    ):
        assert (ROOT / script).is_file(), f"{named(page)}: there is no {script}"


def test_named_tests_exist() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py"))}
    files = {path.name for path in sources}
    functions = set(re.findall(r"^ *def (test_\w+)", "\n".join(sources.values()), re.MULTILINE))
    for page in PAGES:
        for name in re.findall(r"`(?:[\w/]+/)?(test_\w+(?:\.py)?)`", prose(page)):
            known = files if name.endswith(".py") else functions
            assert name in known, f"{named(page)}: there is no test {name}"


def test_code_and_scripts_name_pages_that_exist() -> None:
    for folder in ("src", "lab", "benchmarks", "recipes"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".sh", ".yaml", ".md"}:
                for page in re.findall(r"\bdocs/[\w/-]+\.md", path.read_text(encoding="utf-8")):
                    assert (ROOT / page).is_file(), f"{named(path)}: there is no {page}"


def shown_commands(page: Path) -> list[list[str]]:
    """The arguments of every call of robustger in the page's console blocks."""
    found = []
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in "".join(blocks).replace("\\\n", " ").splitlines():
        if not line.startswith("$ "):
            continue
        for part in line.removeprefix("$ ").split(" | "):
            words = shlex.split(part, comments=True)
            names = [place for place, word in enumerate(words) if Path(word).name == "robustger"]
            if names and words[0] not in {"pip", "cd", "cat"}:
                found.append(words[names[0] + 1 :])
    return found


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_shown_command_exists_with_its_options(page: Path) -> None:
    for words in filter(None, shown_commands(page)):  # robustger alone is a command, too
        command: Any = typer.main.get_command(app)
        rest = list(words)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        assert not hasattr(command, "commands"), (
            f"{named(page)}: no such command: robustger {' '.join(words)}"
        )
        options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        for word in rest:
            if re.match(r"--?[A-Za-z]", word):
                name = word.partition("=")[0]
                assert name in options, f"{named(page)}: robustger {' '.join(words)}: there is no {name}"


def test_every_page_is_in_the_navigation_once() -> None:
    source = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = re.findall(r"[\w/-]+\.md", source.partition("nav:")[2])
    assert sorted(pages) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_readme_fits_on_a_page() -> None:
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) <= 500, f"README.md has {len(words)} words"


def test_each_question_about_results_has_one_page() -> None:
    pages = sorted((DOCS / "results").glob("*.md"))
    assert len(pages) <= 7
    for page in pages:
        assert prose(page).splitlines()[0].endswith("?"), f"{named(page)}: the title is the reader's question"


def test_pictures_are_small() -> None:
    for path in [*DOCS.rglob("*.png"), *DOCS.rglob("*.svg")]:
        assert path.stat().st_size <= 150_000, f"{named(path)}: a clone carries every picture forever"


def test_mkdocs_settings_can_be_read() -> None:
    class Loose(yaml.SafeLoader):
        """Reads the tags for Python names that mkdocs allows as plain text."""

    Loose.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)
    settings = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loose)
    assert settings["strict"] is True
