"""Case studies: words are aligned and marked, and the utterances are chosen by their errors."""

from __future__ import annotations

from html.parser import HTMLParser

from robustger.experiments.tables.case_study import Case, as_page, as_table, as_text
from robustger.experiments.tables.table5 import cases, errors_of, extremes, hardest
from robustger.hypotheses import NBest

NBEST = NBest.from_texts(
    "u1",
    ["she fears the right ups", "she fears write ups", "so she fears the write ups"],
    reference="She fears the write offs",
    meta={"noise": "bus-2", "snr_db": 5.0},
)
TEXTS = {"GER": "she fears the write ups", "RobustGER": "She fears the write offs."}
CASE = Case.of(NBEST, TEXTS, "Why.", "number")


class Page(HTMLParser):
    """Collects texts by the class of their element, and checks that every element is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.marked: dict[str, list[str]] = {}
        self.text: list[str] = []
        self.kind: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        self.kind = dict(attrs).get("class") if tag in ("b", "s") else None

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.kind = None

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.kind:
            self.marked.setdefault(self.kind, []).append(data)


def test_words_stand_below_each_other() -> None:
    assert as_text(CASE).splitlines() == [
        "u1  bus, 5 dB",
        "Why.",
        "",
        "1              she fears the RIGHT UPS",
        "2              she fears *** write UPS",
        "3          SO  she fears the write UPS",
        "reference  *** she fears the write offs",
        "",
        "1-best     she fears the RIGHT UPS   40.0 %",
        "GER        she fears the write UPS   20.0 %",
        "RobustGER  she fears the write offs  0.0 %",
        "reference  she fears the write offs",
    ]


def test_long_texts_are_broken_into_blocks() -> None:
    words = " ".join(f"word{number}" for number in range(40))
    case = Case.of(NBest.from_texts("u", [words], reference=words), {"A": words + " more"}, "Why.", "raw")
    lines = as_text(case).splitlines()
    assert max(map(len, lines)) <= 100
    assert " ".join(
        line.removeprefix("1-best").strip() for line in lines if line.startswith("1-best")
    ).split() == [
        *words.split(),
        "0.0",
        "%",
    ]
    assert sum("2.5 %" in line for line in lines) == 1


def test_the_table_has_the_papers_layout() -> None:
    table = as_table(CASE)
    assert table.title == "u1 (bus, 5 dB)"
    assert table.rows[1] == ("hypothesis 2", "she fears ~~the~~ write **ups**", "")
    assert table.rows[2][1] == "**so** she fears the write **ups**"
    assert table.rows[4:] == (
        ("GER", "she fears the write **ups**", "20.0"),
        ("RobustGER", "she fears the write offs", "0.0"),
        ("reference", "she fears the write offs", ""),
    )


def test_markdown_of_users_is_text() -> None:
    case = Case.of(NBest.from_texts("u", ["a *b* _c_ [d](e)"], reference="a"), {}, "", "raw")
    assert as_table(case).rows[0][1] == r"a **\*b\*** **\_c\_** **\[d](e)**"


def test_the_page_marks_what_was_fixed_and_broken() -> None:
    case = Case.of(NBEST, TEXTS | {"LM": "he fears the right ups"}, "Why & how.", "number")
    page = as_page([CASE, case], "One <utterance>")
    found = Page(page)
    assert not found.open
    assert "<utterance>" not in page
    assert "One <utterance>" in "".join(found.text)
    assert "Why & how." in found.text
    assert {"write", "offs"} <= set(found.marked["fixed"])
    assert "he" in found.marked["broken"]
    assert "<script></script>" in page
    assert "script-src" not in page  # the policy allows none


def test_an_empty_reference_has_no_rate() -> None:
    case = Case.of(NBest.from_texts("u", ["a b"], reference=""), {"A": ""}, "", "raw")
    assert (case.rate("1-best"), case.rate("A")) == ("2 words", "0 words")
    assert "2 words" in as_text(case)


def test_most_gained_and_most_lost() -> None:
    base, new = {"a": 3, "b": 2, "c": 0, "d": 4}, {"a": 1, "b": 0, "c": 1, "d": 4}
    assert extremes(base, new) == ("b", "c")  # two fewer in a and b; b is right
    assert extremes(new, base) == ("c", "b")
    assert extremes(base, base) == (None, None)


def test_both_sides_are_shown_with_their_counts() -> None:
    lists = [
        NBest.from_texts(name, [best], reference="a b c")
        for name, best in (("x", "a b"), ("y", "a b c"), ("z", ""))
    ]
    texts = {"N": {"x": "a b c", "y": "q b", "z": ""}}
    assert errors_of(lists, texts["N"]) == {"x": 0, "y": 2, "z": 3}
    gained, lost = cases(lists, texts, "1-best", "N")
    assert (gained.nbest.id, lost.nbest.id) == ("x", "y")
    assert gained.why == (
        "Chosen for the largest difference: N has 1 fewer errors than 1-best. Of 3 utterances it has fewer in 1 and "
        "more in 1."
    )
    assert "2 more errors" in lost.why
    assert cases(lists, {"N": {n.id: n.best for n in lists}}, "1-best", "N") == []


def test_where_no_two_systems_differ_the_hardest_is_shown() -> None:
    lists = [
        NBest.from_texts(name, [best], reference="a b c")
        for name, best in (("x", "a b"), ("y", "a"), ("z", "q"))
    ]
    case = hardest(lists, {"N": {nbest.id: nbest.best for nbest in lists}}, "1-best", "N")
    assert case.nbest.id == "z"  # three wrong words; two are missing in y
    assert "N has as many errors as 1-best in each of 3 utterances" in case.why
    assert {"N", "1-best"} == set(case.systems)
