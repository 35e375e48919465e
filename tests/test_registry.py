"""Choices by name, from this package and from packages that are really installed beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from robustger.corpora import CORPORA
from robustger.correction.baselines import BASELINES, load_baseline
from robustger.correction.guards.known_guards import GUARDS
from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.recognition import RECOGNIZERS, load_recognizer
from robustger.registry import Registry
from robustger.text import NORMALIZERS, normalize

CODE = """
import numpy as np

from robustger.corpora import Corpus, Split
from robustger.correction.guards.guard import Guard
from robustger.hypotheses import Hypothesis, Transcript
from robustger.recognition import AudioEmbedding, Recognition


class Parrot:
    window_seconds = 30.0
    pads = False
    embedding_size = 1

    def __init__(self, model, *, word="squawk"):
        self.word = word

    def recognize(self, audios, *, n=5, beams=None):
        return [Recognition((Hypothesis(self.word, -1.0),), 1, one.real) for one in self.embed(audios)]

    def embed(self, audios):
        return [AudioEmbedding(np.array([audio.size], dtype=np.float32)) for audio in audios]


class Cautious(Guard):
    pass


class Last:
    def transcribe(self, lists, **options):
        return [Transcript(one.id, one.texts[-1], one.best, one.best, "baseline", "none", 1.0) for one in lists]


def loud(text):
    return text.upper()


cage = Corpus("Cage", (Split("all", 1, "all there is"),), lambda scan: iter(()))
"""
ENTRIES = """
[robustger.recognizers]
parrot = parrot_of_tests:Parrot
whisper = parrot_of_tests:Parrot

[robustger.guards]
cautious = parrot_of_tests:Cautious

[robustger.normalizers]
loud = parrot_of_tests:loud

[robustger.baselines]
last = parrot_of_tests:Last

[robustger.corpora]
cage = parrot_of_tests:cage

[robustger.broken]
missing = parrot_of_tests:Missing
explodes = not_installed_anywhere:Thing
"""

REGISTRIES: list[Registry] = [RECOGNIZERS, GUARDS, NORMALIZERS, BASELINES, CORPORA]
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package with its metadata into a folder on the path, as pip does."""

    def put(name: str, entries: str, code: str = "", version: str = "1.5") -> Path:
        folder = tmp_path / name
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (folder / f"{name}.py").write_text(dedent(code), encoding="utf-8")
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        (info / "entry_points.txt").write_text(entries, encoding="utf-8")
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return folder

    return put


@pytest.fixture
def parrot(install: Install) -> None:
    install("parrot_of_tests", ENTRIES, CODE)


@pytest.fixture(autouse=True)
def forgets() -> Iterator[None]:
    """Takes what a test loaded out of the registries again, which belong to the whole process."""
    before = {registry.kind: dict(registry._choices) for registry in REGISTRIES}  # pyright: ignore[reportPrivateUsage]
    yield
    for registry in REGISTRIES:
        registry._choices.clear()  # pyright: ignore[reportPrivateUsage]
        registry._choices.update(before[registry.kind])  # pyright: ignore[reportPrivateUsage]
    sys.modules.pop("parrot_of_tests", None)


def test_a_recognizer_of_another_package(parrot: None) -> None:
    assert RECOGNIZERS.names() == ["whisper", "ctc", "faster-whisper", "parrot"]
    assert "parrot_of_tests" not in sys.modules  # listing names imports nothing
    recognizer = load_recognizer("parrot", "any", word="hello")
    [recognition] = recognizer.recognize([np.zeros(160, np.float32)])
    assert (recognition.hypotheses[0].text, recognition.embedding.tolist()) == ("hello", [160.0])
    with pytest.raises(InputError, match="recognizer 'parrot' has no option 'color'; choose among: word"):
        load_recognizer("parrot", "any", color="green")


def test_a_name_of_this_package_is_not_replaced(parrot: None) -> None:
    assert RECOGNIZERS.names().count("whisper") == 1
    assert RECOGNIZERS.get("whisper").__module__ == "robustger.recognition.known_recognizers"


def test_normalizers_guards_baselines_and_corpora_of_another_package(parrot: None) -> None:
    assert normalize("hello", "loud") == "HELLO"
    assert GUARDS.get("cautious").__name__ == "Cautious"
    assert [one.text for one in load_baseline("last").transcribe([NBest.from_texts("u", ["a", "b"])])] == [
        "b"
    ]
    assert CORPORA.names()[-1] == "cage"
    assert CORPORA.get("cage").title == "Cage"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing", "AttributeError: "), ("explodes", "ModuleNotFoundError: No module named 'not_installed")],
)
def test_a_broken_package_is_one_line_that_names_it(parrot: None, name: str, reason: str) -> None:
    broken: Registry[object] = Registry("thing", "robustger.broken")
    assert broken.names() == ["explodes", "missing"]
    with pytest.raises(InputError) as error:
        broken.get(name)
    message = str(error.value)
    assert message.startswith(f"thing '{name}': the package parrot_of_tests 1.5 cannot be loaded ({reason}")
    assert "\n" not in message


def test_two_packages_that_offer_one_name(install: Install) -> None:
    for number in (1, 2):
        install(f"cage{number}", f"[robustger.cages]\nround = cage{number}:thing\n", f"thing = {number}")
    cages: Registry[int] = Registry("cage", "robustger.cages")
    assert cages.names() == ["round"]
    with pytest.raises(InputError, match=r"cage 'round': cage1 1\.5 and cage2 1\.5 both offer it"):
        cages.get("round")


def test_an_unknown_name_lists_all_names(parrot: None) -> None:
    with pytest.raises(InputError, match=r"unknown recognizer 'none'; choose one of: whisper, .*, parrot"):
        RECOGNIZERS.get("none")
    own: Registry[int] = Registry("number")
    own.register("one")(1)
    assert own.get("one") == 1
    with pytest.raises(InputError, match="unknown number 'two'; choose one of: one"):
        own.get("two")
