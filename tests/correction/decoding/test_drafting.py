"""How the rest of an answer is guessed from the hypotheses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from robustger.correction.decoding.drafting import Drafter

tokens = st.lists(st.integers(0, 4), max_size=8)


def guess(written: str, *texts: str) -> str:
    """Letters stand for tokens."""
    return "".join(map(chr, Drafter([list(map(ord, text)) for text in texts]).guess(list(map(ord, written)))))


def test_a_replaced_token_is_passed_over():
    assert guess("abX", "abcdef") == "def"


def test_tokens_left_out_are_passed_over():
    assert guess("abe", "abcdef") == "f"


def test_a_token_put_in_is_seen_through_as_soon_as_the_text_goes_on():
    assert guess("abXc", "abcdef") == "def"


def test_another_hypothesis_goes_on_where_it_has_the_new_token():
    assert guess("abX", "abcdef", "abXYdef") == "Ydef"
    assert guess("abX", "abcdef", "abc", "abXYdef", "aXZ") == "Ydef"


def test_back_on_the_way_the_likeliest_hypothesis_goes_on():
    assert guess("abXYdef", "abcdefgh", "abXYdefGH") == "GH"  # the only one without an edit
    assert guess("XabYdef", "XabcdefGH", "abYdefgh") == "GH"
    assert guess("XabYZef", "XabYdefgh", "XabcZefGH") == "GH"
    assert guess("XabYZdefg", "XabYdefgh", "XabZdefgH") == "h"


def test_repeated_words_are_told_apart_by_what_came_before():
    assert guess("the cat saw the", "the cat saw the dog") == " dog"
    assert guess("a the cat and the", "the cat and the dog") == " dog"


def test_behind_the_end_there_is_nothing_to_guess():
    assert guess("abcd", "abcd") == ""
    assert guess("abX", "ab") == ""
    assert guess("X", "") == ""


@given(texts=st.lists(tokens, min_size=1, max_size=4), written=tokens.filter(bool))
def test_a_guess_is_the_rest_of_a_text(texts: list[list[int]], written: list[int]):
    rest = Drafter(texts).guess(written)
    assert any(text[len(text) - len(rest) :] == rest for text in texts)
    if any(text[: len(written)] == written for text in texts):
        assert rest in [text[len(written) :] for text in texts if text[: len(written)] == written]


@given(texts=st.lists(tokens, min_size=1, max_size=4), written=tokens.filter(bool), cut=st.integers(1, 7))
def test_guesses_do_not_depend_on_earlier_guesses(texts: list[list[int]], written: list[int], cut: int):
    drafter = Drafter(texts)
    drafter.guess(written[:cut])
    assert drafter.guess(written) == Drafter(texts).guess(written)


@given(text=tokens, written=tokens.filter(bool))
def test_without_a_token_in_common_the_place_has_the_fewest_edits(text: list[int], written: list[int]):
    written = [token + 10 for token in written]
    rest = Drafter([text]).guess(written)
    edits = [Levenshtein.distance(written, text[:place]) for place in range(len(text) + 1)]
    place = len(text) - len(rest)
    assert edits[place] == min(edits)
    assert min(edits) not in edits[place + 1 :]
