"""The guard `words`, by hand and on whatever a random language model would write."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robustger.correction import Corrector, GuardConfig
from robustger.correction.guards.guard import Proposal
from robustger.correction.guards.words_guard import WordsGuard
from robustger.hypotheses import NBest


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("b a", True), ("a a a", True), ("", False), ("a B", False), ("ab", False), ("a b d", False)],
)
def test_words_lets_no_other_word_through(text: str, allowed: bool) -> None:
    assert (
        WordsGuard(GuardConfig(name="words")).allows(Proposal("a b", text, words={"a", "b", "c"})) is allowed
    )


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
