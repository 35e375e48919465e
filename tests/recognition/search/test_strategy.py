"""The texts of a list: typography makes no difference, a wider search comes second, and nothing is invented."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.hypotheses import Hypothesis
from robustger.recognition.search.strategy import Found, as_spoken, distinct, search_lists, widths
from robustger.text import NORMALIZERS, normalize

TEXTS = st.sampled_from(["a", "A.", "b", "B", "", " ", "twenty one", "21", "a b", "a-b", "c"])
LISTS = st.lists(st.builds(Hypothesis, TEXTS, st.floats(-9, 0)), max_size=12)


def of(*texts: str) -> list[Hypothesis]:
    return [Hypothesis(text, -float(rank)) for rank, text in enumerate(texts)]


# -- what is one hypothesis


def test_typography_does_not_make_a_hypothesis() -> None:
    kept = distinct(of("It's 21.", "its twenty-one", "it is 21", "ITS 21"), language="en")
    assert [one.text for one in kept] == ["It's 21.", "its twenty-one"]


COMPARING = [name for name in NORMALIZERS.names() if name != "words"]  # "words" keeps how numbers are written


@pytest.mark.parametrize("name", COMPARING)
def test_whichever_way_an_english_list_is_written_its_hypotheses_differ(name: str) -> None:
    texts = (
        "It's a nice color, Mr. Smith.",
        "It is a nice color, Mister Smith.",
        "Um, it's a nice color, Mr Smith.",
        "[Music] it's a nice color mister smith",
        "It's a nice caller, Mr. Smith.",
        "It's 21 colors.",
        "it's twenty one colors",
    )
    kept = distinct(of(*texts), language="en")
    assert len({normalize(one.text, name) for one in kept}) == len(kept) == 3


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("de", ("Schon um acht.", "Schön um acht.", "Schon acht.", "Maße", "Masse")),
        ("fr", ("l'a vu", "la vu", "où est il", "ou est il")),
        ("es", ("Está aquí.", "Esta aquí.", "José", "Jose")),
        ("hi", ("हिंदी भाषा", "हिदी भाषा", "हद भष", "हिंदी")),
        ("ja", ("はし", "ばし", "ハシ")),
        ("ar", ("كَتَبَ", "كتب")),
        ("el", ("πότε", "ποτέ")),
        ("th", ("ไหม", "ใหม่", "ไหม้")),
        (None, ("-5 degrees", "5 degrees", "3.5", "35", "3 5", "10:30", "€5", "5 %", "5")),
        ("nl", ("um die", "die", "een", "1")),
    ],
)
def test_other_languages_keep_their_words(language: str | None, texts: tuple[str, ...]) -> None:
    assert [one.text for one in distinct(of(*texts), language=language)] == list(texts)


def test_case_punctuation_and_white_space_make_no_hypothesis_in_any_language() -> None:
    pairs = [
        ("Schön um acht!", " schön  um ACHT"),
        ("«Où est-il ?»", "où est il"),
        ("你好，世界。", "你好 世界"),
        ("¿Dónde estás?", "dónde estás"),
        ("हिंदी।", "हिंदी"),
        ("e\u0301te\u0301", "été"),  # composed or not
    ]
    for one, other in pairs:
        assert as_spoken(one, "xx") == as_spoken(other, "xx") == as_spoken(one) != ""


def test_that_nothing_was_said_is_a_hypothesis() -> None:
    for language in ("en", "de", None):
        assert [one.text for one in distinct(of("", "a", ".", "b"), language=language)] == ["", "a", "b"]


@given(LISTS)
def test_the_best_of_its_kind_is_kept(hypotheses: list[Hypothesis]) -> None:
    kept = distinct(hypotheses, language="en")
    assert distinct(kept, language="en") == kept
    for one in kept:
        alike = [h for h in hypotheses if as_spoken(h.text, "en") == as_spoken(one.text, "en")]
        assert one is alike[0]


@pytest.mark.parametrize("n", [0, 3])
def test_no_more_than_asked_for(n: int) -> None:
    assert len(distinct(of("a", "b", "c", "d"), n)) == n


# -- how widely is searched


def test_widths() -> None:
    assert widths("adaptive", 5, None) == (10, 50)
    assert widths("adaptive", 20, None) == (20, 50)
    assert widths("adaptive", 60, None) == (60,)
    assert widths("paper", 5, None) == (50,)
    assert widths("paper", 60, None) == (60,)
    assert widths("adaptive", 5, 7) == widths("paper", 5, 7) == (7,)


class Searches:
    """A search that finds the first `width` texts of each utterance, ranked as they stand; keeps what it was asked."""

    def __init__(self, texts: list[list[str]]) -> None:
        self.texts = texts
        self.asked: list[tuple[list[int], int]] = []

    def __call__(self, utterances: list[int], width: int) -> Iterator[list[Found]]:
        self.asked.append((utterances, width))
        for utterance in utterances:
            yield [
                Found(hypothesis, -float(place))
                for place, hypothesis in enumerate(of(*self.texts[utterance][:width]))
            ]


def test_only_short_lists_are_searched_for_again() -> None:
    search = Searches([["a", "b", "c", "d"], ["a", "A.", "a!", "b"], ["a", "A.", "a!", "a?"]])
    lists = search_lists(search, (2, 4), 2, ["en"] * 3)
    assert search.asked == [([0, 1, 2], 2), ([1, 2], 4)]
    assert [[h.text for h in hypotheses] for hypotheses in lists] == [["a", "b"], ["a", "b"], ["a"]]


def test_what_two_searches_found_is_ranked_together() -> None:
    found = {2: [("a", -1.0), ("A", -4.0)], 4: [("b", -0.5), ("a", -1.0), ("c", -5.0)]}

    def search(utterances: list[int], width: int) -> list[list[Found]]:
        return [[Found(Hypothesis(text, rank), rank) for text, rank in found[width]]]

    (hypotheses,) = search_lists(search, (2, 4), 3, ["en"])
    assert [h.text for h in hypotheses] == ["b", "a", "c"]


@given(st.lists(st.lists(TEXTS, min_size=1, max_size=12), max_size=4), st.integers(1, 8))
def test_lists_hold_all_that_differs_and_nothing_else(texts: list[list[str]], n: int) -> None:
    lists = search_lists(Searches(texts), (3, 12), n, ["en"] * len(texts))
    for found, hypotheses in zip(texts, lists, strict=True):
        written = [h.text for h in hypotheses]
        assert set(written) <= {" ".join(text.split()) for text in found}  # as a hypothesis holds it
        spoken = [as_spoken(text, "en") for text in written]
        assert len(set(spoken)) == len(spoken) == min(n, len({as_spoken(text, "en") for text in found}))
        assert written[0] == " ".join(found[0].split())


LOOP = "and then " * 20


def test_a_loop_comes_after_all_that_is_none() -> None:
    found = [(LOOP, -1.0), ("a", -2.0), (LOOP + "we", -2.5), ("b", -3.0)]

    def search(utterances: list[int], width: int) -> list[list[Found]]:
        return [[Found(Hypothesis(text, rank), rank) for text, rank in found]]

    def texts(n: int) -> list[str]:
        return [hypothesis.text for hypothesis in search_lists(search, (4,), n, ["en"])[0]]

    assert texts(2) == ["a", "b"]
    assert texts(4) == ["a", "b", LOOP.strip(), LOOP + "we"]


def test_a_wider_search_finds_what_is_no_loop() -> None:
    found = {2: [(LOOP, -1.0)], 4: [(LOOP, -1.0), ("a", -9.0)]}

    def search(utterances: list[int], width: int) -> list[list[Found]]:
        return [[Found(Hypothesis(text, rank), rank) for text, rank in found[width]]]

    (hypotheses,) = search_lists(search, (2, 4), 2, ["en"])
    assert [hypothesis.text for hypothesis in hypotheses] == ["a", LOOP.strip()]
