from __future__ import annotations

import math
import random

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.evaluation import utterance_errors, wer
from robustger.evaluation.wer import count_edits, count_errors

WORDS = st.lists(st.sampled_from(["a", "b", "c", "dd", "élan", "字", "🙂"]), max_size=9)


def test_hand_computed():
    # the cat sat on the mat / the bat sat the mat now: cat->bat, -on, +now
    result = wer(["the cat sat on the mat", "yes"], ["the bat sat the mat now", "yes"])
    assert (result.substitutions, result.deletions, result.insertions) == (1, 1, 1)
    assert (result.errors, result.words, result.utterances) == (3, 7, 2)
    assert result.rate == pytest.approx(3 / 7)


def test_agrees_with_jiwer_on_random_pairs():
    random_ = random.Random(0)
    vocabulary = ["a", "b", "c", "d", "ee", "ff"]

    def text() -> str:
        return " ".join(random_.choices(vocabulary, k=random_.randrange(9)))

    references, hypotheses = zip(*[(text(), text()) for _ in range(10_000)], strict=True)
    assert "" in references
    expected = jiwer.process_words(list(references), list(hypotheses))
    result = wer(references, hypotheses)
    assert (result.substitutions, result.deletions, result.insertions) == (
        expected.substitutions,
        expected.deletions,
        expected.insertions,
    )
    assert result.rate == pytest.approx(expected.wer, abs=1e-15)


@given(WORDS, WORDS)
def test_one_pair_agrees_with_jiwer(reference: list[str], hypothesis: list[str]):
    expected = jiwer.process_words([" ".join(reference)], [" ".join(hypothesis)])
    edits = count_edits(reference, hypothesis)
    assert edits == (expected.substitutions, expected.deletions, expected.insertions)
    assert sum(edits) == count_errors(reference, hypothesis) == count_errors(hypothesis, reference)
    assert len(hypothesis) - len(reference) == edits.insertions - edits.deletions


@given(WORDS, WORDS)
def test_errors_are_the_fewest_by_the_textbook(reference: list[str], hypothesis: list[str]):
    """Against dynamic programming that shares nothing with rapidfuzz, on which jiwer rests as well."""
    row = list(range(len(hypothesis) + 1))
    for number, truth in enumerate(reference, start=1):
        previous, row = row, [number]
        for place, word in enumerate(hypothesis, start=1):
            row.append(min(previous[place] + 1, row[-1] + 1, previous[place - 1] + (truth != word)))
    assert count_errors(reference, hypothesis) == sum(count_edits(reference, hypothesis)) == row[-1]


@given(st.lists(st.tuples(st.none() | WORDS.map(" ".join), WORDS.map(" ".join)), max_size=6))
def test_totals_are_sums_of_utterances(pairs: list[tuple[str | None, str]]):
    per_utterance = utterance_errors(iter(pairs))
    total = per_utterance.total()
    scored = [(r, h) for r, h in pairs if r is not None]
    assert total.utterances == len(scored) == len(per_utterance.errors)
    assert total.without_reference == len(pairs) - len(scored)
    assert total.words == sum(len(r.split()) for r, _ in scored)
    parts = [wer([r], [h]) for r, h in scored]
    assert per_utterance.errors.tolist() == [part.errors for part in parts]
    assert total.errors == sum(part.errors for part in parts)


def test_empty_reference_counts_insertions():
    result = wer(["", "a b"], ["x y z", "a b"])
    assert (result.insertions, result.errors, result.words) == (3, 3, 2)


def test_no_reference_words_has_no_rate():
    assert math.isnan(wer([""], ["x"]).rate)
    assert math.isnan(wer([], []).rate)
    assert wer([None], ["x"]).without_reference == 1


def test_empty_input_has_empty_arrays():
    result = utterance_errors([])
    assert result.errors.shape == (0,)
    assert result.errors.dtype == np.int64


def test_normalizer_applies_to_both_sides():
    reference, hypothesis = ["It cost twenty one dollars."], ["it cost $21"]
    assert wer(reference, hypothesis).errors > 0
    assert wer(reference, hypothesis, normalizer="number").errors == 0


def test_adding_pools_corpora():
    one, two = wer(["a b"], ["a"]), wer(["c", None], ["c d", "e"])
    assert one + two == wer(["a b", "c", None], ["a", "c d", "e"])


@pytest.mark.parametrize(
    ("references", "hypotheses", "message"),
    [
        ("a b", "a b", "one string"),
        (["a"], "a", "one string"),
        (["a", "b"], ["a"], "2 references but 1 hypotheses"),
    ],
)
def test_wrong_arguments_are_refused(references, hypotheses, message: str):
    with pytest.raises(InputError, match=message):
        wer(references, hypotheses)


def test_unknown_normalizer_is_refused():
    with pytest.raises(InputError, match="nosuch"):
        wer(["a"], ["a"], normalizer="nosuch")
