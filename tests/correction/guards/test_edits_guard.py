"""Guards: each by hand, and the constrained decoding on whatever a random language model would write."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robustger.correction import Corrector, GuardConfig
from robustger.correction.guards.guard import Proposal
from robustger.correction.guards.known_guards import GUARDS
from robustger.errors import InputError
from robustger.hypotheses import NBest


def allows(name: str, proposal: Proposal, **thresholds: float) -> bool:
    return GUARDS.get(name)(GuardConfig.model_validate({"name": name, **thresholds})).allows(proposal)


def test_unknown_guards_are_told_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown guard 'sword'; choose one of: none, words, edits, margin"):
        GUARDS.get("sword")


def test_none_lets_everything_through() -> None:
    assert allows("none", Proposal("a b c", "something else entirely", {"a", "b", "c"}))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("b a", True), ("a a a", True), ("", False), ("a B", False), ("ab", False), ("a b d", False)],
)
def test_words_lets_no_other_word_through(text: str, allowed: bool) -> None:
    assert allows("words", Proposal("a b", text, words={"a", "b", "c"})) is allowed


@pytest.mark.parametrize(
    ("best", "text", "edits"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a x c", 1),
        ("a b c", "c", 2),
        ("", "a b", 2),
        ("a", "", 1),
        ("", "", 0),
    ],
)
def test_edits_are_counted_in_words(best: str, text: str, edits: int) -> None:
    assert Proposal(best, text).edits == edits


@pytest.mark.parametrize("guard", ["edits", "margin"])
@given(words=st.integers(1, 200), data=st.data())
def test_the_edit_rate_is_exact(guard: str, words: int, data: st.DataObject) -> None:
    """As many edits as the rate says are let through, one more is not: 29 in 100 at 0.29, where 0.29 * 100 < 29."""
    edits = data.draw(st.integers(0, words - 1))
    best = ["a"] * words

    def proposal(edits: int) -> Proposal:
        return Proposal(" ".join(best), " ".join(["b"] * edits + best[edits:]))

    rate = float(Fraction(edits, words))
    assert allows(guard, proposal(edits), max_edit_rate=rate)
    assert not allows(guard, proposal(edits + 1), max_edit_rate=rate)


@pytest.mark.parametrize("guard", ["words", "edits", "margin"])
def test_no_text_is_emptied_and_none_is_made_of_nothing(guard: str) -> None:
    words = {"a", "b"}
    for best, text in (("a b", ""), ("a b", " "), ("a", ""), ("", "a"), ("", "a b")):
        assert not allows(guard, Proposal(best, text, words))
        assert allows("none", Proposal(best, text, words))
    assert allows(guard, Proposal("", "", words))


@pytest.mark.parametrize("guard", ["edits", "margin"])
@pytest.mark.parametrize(
    ("words", "left", "allowed"),
    [
        (200, 1, False),
        (200, 99, False),
        (200, 100, True),
        (6, 2, False),
        (6, 3, True),
        (3, 1, True),
        (2, 1, True),
    ],
)
def test_no_text_is_shortened_to_less_than_half(guard: str, words: int, left: int, allowed: bool) -> None:
    """Whatever the edit rate lets through; deleting every word is a rate of 1. Two words may always go."""
    best = " ".join(["you"] * words)
    other = " ".join(["me"] * left)  # replaced and deleted at once
    for text in (" ".join(["you"] * left), other):
        assert allows(guard, Proposal(best, text), max_edit_rate=1.0) is allowed
    assert allows(guard, Proposal(best, " ".join(["you"] * left)), max_edit_rate=1.0, max_deletion_rate=1.0)


WORDS = [
    *("a", "an", "ant", "anti", "anti-hero", "hero", "-hero", "well-known", "well", "known", "-", "--"),
    *("1", "12", "123", "1,985", "don't", "don", "'t", "t", "fare", "fares", "s", "the", "there"),
    *("naïve", "naïveté", "e\u0301", "\u00e9", "日本", "日本語", "語", "🎉", "🎉🎉", "👩‍👩‍👧", "ı", "\u200b"),
    *("</s>", "<s>", "<", "/s>", "\\", '"', "\x01"),
]
HYPOTHESES = st.lists(
    st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=5).map(" ".join), min_size=1, max_size=5
)


@pytest.fixture(scope="module")
def corrector(tiny_corrector: Callable[..., Corrector]) -> Corrector:
    return tiny_corrector(guard={"name": "words"}, skip_agreeing=False, normalizer="raw", languages=["mul"])


@pytest.mark.parametrize("num_beams", [1, 4])
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    texts=st.lists(HYPOTHESES, min_size=1, max_size=4),
    seed=st.integers(0, 1000),
    end=st.sampled_from([0.0, 3.0, 6.0]),
)
def test_words_writes_only_words_of_the_list(
    corrector: Corrector, num_beams: int, texts: list[list[str]], seed: int, end: float
) -> None:
    """Whatever the language model would rather write: its weights are drawn anew each time."""
    head = corrector.llm.llm.lm_head.weight
    with torch.no_grad():
        head.normal_(std=0.25, generator=torch.Generator().manual_seed(seed))
        head[:, 0] = 0.0
        head[corrector.tokenizer.eos_token_id, 0] = end  # how often answers end
    lists = [NBest.from_texts(str(index), list_) for index, list_ in enumerate(texts)]
    for list_, transcript in zip(texts, corrector.correct(lists, num_beams=num_beams), strict=True):
        words = {word for text in list_ for word in text.split()}
        assert set(transcript.text.split()) <= words
        # This tokenizer gives back the text it was given, so the constraint itself never lets a word through.
        one_is_empty = not (transcript.generated and transcript.best)
        assert transcript.source in ("llm", "too_long") or words == set() or one_is_empty


def test_a_tokenizer_that_rewrites_words_cannot_smuggle_them_in(
    tiny_corrector: Callable[..., Corrector],
) -> None:
    from tokenizers import normalizers

    corrector = tiny_corrector(guard={"name": "words"}, normalizer="raw")
    corrector.tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    cities = ["Boston", "Denver", "Lisbon", "Austin", "Oslo", "Rome", "Bern", "Cork"]
    lists = [NBest.from_texts(city, [f"{city} FARE", f"to {city}", f"THE {city}"]) for city in cities]
    transcripts = corrector.correct(lists)
    for city, transcript in zip(cities, transcripts, strict=True):
        assert set(transcript.text.split()) <= {city, "FARE", "to", "THE"}
    held_back = [transcript for transcript in transcripts if transcript.source == "guard"]
    assert held_back
    assert all(transcript.text == transcript.best != transcript.generated for transcript in held_back)
