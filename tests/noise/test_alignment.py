"""Alignments: nothing is lost, equal hypotheses stay equal, edits are the Levenshtein edits."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.noise.alignment import align_all, edited_pairs

words = st.sampled_from(["a", "b", "c", "the", "cat", "🙂", "漢字"])
hypothesis_tokens = st.lists(words, max_size=9)
token_lists = st.lists(hypothesis_tokens, min_size=1, max_size=7)


def levenshtein(first: list[str], second: list[str]) -> int:
    """The textbook recurrence, as an oracle."""
    previous = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        current = [i]
        for j, b in enumerate(second, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (a != b)))
        previous = current
    return previous[-1]


@given(token_lists)
def test_rows_hold_the_hypotheses_and_nothing_else(lists: list[list[str]]) -> None:
    rows = align_all(lists)
    assert [[token for token in row if token is not None] for row in rows] == lists
    assert len({len(row) for row in rows}) == 1
    assert len(rows[0]) >= max(map(len, lists))
    assert all(any(token is not None for token in column) for column in zip(*rows, strict=True))


@given(token_lists, st.data())
def test_equal_hypotheses_have_equal_rows(lists: list[list[str]], data: st.DataObject) -> None:
    copies = [*lists, list(data.draw(st.sampled_from(lists)))]
    rows = align_all(copies)
    for i, first in enumerate(copies):
        for j, second in enumerate(copies):
            assert (rows[i] == rows[j]) == (first == second)


@given(hypothesis_tokens, hypothesis_tokens)
def test_two_hypotheses_are_aligned_with_the_fewest_edits(first: list[str], second: list[str]) -> None:
    one, two = align_all([first, second])
    assert sum(a != b for a, b in zip(one, two, strict=True)) == levenshtein(first, second)


def test_a_table_by_hand() -> None:
    texts = ["turn it off", "now turn it of", "please turn off", "turn it off again", "", "turn it off"]
    assert align_all([text.split() for text in texts]) == [
        [None, "turn", "it", "off", None],
        ["now", "turn", "it", "of", None],
        ["please", "turn", None, "off", None],
        [None, "turn", "it", "off", "again"],
        [None, None, None, None, None],
        [None, "turn", "it", "off", None],
    ]


@pytest.mark.parametrize("n", [1, 5])
def test_hypotheses_without_words_give_empty_rows(n: int) -> None:
    assert align_all([[]] * n) == [[]] * n


@given(hypothesis_tokens, hypothesis_tokens)
def test_edited_pairs_are_the_fewest_edits_and_mirror_each_other(first: list[str], second: list[str]) -> None:
    forward, backward = edited_pairs(first, second), edited_pairs(second, first)
    assert len(forward) == len(backward) == levenshtein(first, second)
    assert all(a != b for a, b in forward)

    def surplus(edits: list, side: int) -> list:
        return sorted(edit[side] for edit in edits if edit[side] is not None)

    # What is taken away and what is put in accounts for the whole difference of the two word counts.
    for word in {*first, *second}:
        balance = surplus(forward, 0).count(word) - surplus(forward, 1).count(word)
        assert balance == first.count(word) - second.count(word)


def test_edited_pairs_by_hand() -> None:
    first, second = "one big cat sat on it", "one cat sits on it here"
    assert edited_pairs(first.split(), second.split()) == [("big", None), ("sat", "sits"), (None, "here")]


def test_ten_thousand_words_take_well_under_a_second_per_pair() -> None:
    rng = random.Random(0)
    vocabulary = [f"w{k}" for k in range(2000)]
    spoken = [rng.choice(vocabulary) for _ in range(10_000)]
    lists = [[rng.choice(vocabulary) if rng.random() < 0.2 else w for w in spoken] for _ in range(5)]
    started = time.perf_counter()
    rows = align_all(lists)
    edits = edited_pairs(lists[0], lists[1])
    assert time.perf_counter() - started < 5
    assert [len([t for t in row if t is not None]) for row in rows] == [10_000] * 5
    assert 1_000 < len(edits) < 5_000
