"""What counts as a loop of a recognizer, and what does not."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.text.loops import SHORTEST_LOOP_BYTES, compression_ratio, is_loop

ROW = "row row row your boat gently down the stream merrily merrily merrily merrily life is but a dream"
WORDS = st.text(alphabet="abcdefghijklmnopqrstuvwxyzäéß", min_size=1, max_size=8)


@pytest.mark.parametrize(
    "text",
    [
        "and " * 40,
        "Thank you. " * 12,
        "It's not going to happen. " * 4,
        "the 1st of the 1st of the 1st of the 1st of the 1st of the 1st of the 1st of the 1st",
        "あの" * 40,
        "ha" * 60,
    ],
)
def test_real_loops_are_loops(text: str) -> None:
    assert is_loop(text)
    assert is_loop(text.strip().lower())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no no no no no no no no no no no no",
        "ha ha ha ha ha ha ha ha ha ha",
        "1000000000000000000000000000000000000",
        "0 0 0 1 0 0 0 1 0 0 0 2 0 0 0 4",
        ROW,
        "London Bridge is falling down, falling down, falling down. London Bridge is falling down, my fair lady.",
        "one hundred one one hundred two one hundred three one hundred four one hundred five one hundred six",
        "What we do not know is how much is price and how much is volume, and what we do know is not much.",
    ],
)
def test_what_people_say_is_no_loop(text: str) -> None:
    assert not is_loop(text)


def test_a_verse_sung_twice_is_called_a_loop_as_by_whisper() -> None:
    assert is_loop(f"{ROW} {ROW}")


@given(st.text(max_size=400))
def test_the_rule_is_that_of_whisper_from_a_length_on(text: str) -> None:
    content = text.encode()
    theirs = len(content) / len(zlib.compress(content)) > 2.4
    assert is_loop(text) == (theirs and len(content) >= SHORTEST_LOOP_BYTES)


@given(st.lists(WORDS, min_size=1, max_size=6), st.integers(30, 60))
def test_a_phrase_repeated_tens_of_times_is_a_loop(phrase: list[str], times: int) -> None:
    assert is_loop(" ".join([*phrase, ""] * times)) or len(" ".join(phrase)) * times < SHORTEST_LOOP_BYTES


def test_long_prose_is_no_loop() -> None:
    pages = sorted((Path(__file__).parents[2] / "docs" / "explanation").glob("*.md"))
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    prose = " ".join(line for line in lines if line[:1].isalpha())
    assert len(prose) > 5_000
    assert not is_loop(prose)
    assert is_loop(f"{prose} {'and ' * 1_000}")


@given(st.lists(WORDS, max_size=60, unique_by=lambda word: word[:3]))
def test_words_that_differ_are_no_loop(words: list[str]) -> None:
    assert compression_ratio(" ".join(words).encode()) < 2.4
