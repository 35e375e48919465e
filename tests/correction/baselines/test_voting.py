"""Minimum Bayes risk and the vote, against cases worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.correction.baselines import load_baseline
from robustger.correction.baselines.voting import expected_errors, posteriors
from robustger.hypotheses import NBest, Transcript

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=6)
TEXTS = WORDS.map(" ".join)


def nbest(*texts: str, probabilities: Sequence[float] | None = None) -> NBest:
    scores = None if probabilities is None else [math.log(probability) for probability in probabilities]
    return NBest.from_texts("u1", texts, scores=scores)


def answer(name: str, lists: NBest) -> Transcript:
    (transcript,) = load_baseline(name).transcribe([lists])
    return transcript


# d(abc, abd) = 1, d(abc, aed) = 2, d(abd, aed) = 1
THREE = ("a b c", "a b d", "a e d")


@pytest.mark.parametrize(
    ("probabilities", "risks", "chosen"),
    [
        (None, [3 / 3, 2 / 3, 3 / 3], "a b d"),
        ([0.9, 0.05, 0.05], [0.05 + 0.1, 0.9 + 0.05, 1.8 + 0.05], "a b c"),
        ([0.4, 0.2, 0.4], [0.2 + 0.8, 0.4 + 0.4, 0.8 + 0.2], "a b d"),
        # Log-probabilities of hypotheses do not add up to one: 0.02 and 0.04 are a third and two thirds.
        ([0.02, 0.02, 0.02], [1.0, 2 / 3, 1.0], "a b d"),
    ],
)
def test_mbr_equals_the_case_worked_out_by_hand(
    probabilities: list[float] | None, risks: list[float], chosen: str
) -> None:
    lists = nbest(*THREE, probabilities=probabilities)
    words = [text.split() for text in THREE]
    assert expected_errors(words, posteriors(lists)) == pytest.approx(risks)
    transcript = answer("mbr", lists)
    assert transcript.text == chosen
    assert transcript.confidence == pytest.approx(1 - min(risks) / 3)


def test_mbr_of_two_keeps_the_more_probable_and_of_equals_the_first() -> None:
    assert answer("mbr", nbest("a", "b")).text == "a"
    assert answer("mbr", nbest("a", "b", probabilities=[0.2, 0.8])).text == "b"


def test_mbr_counts_repeated_hypotheses_as_often_as_they_stand_there() -> None:
    assert answer("mbr", nbest("turn it of", "turn it off", "turn it off")).text == "turn it off"


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_mbr_stays_in_the_list_and_no_hypothesis_has_less_risk(texts: list[str]) -> None:
    lists = nbest(*texts)
    transcript = answer("mbr", lists)
    assert transcript.text in texts
    risks = dict(
        zip(texts, expected_errors([text.split() for text in texts], posteriors(lists)), strict=True)
    )
    assert risks[transcript.text] <= min(risks.values()) + 1e-9
    assert 0 <= transcript.confidence <= 1


@given(st.lists(TEXTS, min_size=3, max_size=6), st.randoms(use_true_random=False))
def test_mbr_has_the_same_risk_however_hypotheses_of_equal_score_are_ordered(
    texts: list[str], random
) -> None:
    probabilities = [0.5, *[0.1] * (len(texts) - 1)]
    tail = random.sample(texts[1:], len(texts) - 1)
    risks = []
    for order in (texts, [texts[0], *tail]):
        lists = nbest(*order, probabilities=probabilities)
        text = answer("mbr", lists).text
        words = [other.split() for other in order]
        risks.append(expected_errors(words, posteriors(lists))[order.index(text)])
        if text != texts[0]:  # the first keeps its place wherever it is as good
            assert risks[-1] < expected_errors(words, posteriors(lists))[0]
    assert risks[0] == pytest.approx(risks[1])


@pytest.mark.parametrize(
    ("texts", "voted", "confidence"),
    [
        # the a the | cat cat hat | sat sat sat | - down down: a text that no hypothesis has
        (
            ["the cat sat", "a cat sat down", "the hat sat down"],
            "the cat sat down",
            (2 + 2 + 3 + 2) / 12,
        ),
        # a column that two of three leave empty is not written
        (["well turn it off", "turn it off", "turn it of"], "turn it off", (2 + 3 + 3 + 2) / 12),
        # of as many votes the earlier hypothesis has the last word, with a word or without
        (["a b", "a"], "a b", 3 / 4),
        (["a", "a b"], "a", 3 / 4),
        (["a", "b", "c"], "a", 1 / 3),
        (["", ""], "", 1.0),
    ],
)
def test_the_vote_equals_the_case_worked_out_by_hand(texts: list[str], voted: str, confidence: float) -> None:
    transcript = answer("rover", nbest(*texts))
    assert transcript.text == voted
    assert transcript.confidence == pytest.approx(confidence)


@given(TEXTS, st.integers(1, 6))
def test_a_vote_of_identical_hypotheses_returns_them(text: str, count: int) -> None:
    for name in ("rover", "mbr"):
        transcript = answer(name, nbest(*[text] * count))
        assert transcript.text == text
        assert transcript.confidence == 1


@given(TEXTS, st.lists(TEXTS, max_size=4), st.randoms(use_true_random=False))
def test_what_more_than_half_say_wins_both_votes(text: str, others: list[str], random) -> None:
    texts = [*others, *[text] * (len(others) + 1)]
    random.shuffle(texts)
    assert answer("rover", nbest(*texts)).text == text
    assert answer("mbr", nbest(*texts)).text == text


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_the_vote_uses_words_of_the_list_only(texts: list[str]) -> None:
    transcript = answer("rover", nbest(*texts))
    assert set(transcript.text.split()) <= {word for text in texts for word in text.split()}
    assert 0 <= transcript.confidence <= 1


def test_white_space_is_collapsed_and_the_first_hypothesis_stands_beside() -> None:
    for name in ("mbr", "rover"):
        transcript = answer(name, nbest(" turn  it\toff ", "turn it off"))
        assert (transcript.text, transcript.best) == ("turn it off", "turn it off")
        assert (transcript.source, transcript.guard) == ("baseline", "none")
