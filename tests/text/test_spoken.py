"""The normalizers `spoken` and `words`: no word is lost or becomes another, and plain text stays as it is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.text import normalize
from robustger.text.segments import WrittenToken, joined_tokens, plain_words
from robustger.text.spoken import segment_spoken
from robustger.text.words import segment_words

SEGMENTERS = {"spoken": segment_spoken, "words": segment_words}
CHUNKS = (
    "-5 $5 million 5% 50mm 10am p.m. thousand, five Thousand U.S. 'em an' well-known twenty-five 5:00 5:00pm "
    "www.a.com <UNK> [uh] don\u2019t (hi) 1,500 3,50 \u20ac % . .. \" ' \u2013 St. Dr. Smith 1990s 25th \u00bd #1"
)
SIGNS = "aB tn's.,-\"5$\u20ac%&@#:\u00bd\u00b2\u2019\u2013\u00e9\u0301\u093f\u200d[]<>!?_mM\u00b0\u00ac"
WRITTEN = (
    st.text(st.characters(codec="utf-8"), max_size=30)
    | st.text(SIGNS, max_size=20)
    | st.lists(st.sampled_from(CHUNKS.split(" ")), max_size=8).map(" ".join)
)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Mario's castle is old.", "mario's castle is old"),
        ("The president's wife met the men's team.", "the president's wife met the men's team"),
        ("I don\u2019t know Jos\u00e9.", "i don't know jos\u00e9"),
        ("I don't know Jose\u0301.", "i don't know jos\u00e9"),
        ("The lens is 50 mm wide.", "the lens is fifty mm wide"),
        ("a 50mm lens, 5kg, 20 \u00b0C", "a fifty mm lens five kg twenty degrees celsius"),
        ("At -5 degrees, then +3 and \u22121.5.", "at minus five degrees then plus three and minus one point five"),
        ("One more rep, mm, please.", "one more rep mm please"),
        ("3,50 \u20ac in K\u00f6ln", "three point five zero euros in k\u00f6ln"),
        ("\u20ac3.50, $1, -$20", "three point five zero euros one dollar minus twenty dollars"),
        ("$6.9 million or \u00a35bn", "six point nine million dollars or five pounds bn"),
        ("1,5 Mio. or 1.234,56", "one point five mio or one thousand, two hundred and thirty-four point five six"),
        ("$1,207.50 on July 25th", "one thousand, two hundred and seven point five zero dollars on july twenty-fifth"),
        ("the 1990s, the '60s", "the one thousand, nine hundred and nineties the sixties"),
        ("100% or 5 %", "one hundred percent or five percent"),
        ("At 5:30, 5:05 and 5:00", "at five thirty five zero five and five o'clock"),
        ("at 5:00 p.m. or 5pm", "at five p m or five pm"),
        ("pages 3-15, 3\u20135", "pages three fifteen three five"),
        ("AT&T, #1, #fun, me@web.org", "at and t number one hashtag fun me at web dot org"),
        ("See https://www.web.com/a1.", "see www dot web dot com slash a1"),
        ("a well-known twenty-five-year-old", "a well known twenty-five year old"),
        ("Um, uh, [laughter] (laughs) hmm", "um uh [laughter] laughs hmm"),
        ("Mr. and Mrs. Smith saw Dr. Who in St. Louis.", "mister and missus smith saw doctor who in saint louis"),
        ("'Get 'em,' the boys' coach said.", "get 'em the boys' coach said"),
        ("the U.S.A., e.g. Ohio", "the u s a e g ohio"),
        ("\u00bd a cup, 2\u00bd", "one half a cup two one half"),
        ("the U.S.'s and U.S.A.'s role", "the u s's and u s a's role"),
        ("\u00a73: 8\u00f72 \u00b1 5\u2030", "section three eight divided by two plus or minus five per mille"),
        ("\u21165", "number five"),
        ("\u266a ... \u266a", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_said_is_kept(written: str, said: str) -> None:
    assert normalize(written, "spoken") == said


@pytest.mark.parametrize(
    "text",
    [
        "one thousand, nine hundred and ninety-four",
        "three million, five hundred thousand",
        "july twenty-seventh or twenty-onest at the boy's",
        "it is quite sort of .",
        "$two hundred and \u00a3six",
        "what's an' old cap'n <UNK>",
        "uh mm [laughter] don't",
    ],
)
def test_plain_text_stays(text: str) -> None:
    assert normalize(text, "spoken") == text


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("हिन्दी भाषा में बोलिए।", "हिन्दी भाषा में बोलिए"),
        (
            "Die Straße ist schön, 3 Häuser für 1,5 Mio. Euro.",
            "die straße ist schön 3 häuser für 1,5 mio euro",
        ),
        ("Où est la forêt ?", "où est la forêt"),
        ("สวัสดีครับ", "สวัสดีครับ"),
        ("Łódź jest piękna", "łódź jest piękna"),
        ("Он пришёл в 5 часов", "он пришёл в 5 часов"),
        ("«C’est-à-dire», 50 % et -5 °C…", "c'est-à-dire 50 % et -5 °c"),
        ("می‌خواهم، بروم", "می‌خواهم بروم"),
        ("12:30, 1.234,50 €, .5", "12:30 1.234,50 € .5"),
    ],
)
def test_words_of_any_language(written: str, words: str) -> None:
    assert normalize(written, "words") == words


@pytest.mark.parametrize("name", SEGMENTERS)
@given(text=WRITTEN)
def test_normalizing_again_changes_nothing(name: str, text: str) -> None:
    once = normalize(text, name)
    assert normalize(once, name) == once == " ".join(once.split())


@pytest.mark.parametrize("name", SEGMENTERS)
@given(text=WRITTEN)
def test_tokens_are_the_text_and_its_words(name: str, text: str) -> None:
    segment: Callable[[str], list[WrittenToken]] = SEGMENTERS[name]
    tokens = segment(text)
    assert joined_tokens(tokens) == " ".join(text.split())
    assert plain_words(tokens) == normalize(text, name)
    assert all(" " not in word for token in tokens for word in token.words)


@given(text=st.text(st.characters(categories=["L", "M", "Nd"]), min_size=1, max_size=20))
def test_words_keeps_every_letter_mark_and_digit(text: str) -> None:
    import unicodedata

    kept = unicodedata.normalize("NFD", normalize(f"a{text}", "words").replace(" ", ""))
    lowered = unicodedata.normalize("NFD", unicodedata.normalize("NFC", f"a{text}".lower()).lower())
    assert sorted(kept) == sorted(lowered)


def test_the_lists_of_hyporadise_stay_as_they_are() -> None:
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        pytest.skip("ROBUSTGER_DATA is not set: no real lists")
    texts = {
        " ".join(text.split())
        for path in sorted((Path(data) / "hyporadise").glob("*.dev.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
        for text in json.loads(line)["hypotheses"]
    }
    assert len(texts) > 3000
    assert [text for text in texts if normalize(text, "spoken") != text] == []
