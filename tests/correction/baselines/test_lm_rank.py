"""LM_rank: weight zero gives the 1-best, an oracle reaches o_nb, and other weights agree with results by hand."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.correction.baselines import load_baseline
from robustger.correction.baselines.lm_rank import (
    RANK_WEIGHTS,
    LanguageModelRank,
    cross_validated_scores,
    language_model_scores,
    recognizer_scores,
    tune_weight,
)
from robustger.correction.baselines.ngram import NgramLanguageModel
from robustger.errors import InputError
from robustger.evaluation import n_best_errors, wer
from robustger.hypotheses import NBest, load_nbest
from robustger.text import normalize

TEXTS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=5).map(" ".join)
needs_data = pytest.mark.skipif(
    "ROBUSTGER_DATA" not in os.environ, reason="ROBUSTGER_DATA does not name the shared data"
)


class Table:
    """Probabilities as given; remembers what it was asked."""

    def __init__(self, **probabilities: float) -> None:
        self.probabilities = probabilities
        self.asked: list[str] = []

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        self.asked += texts
        return [math.log(self.probabilities[text]) for text in texts]


class Oracle:
    """Likes a text the better, the fewer errors it has against the reference, which it knows."""

    def __init__(self, reference: str, normalizer: str = "raw") -> None:
        self.reference = reference
        self.normalizer = normalizer

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        return [-wer([self.reference], [text], normalizer=self.normalizer).errors for text in texts]


class Shuffled:
    """Any numbers, but the same for the same text; some texts do not fit into its context."""

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        return [-math.inf if text == "a b" else -float(sum(map(ord, text)) % 7) for text in texts]


def nbest(*texts: str, scores: Sequence[float] | None = None, reference: str | None = None) -> NBest:
    return NBest.from_texts("u1", texts, scores=scores, reference=reference)


def chosen(rank: LanguageModelRank, lists: NBest) -> str:
    (transcript,) = rank.transcribe([lists])
    return transcript.text


# 0.6 against 0.4 for the recognizer, 0.1 against 0.4 for the language model. They are even where
# (1 - w) ln(0.6 / 0.4) = w ln(0.4 / 0.1), at w = 0.22630...
EVEN = math.log(0.6 / 0.4) / (math.log(0.6 / 0.4) + math.log(0.4 / 0.1))


@pytest.mark.parametrize(
    ("weight", "text"),
    [(0.0, "x"), (0.2, "x"), (EVEN - 1e-6, "x"), (EVEN + 1e-6, "y"), (0.5, "y"), (1.0, "y")],
)
def test_the_interpolation_equals_the_case_worked_out_by_hand(weight: float, text: str) -> None:
    assert math.isclose(EVEN, 0.22630, abs_tol=1e-5)
    lists = nbest("x", "y", scores=[math.log(0.6), math.log(0.4)])
    assert chosen(LanguageModelRank(Table(x=0.1, y=0.4), weight), lists) == text


def test_the_confidence_is_the_share_of_the_chosen_text() -> None:
    lists = nbest("x", "y", "x", scores=[math.log(0.5), math.log(0.3), math.log(0.2)])
    (transcript,) = LanguageModelRank(Table(x=0.1, y=0.4), 0.5).transcribe([lists])
    shares = [math.sqrt(0.5 * 0.1), math.sqrt(0.3 * 0.4), math.sqrt(0.2 * 0.1)]
    assert transcript.text == "y"
    assert transcript.confidence == pytest.approx(shares[1] / sum(shares))


def test_without_scores_the_rank_speaks_for_the_recognizer() -> None:
    # 1/1, 1/2, 1/3 against 0.1, 0.2, 0.9: with equal say the products are 0.1, 0.1 and 0.3
    lists = nbest("x", "y", "z")
    table = Table(x=0.1, y=0.2, z=0.9)
    assert recognizer_scores(lists) == pytest.approx([0, -math.log(2), -math.log(3)])
    assert chosen(LanguageModelRank(table, 0.5), lists) == "z"
    assert chosen(LanguageModelRank(table, 0.1), lists) == "x"


def test_no_score_is_above_that_of_an_earlier_hypothesis() -> None:
    assert recognizer_scores(nbest("a", "b", "c", "d", scores=[-2, -1, -3, -2.5])) == [-2, -2, -3, -3]


@given(st.lists(st.tuples(TEXTS, st.floats(-1e3, 0)), min_size=1, max_size=6), st.booleans())
def test_weight_zero_is_the_1_best_whatever_the_scores(rows: list[tuple[str, float]], scored: bool) -> None:
    texts, scores = zip(*rows, strict=True)
    lists = nbest(*texts, scores=scores if scored else None)
    (transcript,) = LanguageModelRank(Shuffled(), 0.0).transcribe([lists])
    assert transcript.text == transcript.best == texts[0]


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=6), st.booleans())
def test_with_an_oracle_it_is_o_nb(reference: str, texts: list[str], scored: bool) -> None:
    scores = [-float(rank) for rank in range(len(texts))] if scored else None
    lists = nbest(*texts, scores=scores, reference=reference)
    oracle = Oracle(reference)
    o_nb = n_best_errors(reference.split(), [text.split() for text in texts])
    text = chosen(LanguageModelRank(oracle, 1.0), lists)
    assert n_best_errors(reference.split(), [text.split()]) == o_nb
    tuning = tune_weight([lists], language_model_scores(oracle, [lists]), "raw")
    assert tuning.errors[tuning.weight] == o_nb


@given(
    st.lists(TEXTS, min_size=2, max_size=6), st.randoms(use_true_random=False), st.sampled_from(RANK_WEIGHTS)
)
def test_hypotheses_of_equal_score_can_stand_in_any_order(texts: list[str], random, weight: float) -> None:
    scores = [-1.0, *[-2.0] * (len(texts) - 1)]
    tail = random.sample(texts[1:], len(texts) - 1)
    best = []
    for order in (texts, [texts[0], *tail]):
        lists = nbest(*order, scores=scores)
        (row,) = language_model_scores(Shuffled(), [lists])
        text = chosen(LanguageModelRank(Shuffled(), weight), lists)
        best.append((order.index(text) == 0, row[order.index(text)]))
    assert best[0] == best[1]  # the same text, or one that the language model likes as much


def test_a_text_that_does_not_fit_the_language_model_is_not_chosen_over_one_that_does() -> None:
    rank = LanguageModelRank(Shuffled(), 0.5)
    assert chosen(rank, nbest("a b", "c")) == "c"
    (transcript,) = rank.transcribe([nbest("a b", "a  b", "a b ")])
    assert (transcript.text, transcript.confidence) == ("a b", 1)


def test_each_text_is_asked_for_once_and_those_of_agreeing_lists_never() -> None:
    table = Table(x=0.5, y=0.5)
    lists = [nbest("x", "y"), nbest("z", "z"), nbest("y", " x ")]
    list(LanguageModelRank(table, 0.5).transcribe(lists))
    assert table.asked == ["x", "y"]
    list(LanguageModelRank(table, 0.0).transcribe(lists))
    assert table.asked == ["x", "y"]


def test_tuning_counts_errors_and_prefers_the_smaller_of_equal_weights() -> None:
    lists = [
        nbest("x", "y", scores=[math.log(0.6), math.log(0.4)], reference="y"),  # right above EVEN
        nbest("x", "z", scores=[math.log(0.9), math.log(0.1)], reference="x"),  # right below 0.613
    ]
    scores = language_model_scores(Table(x=0.1, y=0.4, z=0.4), lists)
    tuning = tune_weight(lists, scores, "raw")
    expected = {weight: int(weight < EVEN) + int(weight > 0.62) for weight in RANK_WEIGHTS}
    assert tuning.errors == expected
    assert tuning.weight == 0.3


def test_the_normalizer_decides_what_an_error_is() -> None:
    lists = [nbest("twenty one", "21", scores=[-1, -2], reference="21")]
    scores = [[-9.0, 0.0]]
    assert tune_weight(lists, scores, "raw").weight > 0
    assert tune_weight(lists, scores, "number").weight == 0


def test_a_tuned_weight_never_has_more_errors_than_the_1_best() -> None:
    lists = [nbest("a b c", "a b", reference="a b c"), nbest("c c", "a b", reference="c")]
    tuning = tune_weight(lists, language_model_scores(Shuffled(), lists))
    assert tuning.errors[tuning.weight] <= tuning.errors[0.0]


def test_lists_are_scored_by_models_that_have_not_seen_their_reference() -> None:
    class Seen:
        """Certain of what it has seen, and of nothing else."""

        def __init__(self, references: set[str]) -> None:
            self.references = references

        def log_probabilities(self, texts: Sequence[str]) -> list[float]:
            return [0.0 if text in self.references else -1.0 for text in texts]

    lists = [
        NBest.from_texts(f"u{number}", [f"{number % 7}", "other"], reference=f" {number % 7} ")
        for number in range(40)
    ]
    scores = cross_validated_scores(lists, lambda part: Seen({(n.reference or "").strip() for n in part}))
    assert scores == [[-1.0, -1.0]] * 40  # though every reference occurs several times


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lm-rank", {}, "give lists to tune its weight on (dev), or the weight itself"),
        ("lm-rank", {"dev": [nbest("a", reference="a")], "weight": 0.5}, "one of the two"),
        ("lm-rank", {"dev": [nbest("a")]}, "list 'u1' has no reference"),
        ("lm-rank", {"dev": []}, "there are no lists to tune the weight"),
        ("ngram-rank", {}, "baseline 'ngram-rank' needs 'train'"),
        ("ngram-rank", {"train": [nbest("a")]}, "the n-gram model has no text to learn from"),
        ("ngram-rank", {"train": [nbest("a", reference="a")]}, "fewer than two different references"),
        ("ngram-rank", {"train": [nbest("a", reference="a")], "weight": 1.5}, "weight is 1.5"),
        ("ngram-rank", {"train": [nbest("a", reference="a")], "order": 0}, "order is 0"),
        ("ngram-rank", {"train": [], "dev": [], "weight": 0.5}, "one of the two"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(name: str, options: dict, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        load_baseline(name, **options)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_domains_own_text_decides_between_homophones() -> None:
    references = ["what is the fare to boston", "show me the fare to denver", "the cheapest fare please"]
    train = [
        NBest.from_texts(f"t{number}", [text.replace("fare", "fair"), text], reference=text)
        for number, text in enumerate(references)
    ]
    rank = load_baseline("ngram-rank", train=train)
    lists = NBest.from_texts("u1", ["what is the fair to denver", "what is the fare to denver"])
    assert [transcript.text for transcript in rank.transcribe([lists])] == ["what is the fare to denver"]


@needs_data
@pytest.mark.parametrize("domain", ["wsj", "chime4"])  # with scores and without
def test_on_real_lists(domain: str) -> None:
    folder = Path(os.environ["ROBUSTGER_DATA"]) / "hyporadise"
    lists = load_nbest(folder / f"{domain}.dev.jsonl")
    sentences = [nbest.reference or "" for nbest in load_nbest(folder / f"{domain}.train.jsonl")]
    ngrams = NgramLanguageModel(sentences)
    bests = [" ".join(nbest.best.split()) for nbest in lists]
    assert [t.text for t in LanguageModelRank(ngrams, 0.0).transcribe(lists)] == bests
    o_nb = 0
    errors = 0
    for nbest_ in lists:
        reference = normalize(nbest_.reference or "", "number").split()
        o_nb += n_best_errors(reference, [normalize(text, "number").split() for text in nbest_.texts])
        text = chosen(LanguageModelRank(Oracle(nbest_.reference or "", "number"), 1.0), nbest_)
        errors += n_best_errors(reference, [normalize(text, "number").split()])
    assert errors == o_nb
    tuning = tune_weight(lists, language_model_scores(ngrams, lists))
    reranked = [t.text for t in LanguageModelRank(ngrams, tuning.weight).transcribe(lists)]
    assert tuning.errors[0.0] == wer([n.reference for n in lists], bests, normalizer="number").errors
    assert (
        tuning.errors[tuning.weight]
        == wer([n.reference for n in lists], reranked, normalizer="number").errors
    )
