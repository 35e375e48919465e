"""The guard `heard` decides with the scores of the list, and asks the recognizer about texts that are not in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import pytest

from robustger.correction import Corrector
from robustger.correction.answers import answer
from robustger.correction.batch import ReadingBatch
from robustger.correction.config import EvidenceWeights, GuardConfig
from robustger.correction.decoding.stepwise import Answer
from robustger.correction.guards.heard_guard import HeardGuard, has_sums
from robustger.correction.list_prompts import make_prompts
from robustger.correction.writing import Writing
from robustger.hypotheses import Hypothesis, NBest, Transcript

HEARD = EvidenceWeights(recognizer=1.0, language_model=0.0, prior=0.0, best=0.5, min_gain=0.0)


def guard(weights: EvidenceWeights = HEARD, unscored: EvidenceWeights = HEARD) -> GuardConfig:
    return GuardConfig(name="heard", max_edit_rate=1.0, scored=weights, unscored=unscored)


def test_the_recognizers_scores_overrule_its_order(tiny_corrector: Callable[..., Corrector]):
    lists = [
        NBest.from_texts(
            "a", ["the night train", "the knight train", "the night rain"], scores=[-4.0, -3.8, -9.0]
        ),
        NBest.from_texts(
            "b", ["the night train", "the knight train", "the night rain"], scores=[-4.0, -2.0, -9.0]
        ),
    ]
    kept, changed = tiny_corrector().correct(lists, guard=guard())
    assert (kept.text, changed.text) == ("the night train", "the knight train")
    assert changed.judged is not None
    (edit,) = changed.judged
    assert (edit.before, edit.after, edit.kept) == ("night", "knight", True)
    assert edit.gain == pytest.approx(1.5, abs=0.01)
    assert edit.recognizer_gain == pytest.approx(2.0, abs=0.01)
    assert edit.language_model_gain is None
    assert edit.prior_gain is None
    assert changed.to_dict()["judged"][0]["to"] == "knight"


def test_a_second_recognizer_takes_part_in_the_decision(tiny_corrector: Callable[..., Corrector]):
    texts, scores = ["the night train", "the knight train", "the night rain"], [-4.0, -5.0, -9.0]
    alone = NBest.from_texts("a", texts, scores=scores)
    twice = NBest.from_texts("b", texts, scores=scores, second_scores=[-9.0, -3.0, -9.0])
    both = guard().model_copy(update={"twice_scored": HEARD.model_copy(update={"second": 1.0})})
    first, changed = tiny_corrector().correct([alone, twice], guard=both)
    assert (first.text, changed.text) == ("the night train", "the knight train")
    assert changed.judged is not None
    (edit,) = changed.judged
    assert (edit.gain, edit.recognizer_gain, edit.second_gain) == pytest.approx((4.5, -1.0, 5.3), abs=0.05)
    (without,) = tiny_corrector().correct([twice], guard=guard())  # nobody says what it counts
    assert without.text == "the night train"


def test_a_hypothesis_that_breaks_off_does_not_win(tiny_corrector: Callable[..., Corrector]):
    nbest = NBest.from_texts(
        "a",
        ["close the door and the window", "close the door", "clothes the door and the window"],
        scores=[-9.0, -1.0, -12.0],
    )
    (transcript,) = tiny_corrector().correct([nbest], guard=guard())
    assert transcript.text == "close the door and the window"


def test_a_text_that_is_not_in_the_list_is_listened_to_as_the_recognizer_would_write_it(
    tiny_corrector: Callable[..., Corrector],
):
    corrector = tiny_corrector()
    nbest = NBest.from_texts(
        "a",
        ["the night train", "the knight train"],
        written=["The night train.", "The knight train."],
        scores=[-4.0, -9.0],
    )
    asked: list[str] = []

    def listener(given: NBest) -> Callable[[Sequence[str]], list[float]]:
        assert given is nbest

        def listen(texts: Sequence[str]) -> list[float]:
            asked.extend(texts)
            return [-3.0] * len(texts)

        return listen

    for heard, score in ((listener, -3.0), (None, -4.0 - HEARD.unheard_word)):
        prompts, _ = make_prompts(
            [Writing.of(nbest, corrector.config)],
            corrector.config,
            corrector.tokens,
            longest=500,
            skip_agreeing=False,
            guard="heard",
            listener=heard,
        )
        batch = ReadingBatch.of(prompts, corrector.tokens, corrector.noise)
        answers = answer(batch, corrector.llm, corrector.tokens, max_new_tokens=8, prior=lambda texts: [])
        written = "the night tram"
        answers = replace(answers, texts=[written], answers=[Answer([1], -2.0, True)])
        (candidates,) = HeardGuard(guard()).candidates(answers)
        assert [one.text for one in candidates] == ["the night train", "the knight train", written]
        assert candidates[-1].recognizer == pytest.approx(score)
    assert asked == ["The night tram."]


def test_a_text_that_breaks_off_does_not_hide_a_good_one(tiny_corrector: Callable[..., Corrector]):
    texts = ["close the door and the window", "close the door", "clothes the door and the window"]
    nbest = NBest.from_texts("a", texts, scores=[-9.0, -1.0, -7.0])
    (transcript,) = tiny_corrector().correct([nbest], guard=guard())
    assert transcript.text == "clothes the door and the window"


def test_edits_of_a_refused_text_were_not_kept(tiny_corrector: Callable[..., Corrector]):
    nbest = NBest.from_texts("a", ["the night train", "the knight train"], scores=[-4.0, -2.0])
    refusing = guard().model_copy(update={"max_edit_rate": 0.0})
    (transcript,) = tiny_corrector().correct([nbest], guard=refusing)
    assert transcript.text == "the night train"
    assert [edit.kept for edit in transcript.judged or ()] == [False]


def test_a_transcript_survives_json(tiny_corrector: Callable[..., Corrector]):
    nbest = NBest.from_texts("a", ["the night train", "the knight train"], scores=[-4.0, -2.0])
    (transcript,) = tiny_corrector().correct([nbest], guard=guard())
    assert transcript.judged
    assert Transcript(**json.loads(json.dumps(transcript.to_dict()))) == transcript
    assert Transcript(**json.loads(json.dumps(asdict(transcript)))) == transcript


def test_lists_without_scores_are_left_to_the_language_model(tiny_corrector: Callable[..., Corrector]):
    corrector = tiny_corrector()
    nbest = NBest.from_texts("a", ["the night train", "the knight train"])
    trusting = EvidenceWeights(recognizer=0.0, language_model=1.0, prior=0.0, best=0.0, min_gain=0.0)
    (transcript,) = corrector.correct([nbest], guard=guard(unscored=trusting))
    for edit in transcript.judged or ():
        assert edit.recognizer_gain is None
        assert edit.kept == (edit.gain >= 0)
    careful = trusting.model_copy(update={"best": 1000.0})
    (transcript,) = corrector.correct([nbest], guard=guard(unscored=careful))
    assert transcript.text == nbest.best


def test_the_prior_is_that_of_the_language_model_alone(tiny_corrector: Callable[..., Corrector]):
    from robustger.correction.llm.causal_lm import CausalLanguageModel

    corrector = tiny_corrector()
    lists = [NBest.from_texts("a", ["the night train", "the knight train"], scores=[-4.0, -5.0])]
    weights = HEARD.model_copy(update={"recognizer": 0.0, "prior": 1.0, "best": 0.0})
    (transcript,) = corrector.correct(lists, guard=guard(weights))
    of_best, of_other = CausalLanguageModel(corrector.config.base).log_probabilities(lists[0].texts)
    assert transcript.text == lists[0].texts[of_other > of_best]


@pytest.mark.parametrize(
    ("scores", "sums"), [([None, None], False), ([-0.2, -0.25], False), ([-3.0, -4.0], True), ([-3.0], True)]
)
def test_means_are_no_sums(scores: list[float | None], sums: bool):
    assert has_sums([Hypothesis("a", score) for score in scores]) == sums


def test_lists_with_and_without_scores_share_a_batch(tiny_corrector: Callable[..., Corrector]):
    texts = ["the night train", "the knight train", "the night rain"]
    lists = [NBest.from_texts("a", texts, scores=[-4.0, -2.0, -9.0]), NBest.from_texts("b", texts)]
    trusting = EvidenceWeights(recognizer=0.0, language_model=1.0, prior=0.0, best=0.0, min_gain=0.0)
    scored, unscored = tiny_corrector().correct(lists, guard=guard(unscored=trusting))
    assert scored.text == "the knight train"
    assert all(edit.language_model_gain is None for edit in scored.judged or ())
    assert all(edit.language_model_gain is not None for edit in unscored.judged or ())
