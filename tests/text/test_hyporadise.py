"""The normalizer `hyporadise`: numbers in words, as in the lists that the preset `whisper` was trained on."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.text import normalize, write_as_hyporadise


@pytest.mark.parametrize(
    ("recognised", "written"),
    [
        ("At first, two people came.", "at first two people came"),
        ("It's the 1st of July, 1994.", "it is the first of july one thousand, nine hundred and ninety-four"),
        (
            "the 2nd, 3rd, 12th, 20th, 25th, 100th",
            "the second third twelfth twentieth twenty-fifth one hundredth",
        ),
        ("Flight US1207 or 1,207", "flight us1207 or one thousand, two hundred and seven"),
        ("7.7% of $6.9 million", "seven point seven percent of six point nine million dollars"),
        (
            "$1, \u00a31,450 and $200",
            "one dollar one thousand, four hundred and fifty pounds and two hundred dollars",
        ),
        ("the 1980s, the '60s", "the one thousand, nine hundred and eighties the sixties"),
        ("At 10:30, 007 called 0 times.", "at ten thirty zero zero seven called zero times"),
        ("1001 1100 1000000", "one thousand and one one thousand, one hundred one million"),
        ("version 1.2.3", "version one point two point three"),
        ("Um, [music] (laughs)", ""),
    ],
)
def test_numbers_are_written_in_words(recognised: str, written: str) -> None:
    assert normalize(recognised, "hyporadise") == written


@given(st.integers(0, 10**15 - 1))
def test_a_number_in_words_is_the_number(value: int) -> None:
    assert normalize(write_as_hyporadise(str(value)), "number") == str(value)
    assert normalize(write_as_hyporadise(f"{value:,}"), "number") == str(value)


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_no_word_is_digits_alone(text: str) -> None:
    assert not re.search(r"(?<!\S)[0-9]+(?!\S)", write_as_hyporadise(text))


def test_extreme_numbers() -> None:
    for text in ("9" * 10_000, f"${'9' * 10_000}.5 million", "1." * 5_000):
        assert not re.search("[0-9]", write_as_hyporadise(text))


def test_lists_of_hyporadise_come_back_from_digits() -> None:
    """Their hypotheses with numbers, rewritten in digits as Whisper's normaliser does, and back."""
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        pytest.skip("ROBUSTGER_DATA is not set: no real lists")
    path = Path(data) / "hyporadise" / "wsj.dev.jsonl"
    texts = {text for line in path.read_text().splitlines() for text in json.loads(line)["hypotheses"]}
    assert not any(re.search("[0-9]", text) for text in texts)
    numbers = [text for text in texts if "-" in text and "$" not in text]
    back = [write_as_hyporadise(normalize(text, "whisper")) for text in numbers]
    assert len(numbers) > 10
    assert sum(a == b for a, b in zip(numbers, back, strict=True)) > 0.7 * len(numbers)
