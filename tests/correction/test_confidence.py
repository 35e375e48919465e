"""How probably each word is right: what counts as held by a list, and how the model judges it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import robustger
from robustger.correction.confidence import CONFIDENCE_FILE, ConfidenceModel, list_shares, word_evidence
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript

MODEL = ConfidenceModel()
WORDS = st.sampled_from(["a", "b", "ab", "Ba", "c,", "$c", "it's", "-", "7"])
TEXTS = st.lists(WORDS, max_size=6).map(" ".join)


def shares(text: str, *hypotheses: str, scores: list[float] | None = None) -> list[float]:
    nbest = NBest.from_texts("u", list(hypotheses), scores=scores)
    return [round(evidence.share, 3) for evidence in word_evidence(text, nbest, 1.0)]


def transcript(text: str, nbest: NBest, probability: float = 0.9, source: str = "llm") -> Transcript:
    return Transcript(nbest.id, text, nbest.best, text, source, "none", probability)  # type: ignore[arg-type]


def test_the_share_counts_the_hypotheses_that_hold_a_word_at_its_place() -> None:
    assert shares("the night train", "the night train", "a night train", "the knight train", "the night") == [
        0.75, 0.75, 0.75,
    ]  # fmt: skip
    assert shares("train the", "the train", "the train") in ([0.0, 1.0], [1.0, 0.0])  # held, but elsewhere


def test_scores_weigh_the_hypotheses() -> None:
    found = shares("the fare", "the fair", "the fare", scores=[math.log(0.6), math.log(0.2)])
    assert found == [1.0, 0.25]
    assert list_shares(NBest.from_texts("u", ["a", "b"])) == [0.5, 0.5]
    assert list_shares(NBest.from_texts("u", ["a", "b"], scores=[0.0, -2000.0])) == [1.0, 0.0]


def test_case_and_punctuation_make_no_difference() -> None:
    assert shares("It's twenty-six, Sir.", "it's twenty six sir", "its twenty-six sir") == [0.5, 1.0, 1.0]
    assert shares("$5 - now", "$5 - now") == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("text", "hypothesis", "held"),
    [
        ("washington d c please", "washington dc please", [1, 1, 1, 1]),
        ("june twenty first", "june twentyfirst", [1, 1, 1]),
        ("she said azam was here", "she said azaman was here", [1, 1, 0, 1, 1]),
        ("azam was here", "azaman was here", [0, 1, 1]),
        ("zam", "azam", [0]),
        ("azam", "azama", [0]),
        ("was seduced at school", "was seducated at school", [1, 0, 1, 1]),
        ("what is a d nines", "what is a dnines", [1, 1, 1, 1, 1]),
    ],
)
def test_a_word_that_is_only_written_apart_is_held(text: str, hypothesis: str, held: list[int]) -> None:
    assert shares(text, hypothesis, hypothesis) == held


def test_an_edit_is_a_word_that_the_best_does_not_hold() -> None:
    nbest = NBest.from_texts("u", ["what is the fair", "what is the fare"])
    assert [evidence.edited for evidence in word_evidence("what is the fare", nbest, 1.0)] == [0, 0, 0, 1]


def test_a_word_of_no_hypothesis_gets_a_low_confidence() -> None:
    # Issue: "azaman", in all five hypotheses, became "azam", in none, with a confidence of 0.81.
    nbest = NBest.from_texts("u", ["azaman was here"] * 5)
    judged = MODEL.judged(transcript("azam was here", nbest, 0.81), nbest)
    assert judged.word_confidences is not None
    assert judged.word_confidences[0] < 0.4
    assert min(judged.word_confidences[1:]) > 0.9


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=5), st.floats(0, 1))
def test_every_word_has_a_probability_and_the_text_their_mean(
    text: str, hypotheses: list[str], probability: float
) -> None:
    nbest = NBest.from_texts("u", hypotheses)
    judged = MODEL.judged(transcript(text, nbest, probability), nbest)
    confidences = judged.word_confidences
    assert confidences is not None
    assert len(confidences) == len(text.split())
    assert all(0 <= confidence <= 1 for confidence in confidences)
    assert 0 <= judged.confidence <= 1
    if confidences:
        assert judged.confidence == pytest.approx(sum(confidences) / len(confidences))
    assert (judged.text, judged.source) == (text, "llm")
    for evidence in word_evidence(text, nbest, probability):
        assert 0 <= evidence.share <= 1


@given(TEXTS.filter(str.strip), st.integers(1, 5))
def test_what_all_hypotheses_hold_has_the_whole_share(text: str, count: int) -> None:
    assert set(shares(text, *[text] * count)) == {1.0}
    nbest = NBest.from_texts("u", [text] * count)
    assert not any(evidence.edited for evidence in word_evidence(text, nbest, 1.0))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(-5, 0), st.booleans())
def test_more_votes_never_make_a_word_less_probable(
    first: float, second: float, log_probability: float, edited: bool
) -> None:
    low, high = sorted((first, second))
    evidence = type(word_evidence("a", NBest.from_texts("u", ["a"]), 1.0)[0])
    assert MODEL.probability(evidence(low, edited, log_probability)) <= MODEL.probability(
        evidence(high, edited, log_probability)
    )


def test_a_text_without_words_is_as_sure_as_the_list_is_empty() -> None:
    nbest = NBest.from_texts("u", ["", "", "oh", ""])
    judged = MODEL.judged(transcript("", nbest), nbest)
    assert (judged.confidence, judged.word_confidences) == (0.75, ())


@pytest.mark.parametrize("source", ["language", "loop", "too_long"])
def test_what_nothing_judged_stays(source: str) -> None:
    nbest = NBest.from_texts("u", ["a b"])
    kept = transcript("a b", nbest, 0.0, source)
    assert MODEL.judged(kept, nbest) is kept
    assert "word_confidences" not in kept.to_dict()


def test_a_checkpoint_may_hold_its_own_coefficients(tmp_path: Path) -> None:
    assert ConfidenceModel.of_checkpoint(tmp_path) == MODEL
    (tmp_path / CONFIDENCE_FILE).write_text("intercept: 2.5\nedited: -1\n", encoding="utf-8")
    found = ConfidenceModel.of_checkpoint(tmp_path)
    assert found == MODEL.model_copy(update={"intercept": 2.5, "edited": -1.0})
    (tmp_path / CONFIDENCE_FILE).write_text("edits: -1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"confidence\.yaml: unknown key 'edits'; did you mean 'edited'"):
        ConfidenceModel.of_checkpoint(tmp_path)


def test_the_default_is_the_model_of_the_preset_whisper() -> None:
    path = Path(robustger.__file__).parent / "presets" / "whisper" / CONFIDENCE_FILE
    assert MODEL.model_dump() == yaml.safe_load(path.read_text(encoding="utf-8"))


def test_files_keep_the_confidences(tmp_path: Path) -> None:
    nbest = NBest.from_texts("u", ["what is the fair", "what is the fare"])
    judged = MODEL.judged(transcript("what is the fare", nbest), nbest)
    fields = yaml.safe_load(yaml.safe_dump(judged.to_dict()))
    assert Transcript(**fields) == judged
    del fields["word_confidences"]
    assert Transcript(**fields).word_confidences is None
