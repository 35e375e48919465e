from __future__ import annotations

import base64
import hashlib
import html.parser
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from robustger.audio import read_audio
from robustger.errors import InputError
from robustger.evaluation import evaluate, evaluate_domains
from robustger.evaluation.page import PageUtterance, embedded, linked, write_page
from robustger.evaluation.page.markup import element, escaped
from robustger.hypotheses import NBest

HOSTILE = '<script>alert("1")</script>'
VOID = {"meta", "img", "input"}


class Page(html.parser.HTMLParser):
    """The elements of a page: (name, attributes, text directly in it), and whether they close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self.open: list[int] = []
        self.parents: list[tuple[int, int]] = []  # positions of an element and of the one around it
        self.feed(text)
        self.close()
        assert not self.open, "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))
        if self.open:
            self.parents.append((len(self.elements) - 1, self.open[-1]))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.elements[self.open[-1]][2].append(data)

    @property
    def style(self) -> str:
        [(_, style)] = self.all("style")
        return style

    def all(self, name: str, **attributes: str) -> list[tuple[dict[str, str], str]]:
        wanted = {key.removesuffix("_"): value for key, value in attributes.items()}
        return [
            (found, "".join(text))
            for tag, found, text in self.elements
            if tag == name and wanted.items() <= found.items()
        ]


LISTS = [
    NBest.from_texts(
        "a", ["we met in roam", "we met in rome"], reference="we met in rome", meta={"noise": "car"}
    ),
    NBest.from_texts("b", ["good day to you", "good days"], reference="good day to", meta={"noise": HOSTILE}),
    NBest.from_texts("c", ["it goes"], reference="so it goes"),
    NBest.from_texts("d", ["no reference"]),
]
CORRECTIONS = {"a": "we met in rome", "b": "good days to", "c": "it goes"}


def written(path: Path, lists: list[NBest], corrections: dict[str, str] | None, **settings_) -> Page:
    by = settings_.get("by", ())
    report = evaluate(lists, corrections, by=by, resamples=20)
    rows = [PageUtterance(nbest, (corrections or {}).get(nbest.id)) for nbest in lists]
    write_page(path, report, rows, title="Evaluation of lists", **settings_)
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return written(tmp_path_factory.mktemp("page") / "page.html", LISTS, CORRECTIONS, by=["noise"])


def test_every_utterance_has_a_row_that_can_be_sorted(page: Page):
    rows = page.all("tr")
    kinds = [found["data-kinds"] for found, _ in rows if "data-kinds" in found]
    assert kinds == ["better changed", "equal changed", "equal"]
    values = [found["data-value"] for found, _ in page.all("td") if "data-value" in found]
    # id, group's rank, words, errors of the 1-best and of the correction, change
    assert values[:6] == ["a", "1", "4", "1", "0", "-1"]
    assert values[6:12] == ["b", "0", "3", "1", "1", "0"]
    headers = [text for _, text in page.all("button")]
    assert headers == ["utterance", "noise", "words", "1\u2011best errors", "corrected errors", "change"]


def test_the_differing_words_are_marked(page: Page):
    marked = [
        (name, found["class"], text) for name in "bs" for found, text in page.all(name) if found.get("title")
    ]
    assert marked == [
        ("b", "wrong", "roam"),
        ("b", "fixed", "rome"),
        ("b", "wrong", "you"),
        ("b", "broken", "days"),
        ("s", "wrong", "so"),
    ]
    titles = [found["title"] for name in "bs" for found, _ in page.all(name) if "title" in found]
    assert titles == ["reference: rome", "before: roam", "not in the reference", "reference: day", "missing"]
    names = [text for _, text in page.all("span", class_="system")]
    expected = ["1-best", "corrected", "reference"]
    assert names == [*expected, *expected, "1-best, corrected", "reference"]


def test_figures_and_plots_are_in_it(page: Page):
    titles = [text for _, text in page.all("h3")]
    assert titles == [
        "WER in %",
        "WER in %, normalizer raw",
        "WER in %, normalizer number",
        "Words fixed and broken, normalizer number",
    ]
    pictures = page.all("img")
    assert len(pictures) == 3
    for found, _ in pictures:
        kind, _, content = found["src"].partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert base64.b64decode(content).startswith(b"<?xml")
        assert found["alt"]
    assert "1-best" in [text for _, text in page.all("th")]
    assert "rome <- roam" in [text for _, text in page.all("td")]


def test_a_phone_shows_all_of_it(page: Page):
    """The width is the phone's; what is wider scrolls in a box of its own, and a number in a card has its name."""
    [viewport] = [found for found, _ in page.all("meta") if found.get("name") == "viewport"]
    assert viewport["content"] == "width=device-width, initial-scale=1"
    tables, boxes = page.all("table"), page.all("div", class_="scroll") + page.all("div", class_="utterances")
    assert len(tables) == len(boxes) > 1
    parents = dict(page.parents)
    for number, (tag, _, _) in enumerate(page.elements):
        if tag in ("table", "img"):
            box = page.elements[parents[number]][1]["class"]
            assert re.search(rf"\.{box} {{ overflow-x: auto; }}", page.style), box
    heads = [text.replace("\u2011", "-") for _, text in page.all("button")]
    labels = [found["data-label"] for found, _ in page.all("td", class_="number")]
    assert set(labels) == set(heads) - {"utterance", "domain"}
    assert "content: attr(data-label)" in page.style


def test_nothing_is_fetched_from_outside(page: Page):
    [(meta, _)] = [one for one in page.all("meta") if one[0].get("http-equiv") == "Content-Security-Policy"]
    [(_, script)] = page.all("script")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert meta["content"].startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}';" in meta["content"]
    assert "http" not in meta["content"]
    assert not page.all("link")
    for _, attributes, _ in page.elements:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert not re.match(r"\w*:?//", attributes.get(name, ""))
    [(_, style)] = page.all("style")
    assert "url(" not in style
    assert "@import" not in style


def test_texts_of_users_stay_texts(tmp_path: Path):
    texts = [
        HOSTILE,
        '" onmouseover="alert(1)',
        "</script><img src=x onerror=alert(1)>",
        "&lt;b&gt;",
        "${title}",
    ]
    lists = [
        NBest.from_texts(text, [text, "x"], reference=f"{text} y", meta={"noise": text}) for text in texts
    ]
    found = written(
        tmp_path / "p.html",
        lists,
        {text: f"z {text}" for text in texts},
        by=["noise"],
        players={"": lambda nbest: f"{nbest.id}.wav"},
    )
    assert len(found.all("script")) == 1
    assert len(found.all("img")) == 3
    for _, attributes, _ in found.elements:
        assert not any(name.startswith("on") for name in attributes)
    assert [text for _, text in found.all("div", class_="id")] == texts
    assert [attributes["src"] for attributes, _ in found.all("audio")] == [f"{text}.wav" for text in texts]
    first_hypotheses = [text for _, text in found.all("li")][::2]
    assert first_hypotheses == texts


@settings(max_examples=200)
@given(st.text(), st.text())
def test_any_text_comes_back_from_markup(text: str, value: str):
    [(_, attributes, content)] = Page(str(element("p", text, title=value))).elements
    assert "".join(content) == text
    assert attributes == {"title": value}


def test_half_a_character_can_be_written():
    assert escaped("a\ud800") == "a?"


def test_without_corrections(tmp_path: Path):
    found = written(tmp_path / "p.html", LISTS, None)
    assert len(found.all("img")) == 1
    assert not found.all("select")
    assert [text for _, text in found.all("button")] == ["utterance", "words", "1\u2011best errors"]


def test_domains_another_system_and_characters(tmp_path: Path):
    lists = {"x": LISTS[:2], "<y>": LISTS[2:]}
    corrections = {name: {nbest.id: nbest.best for nbest in part} for name, part in lists.items()}
    report = evaluate_domains(lists, corrections, ["raw"], against=corrections, unit="char", resamples=20)
    rows = [
        PageUtterance(nbest, nbest.best, "so it went", name) for name, part in lists.items() for nbest in part
    ]
    write_page(tmp_path / "p.html", report, rows, title="two")
    found = Page((tmp_path / "p.html").read_text(encoding="utf-8"))
    headers = [text for _, text in found.all("button")]
    assert headers == [
        "utterance",
        "domain",
        "characters",
        "1\u2011best errors",
        "against errors",
        "corrected errors",
        "change",
    ]
    assert "By domain" in [text for _, text in found.all("h2")]
    assert "<y>" in [text for _, text in found.all("td")]
    assert "CER in %, normalizer raw" in [text for _, text in found.all("h3")]


def test_of_many_utterances_those_that_were_changed_most_are_shown(tmp_path: Path):
    truth = "a b c d"
    bests = ["a b c d", "x x c d", "a b c x", "a b c d", "x x x x"]
    lists = [NBest.from_texts(str(number), [best], reference=truth) for number, best in enumerate(bests)]
    corrections = {"0": "y y y d", "1": "x x c d", "2": truth, "3": truth, "4": "x x x x"}
    report = evaluate(lists, corrections, resamples=20)
    rows = [PageUtterance(nbest, corrections[nbest.id]) for nbest in lists]
    result = write_page(tmp_path / "p.html", report, rows, title="many", shown=3)
    assert (result.shown, result.utterances) == (3, 5)
    found = Page((tmp_path / "p.html").read_text(encoding="utf-8"))
    assert [text for _, text in found.all("div", class_="id")] == ["0", "2", "4"]
    assert any("3 of 5 utterances" in text for _, text in found.all("p"))


def test_figures_without_a_value_and_letters_of_other_scripts(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
):
    lists = [
        NBest.from_texts("a", ["x"], reference="", meta={"noise": "地铁"}),
        NBest.from_texts("b", ["y z"], reference="y", meta={"noise": "$car$"}),
    ]
    found = written(tmp_path / "p.html", lists, {"a": "x", "b": "y"}, by=["noise", "length:0"])
    assert [text for _, text in found.all("i", class_="empty")] == ["empty"]
    plots = [base64.b64decode(found["src"].partition(",")[2]).decode() for found, _ in found.all("img")]
    assert len(plots) == 4
    assert "地铁 (1)" in plots[1]
    assert "$car$ (1)" in plots[1]
    assert not written(tmp_path / "p.html", lists[:1], None, by=["noise"]).all("select")
    assert not [str(warning.message) for warning in recwarn]


def test_many_groups_are_a_table_only(tmp_path: Path):
    lists = [NBest.from_texts(str(n), ["x"], reference="x", meta={"speaker": n}) for n in range(41)]
    assert len(written(tmp_path / "p.html", lists, None, by=["speaker"]).all("img")) == 1
    assert len(written(tmp_path / "p.html", lists[:40], None, by=["speaker"]).all("img")) == 2


def test_the_same_evaluation_gives_the_same_page(tmp_path: Path):
    for name in ("one.html", "two.html"):
        written(tmp_path / name, LISTS, CORRECTIONS, by=["noise"])
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


@pytest.fixture
def recordings(tmp_path: Path) -> list[NBest]:
    folder = tmp_path / "lists" / "50 % & more#1"
    folder.mkdir(parents=True)
    for name, seconds in (("a.wav", 1.0), ("b.wav", 2.0)):
        soundfile.write(folder / name, np.sin(np.arange(int(16_000 * seconds)) / 20) / 2, 16_000)
    paths = [f"{folder.name}/a.wav", str(folder / "b.wav"), f"{folder.name}/none.wav", None]
    return [
        NBest.from_texts(
            str(number), ["x"], reference="x", audio=path, start=0.5 if number == 1 else None, end=None
        )
        for number, path in enumerate(paths)
    ]


def test_players_open_recordings_beside_the_page(tmp_path: Path, recordings: list[NBest]):
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "p.html"
    report = evaluate(recordings, resamples=20)
    players = {"": linked(page, tmp_path / "lists")}
    result = write_page(page, report, map(PageUtterance, recordings), title="audio", players=players)
    [problem] = result.problems
    assert problem.startswith("2: the recording ")
    assert problem.endswith("does not exist")
    found = Page(page.read_text(encoding="utf-8"))
    addresses = [urlsplit(attributes["src"]) for attributes, _ in found.all("audio")]
    assert [address.fragment for address in addresses] == ["", "t=0.5"]
    for address, name in zip(addresses, ("a.wav", "b.wav"), strict=True):
        assert not address.scheme
        assert not address.netloc
        assert (page.parent / unquote(address.path)).resolve().name == name
        assert (page.parent / unquote(address.path)).is_file()


def test_players_carry_the_recording_within_the_page(tmp_path: Path, recordings: list[NBest]):
    player = embedded(tmp_path / "lists", read_audio)
    lengths = []
    for nbest in recordings[:2]:
        address = player(nbest)
        assert address is not None
        kind, _, content = address.partition(",")
        assert kind == "data:audio/flac;base64"
        copy = tmp_path / "copy.flac"
        copy.write_bytes(base64.b64decode(content))
        samples, rate = soundfile.read(copy)
        lengths.append(len(samples) / rate)
        assert np.abs(samples).max() == pytest.approx(0.5, abs=0.01)
    assert lengths == [1.0, 1.5]  # the second from 0.5 s on
    assert player(recordings[3]) is None
    with pytest.raises(InputError, match="does not exist"):
        player(recordings[2])


@pytest.mark.parametrize("audio", ["javascript:alert(1)", "http://example.org/a.wav", "a\0b", "x" * 5000])
def test_only_files_are_played(tmp_path: Path, audio: str):
    nbest = NBest.from_texts("a", ["x"], reference="x", audio=audio)
    with pytest.raises(InputError, match="does not exist"):
        linked(tmp_path / "p.html", tmp_path)(nbest)


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path):
    report = evaluate(LISTS, resamples=20)
    for path in ("-", tmp_path, tmp_path / "none" / "p.html"):
        with pytest.raises(InputError):
            write_page(path, report, map(PageUtterance, LISTS), title="x")
    assert list(tmp_path.iterdir()) == []
