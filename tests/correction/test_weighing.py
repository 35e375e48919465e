"""Evidence is weighed as the formula says, and edits are kept by their gain."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.correction.config import EvidenceWeights
from robustger.correction.weighing import CandidateText, estimated_scores, probabilities, weigh, with_edits

WEIGHTS = EvidenceWeights(recognizer=0.5, language_model=0.25, prior=0.125, word=0.1, best=0.7, min_gain=0.0)

words = st.sampled_from(["a", "b", "c", "d"])
numbers = st.floats(-30, 0)


@st.composite
def lists(draw: st.DrawFn) -> list[CandidateText]:
    texts = draw(st.lists(st.lists(words, max_size=6).map(" ".join), min_size=1, max_size=6, unique=True))
    scored = draw(st.booleans())
    return [
        CandidateText(text, draw(numbers) if scored else None, draw(numbers), draw(numbers)) for text in texts
    ]


def test_the_score_is_the_formula():
    candidates = [CandidateText("a b c", -4.0, -6.0, -8.0), CandidateText("a d", -3.0, -9.0, -5.0)]
    scores = [0.5 * -4 + 0.25 * -6 + 0.125 * -8 + 0.1 * 3 + 0.7, 0.5 * -3 + 0.25 * -9 + 0.125 * -5 + 0.1 * 2]
    total = sum(map(math.exp, scores))
    assert probabilities(candidates, WEIGHTS) == pytest.approx([math.exp(s) / total for s in scores])


@given(candidates=lists(), min_gain=st.floats(-3, 3))
def test_every_word_comes_from_a_candidate_and_edits_say_what_was_done(
    candidates: list[CandidateText], min_gain: float
):
    text, edits = weigh(candidates, WEIGHTS, min_gain)
    assert with_edits(candidates[0].text, [edit for edit in edits if edit.kept]) == text
    held = {word for one in candidates for word in one.text.split()}
    assert set(text.split()) <= held
    rebuilt, at, best = [], 0, candidates[0].text.split()
    for edit in edits:
        before = edit.before.split()
        rebuilt += best[at : edit.word]
        assert best[edit.word : edit.word + len(before)] == before
        rebuilt += (edit.after if edit.kept else edit.before).split()
        at = edit.word + len(before)
        assert edit.kept == (edit.gain >= min_gain) or math.isclose(edit.gain, min_gain, abs_tol=2e-3)
        assert (edit.recognizer_gain is None) == (candidates[0].recognizer is None)
    assert [*rebuilt, *best[at:]] == text.split()


@given(candidates=lists())
def test_a_threshold_that_nothing_reaches_keeps_the_best(candidates: list[CandidateText]):
    text, edits = weigh(candidates, WEIGHTS, 1e6)
    assert text == candidates[0].text
    assert not any(edit.kept for edit in edits)


def test_what_was_heard_decides_between_equally_probable_words():
    spoken = [
        CandidateText("a piece of mind", -5.0, -3.0),
        CandidateText("a peace of mind", -1.0, -3.0),
    ]
    text, (edit,) = weigh(spoken, WEIGHTS)
    assert text == "a peace of mind"
    assert (edit.before, edit.after, edit.word) == ("piece", "peace", 1)
    assert edit.recognizer_gain == pytest.approx(4.0, abs=0.01)
    assert edit.language_model_gain == pytest.approx(0.0, abs=0.01)
    assert edit.prior_gain is None
    assert weigh([spoken[0], CandidateText("a peace of mind", -9.0, -3.0)], WEIGHTS)[0] == "a piece of mind"


def test_words_of_several_candidates_are_combined():
    candidates = [
        CandidateText("the cat sat on the mad", -3.0, -9.0),
        CandidateText("the bat sat on the mat", -3.0, -4.0),
        CandidateText("the cat sat on a mat", -3.0, -4.0),
    ]
    assert weigh(candidates, WEIGHTS)[0] == "the cat sat on the mat"


def test_estimates_of_unheard_texts():
    listed = ["the cat sat", "the bat sat", "the cat sank"]
    texts = ["the bat sank", "the dog sat", "the bat sat down now"]
    assert estimated_scores(texts, listed, [-1.0, -3.0, -4.0], 5.0) == [
        -1.0 - 2.0 - 3.0,
        -1.0 - 5.0,
        -1.0 - 2.0 - 10.0,
    ]
