"""Projection: corrected words in the recognizer's own writing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robustger.text import normalize
from robustger.text.projection import project

LENS = [
    "The lens is 50 mm wide.",
    "The lens is 15 mm wide.",
    "The lens is 50 mm wide too.",
    "The lens is 50mm white.",
    "Lens is 50 mm wide.",
]
QUOTE = [
    'He said, "Well-known people (like us) go." Then I, um, left at 5:30 p.m.',
    'He said, "Well-known peoples (like him) go." Then I, uh, left at 5:13 p.m.',
    'He says, "Well-none people (like us) go." When I left at 5:30 p.m.',
]


@pytest.mark.parametrize(
    ("written", "text", "projected"),
    [
        (LENS, "the lens is fifteen mm wide", "The lens is 15 mm wide."),
        (LENS, "the lens is sixteen mm wide", "The lens is sixteen mm wide."),
        (LENS, "the lens is fifty mm wide too", "The lens is 50 mm wide too."),
        (LENS, "the lens is fifty mm white", "The lens is 50 mm white."),
        (LENS, "lens is fifty mm wide", "Lens is 50 mm wide."),
        (LENS, "is the lens fifty mm wide", "Is the lens 50 mm wide."),
        (LENS, "the lens is fifty", "The lens is 50."),
        (LENS, "a big lens is fifty mm wide", "A big lens is 50 mm wide."),
        (LENS, "the lens i'm fifty mm wide", "The lens I'm 50 mm wide."),
        (LENS, "", ""),
        (["", "Thank you."], "thank you", "Thank you"),
        (["...", "Thank you."], "thank you", "Thank you"),
        (["We met Mario.", "Mario."], "mario", "Mario."),
        (
            ["Mario's castle is old.", "The castle of Mario is old."],
            "the mario's castle is old",
            "The Mario's castle is old.",
        ),
        (["Castle is old."], "the castle is old", "The castle is old."),
        (["I know.", "you know"], "now i know", "Now I know."),
        (["We need 1,500 more."], "we need one thousand, six hundred more", "We need one thousand, six hundred more."),
        (["The ticket costs 3,50 € in Köln.", "Tickets cost 3,50 € in Koln."],
         "the ticket costs three point five zero euros in koln", "The ticket costs 3,50 € in Koln."),
        (["It was -5 degrees.", "It was 5 degrees."], "it was five degrees", "It was 5 degrees."),
        (["I, I think so.", "I think so."], "i think so", "I think so."),
        (["HELLO WORLD YES"], "hello wurld yes", "HELLO WURLD YES"),
        (["i know this", "we know this"], "we know this", "we know this"),
        (["Ask Mr. Smith.", "Ask Mr. Smyth."], "ask mister smyth", "Ask Mr. Smyth."),
        (["Is it here?"], "is it", "Is it?"),
        (["We met at 5 p.m.", "We met at 5 a.m."], "we met at five a m", "We met at 5 a.m."),
        (["We met at 5 p.m."], "we met at five", "We met at 5."),
        (["Is it here?"], "is it here now", "Is it here now?"),
        (["We met at 5 p.m."], "we met at five p m yesterday", "We met at 5 p.m. yesterday."),
        (["It ended 3:1.", "Three to one."], "it ended three to one", "It ended 3 to 1."),
        (["It ended 3:1."], "it ended three two", "It ended 3 two."),
        (["Yes,sir."], "yes my sir", "Yes, my sir."),
        (["The st. was wet.", "The street was wet."], "the street was wet", "The street was wet."),
        (["The st. was wet."], "the was wet", "The was wet."),
        (["We met Maj. Smith.", "We met Major Smith."], "we met major smith", "We met Major Smith."),
        (["We met Dr. Who.", "We met Mr. Who."], "we met mister who", "We met Mr. Who."),
        (["See No. 5."], "see number five", "See number 5."),
        (["He said no. Then he left."], "he said yes then he left", "He said yes. Then he left."),
        (["I met them. Is it?"], "i met them", "I met them."),
        (["He fell on the floor. Hello, who is it?"], "he fell on the floor", "He fell on the floor."),
        (["NASA.", "NASA launched."], "nasa lunched", "NASA lunched."),
        (["COVID-19"], "covid eighteen", "COVID eighteen"),
        (["HELLO", "HELLO THERE"], "hello dear", "HELLO DEAR"),
    ],
)  # fmt: skip
def test_by_hand(written: list[str], text: str, projected: str) -> None:
    assert project(text, written) == projected


@pytest.mark.parametrize(
    ("old", "new", "projected"),
    [
        (" um", "", 'He said, "Well-known people (like us) go." Then I left at 5:30 p.m.'),
        (" um", " uh", 'He said, "Well-known people (like us) go." Then I, uh, left at 5:30 p.m.'),
        ("five thirty", "five thirteen", 'He said, "Well-known people (like us) go." Then I, um, left at 5:13 p.m.'),
        ("known", "none", 'He said, "Well-none people (like us) go." Then I, um, left at 5:30 p.m.'),
        ("known", "off", 'He said, "Well off people (like us) go." Then I, um, left at 5:30 p.m.'),
        (" like us", "", 'He said, "Well-known people go." Then I, um, left at 5:30 p.m.'),
        (" like", "", 'He said, "Well-known people (us) go." Then I, um, left at 5:30 p.m.'),
        ("then", "when", 'He said, "Well-known people (like us) go." When I, um, left at 5:30 p.m.'),
        ("then", "and then", 'He said, "Well-known people (like us) go." And then I, um, left at 5:30 p.m.'),
        (" go", "", 'He said, "Well-known people (like us)." Then I, um, left at 5:30 p.m.'),
        ("he said ", "", '"Well-known people (like us) go." Then I, um, left at 5:30 p.m.'),
        (" well known people like us go", "", "He said. Then I, um, left at 5:30 p.m."),
    ],
)  # fmt: skip
def test_punctuation_stays_in_its_place(old: str, new: str, projected: str) -> None:
    text = normalize(QUOTE[0], "spoken")
    assert text.count(old) == 1
    assert project(text.replace(old, new), QUOTE) == projected


def test_other_normalizers_lead_back_too() -> None:
    assert (
        project("où est la forêts", ["Où est la forêt ?", "Où est la Forêts ?"], "words")
        == "Où est la Forêts ?"
    )
    assert project("it is late", ["It's late.", "It is late."], "hyporadise") == "It's late."
    assert project("it was late", ["It's late.", "It was late."], "hyporadise") == "It was late."


PARTS = (  # of written texts
    "The lens is 50 mm wide. 15mm It's -5 degrees, \"Hello\" (maybe) I I'm don\u2019t Jos\u00e9. K\u00f6ln 3,50 \u20ac "
    "$5 million 5% well-known x-ray twenty-five Mr. Smith U.S. p.m. 5:30 1990s 25th , - & St. Louis uh, [laughter] "
    "one thousand, nine hundred? We Go! end. \u2022 \u2026 boys' 'em"
)
LISTS = st.lists(
    st.lists(st.sampled_from(PARTS.split(" ")), min_size=1, max_size=9).map(" ".join), min_size=1, max_size=3
)


@given(written=LISTS)
def test_an_unchanged_text_is_the_written_best(written: list[str]) -> None:
    for name in ("spoken", "words", "hyporadise"):
        assert project(normalize(written[0], name), written, name) == written[0]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(written=LISTS, data=st.data())
def test_the_projected_words_are_the_words(written: list[str], data: st.DataObject) -> None:
    """For any order of the list's words.

    The normalizer reads "five million" after "$" across words, and drops the comma of "thousand," where no number
    follows; so the words are those of the text as the normalizer reads it.
    """
    words = [word for form in written for word in normalize(form, "spoken").split()] or ["a"]
    text = " ".join(data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=8)))
    assert normalize(project(text, written), "spoken") == normalize(text, "spoken")
