"""Times of words: given by the recognizer or spread evenly, and always in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.pipeline.words import retimed, spread_words, timed_words
from robustger.pipeline.writing_systems import display_words
from robustger.recognition.recognizer import AudioEmbedding, Recognition, TimedWord

RATE = 16_000


class Reader:
    """A recognizer of a user's own: it does not listen."""

    window_seconds, pads, embedding_size = 30.0, True, 4

    def recognize(
        self, audios: Sequence[np.ndarray], *, n: int = 5, beams: int | None = None
    ) -> list[Recognition]:
        raise AssertionError

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        raise AssertionError


class Listener(Reader):
    """A recognizer that says of every text what it was told to say, and refuses texts of more than 20 words."""

    def __init__(self, words: Sequence[TimedWord]) -> None:
        self.words = list(words)
        self.language: str | None = None

    def align(self, audio: np.ndarray, text: str, *, language: str | None = None) -> list[TimedWord]:
        if len(text.split()) > 20:
            raise InputError("the text is longer than the decoder's context; align shorter stretches")
        self.language = language
        return self.words

    def score(self, audio: np.ndarray, texts: Sequence[str], *, language: str | None = None) -> list[float]:
        raise AssertionError


def speech(before: float, loud: float, after: float) -> np.ndarray:
    """Near silence, a tone, near silence; in seconds."""
    parts = [(before, 1e-4), (loud, 0.3), (after, 1e-4)]
    return np.concatenate(
        [level * np.sin(0.2 * np.arange(round(seconds * RATE))) for seconds, level in parts]
    ).astype(np.float32)


def test_a_recognizer_that_listens_is_believed() -> None:
    heard = [TimedWord("Hello,", 0.5, 0.9, 0.75), TimedWord("world.", 1.0, 1.4, 0.5)]
    listener = Listener(heard)
    found = timed_words(listener, speech(0.5, 1, 0.5), "Hello, world.", start=60.0, language="en")
    assert found == (TimedWord("Hello,", 60.5, 60.9, 0.75), TimedWord("world.", 61.0, 61.4, 0.5))
    assert listener.language == "en"


def test_times_are_put_in_order_and_into_the_stretch() -> None:
    heard = [TimedWord("a", -0.1, 0.6, 1.5), TimedWord("b", 0.4, 0.5, -0.1), TimedWord("c", 0.9, 5.0, None)]
    found = timed_words(Listener(heard), speech(0, 1, 0), "a b c", start=2.0, language=None)
    assert found == (
        TimedWord("a", 2.0, 2.6, 1.0),
        TimedWord("b", 2.6, 2.6, 0.0),
        TimedWord("c", 2.9, 3.0, None),
    )


@pytest.mark.parametrize("recognizer", [Reader(), Listener([])])
def test_otherwise_words_are_spread_over_what_is_loud(recognizer: Reader) -> None:
    text = " ".join(["ab", "abcdef"] * 11)  # too long for the one, and the other does not listen
    found = timed_words(recognizer, speech(1.0, 8.8, 2.0), text, start=10.0, language=None)
    assert [word.text for word in found] == text.split()
    assert all(word.confidence is None for word in found)
    assert found[0].start == pytest.approx(11.0, abs=0.011)
    assert found[-1].end == pytest.approx(19.8, abs=0.011)
    assert found[0].end - found[0].start == pytest.approx(0.2, abs=0.002)
    assert found[1].end - found[1].start == pytest.approx(0.6, abs=0.002)


def test_words_are_within_samples_that_are_silent_or_very_short() -> None:
    for count in (1, 100, 16_000):
        found = timed_words(Reader(), np.zeros(count, np.float32), "a b", start=1.0, language=None)
        assert 1.0 == found[0].start <= found[0].end == found[1].start
        assert found[1].end == pytest.approx(1.0 + count / RATE, abs=0.001)


def test_no_word_is_timed_before_the_first_sound_nor_after_the_last() -> None:
    """A track that begins late begins with zeros, which a recognizer hears as a soft beginning."""
    samples = np.concatenate([np.zeros(RATE // 2), speech(0, 1, 0), np.zeros(RATE)]).astype(np.float32)
    heard = [TimedWord("a", 0.1, 0.3, 0.5), TimedWord("b", 0.3, 0.9, 0.5), TimedWord("c", 0.9, 2.0, 0.5)]
    found = timed_words(Listener(heard), samples, "a b c", start=3.0, language=None)
    times = [(word.start, word.end) for word in found]
    assert times == [(3.5, 3.5), (3.5, 3.9), (3.9, pytest.approx(4.5, abs=0.001))]


def test_no_words_no_question() -> None:
    assert timed_words(Listener([]), speech(0, 1, 0), "  ", start=0.0, language=None) == ()


def test_words_of_another_text_are_refused() -> None:
    listener = Listener([TimedWord("hello", 0.0, 1.0, 0.5)])
    with pytest.raises(InputError, match="its 1 words are not those of the text 'hello world'"):
        timed_words(listener, speech(0, 1, 0), "hello world", start=0.0, language=None)


def test_characters_of_a_script_without_blanks_are_words() -> None:
    heard = [TimedWord("你好。", 1.0, 1.6, 0.5), TimedWord("hello", 2.0, 2.5, 0.25)]
    found = timed_words(Listener(heard), speech(0, 3, 0), "你好。 hello", start=0.0, language="zh")
    assert found == (
        TimedWord("你", 1.0, 1.3, 0.5),
        TimedWord("好。", 1.3, 1.6, 0.5),
        TimedWord("hello", 2.0, 2.5, 0.25),
    )


@given(
    st.lists(st.sampled_from(["a", "fare,", "你好", "extraordinarily", "é"]), max_size=30),
    st.floats(0.001, 5.0),
    st.floats(0.0, 1e4),
)
def test_spread_words_are_in_order_and_within(parts: list[str], seconds: float, start: float) -> None:
    text = " ".join(parts)
    samples = np.ones(max(1, round(seconds * RATE)), np.float32)
    found = timed_words(Reader(), samples, text, start=start, language=None)
    assert [word.text for word in found] == [piece.text for piece in display_words(text)]
    times = [time for word in found for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(start - 0.001 <= time <= start + samples.size / RATE + 0.001 for time in times)


def test_another_form_of_the_text_takes_the_times_of_what_it_stands_against() -> None:
    words = (
        TimedWord("It's", 0.0, 0.4, 0.9),
        TimedWord("50", 0.5, 1.0, 0.8),
        TimedWord("mm,", 1.0, 1.5, 0.7),
        TimedWord("José.", 2.0, 2.5, 0.6),
    )
    assert retimed(words, "It's 50 mm, José.") == words
    found = retimed(words, "it's fifty mm josé")
    assert [word.text for word in found] == ["it's", "fifty", "mm", "josé"]
    assert [word.start for word in found] == [0.0, 0.5, 1.0, 2.0]
    assert [word.confidence for word in found] == [0.9, 0.8, 0.7, 0.6]
    assert found[1].end == 1.0


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_form_keeps_its_own_words_and_the_span(text: str, other: str) -> None:
    words = spread_words(text, 1.0, 3.0)
    found = retimed(words, other)
    assert [word.text for word in found] == [piece.text for piece in display_words(other)]
    if words:
        times = [time for word in found for time in (word.start, word.end)]
        assert times == sorted(times)
        assert all(1.0 - 1e-9 <= time <= 3.0 + 1e-9 for time in times)
