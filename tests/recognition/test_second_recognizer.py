"""A second recognizer scores what the first one wrote, and changes nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from robustger.audio import read_audio
from robustger.errors import InputError, MissingModelError
from robustger.hypotheses import Hypothesis
from robustger.pipeline import load_preset_recognizer
from robustger.pipeline.presets import demo_manifest
from robustger.recognition import load_recognizer
from robustger.recognition.recognizer import Listens, Recognition
from robustger.recognition.second_recognizer import (
    UNHEARABLE_NATS,
    TwiceHeard,
    load_second_recognizer,
    second_scores,
)
from robustger.text import normalize


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    manifest = demo_manifest("lab")
    assert manifest is not None
    return read_audio(manifest.parent / "music_10dB.flac")


class Listener:
    """A recognizer of short texts in a few languages, whose scores are easily told apart."""

    window_seconds, pads, embedding_size = 30.0, True, 1

    def __init__(
        self,
        sign: float = -1.0,
        languages: Sequence[str | None] = ("en", None),
        most: int = 99,
        texts: Sequence[str] = ("one", "one two"),
        heard: str | None = "en",
    ) -> None:
        self.sign, self.languages, self.most, self.texts, self.heard = sign, languages, most, texts, heard

    def recognize(
        self, audios: Sequence[np.ndarray], *, n: int = 5, beams: int | None = None
    ) -> list[Recognition]:
        texts = [Hypothesis(text, -float(rank)) for rank, text in enumerate(self.texts, start=1)]
        return [
            Recognition(tuple(texts[:n]), len(texts[:n]), np.zeros(1), language=self.heard) for _ in audios
        ]

    def embed(self, audios: Sequence[np.ndarray]) -> list:
        return []

    def align(self, audio: np.ndarray, text: str, *, language: str | None = None) -> list:
        return []

    def score(self, audio: np.ndarray, texts: Sequence[str], *, language: str | None = None) -> list[float]:
        if language not in self.languages or any(len(text) > self.most for text in texts):
            raise InputError("not mine")
        return [self.sign * len(text) for text in texts]


def both(first: Listener, second: Listener) -> list[tuple[str, float | None, float | None]]:
    """Text, score and second score of what two recognizers find together."""
    found = TwiceHeard(first, second).recognize([np.zeros(9, np.float32)], n=2)[0]
    assert found.distinct == len(found.hypotheses)
    return [(one.text, one.score, one.second_score) for one in found.hypotheses]


def test_the_best_text_of_the_second_recognizer_comes_last_with_both_scores() -> None:
    texts = both(Listener(-1), Listener(-2, texts=["one three", "four"]))
    assert texts == [("one", -1.0, -6.0), ("one two", -2.0, -14.0), ("one three", -9.0, -18.0)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Listener(), Listener(texts=["One, two."])),  # the same words
        (Listener(), Listener(texts=[""])),
        (Listener(), Listener(texts=["and so on and on we go " * 2])),  # says it twice
        (Listener(texts=[""]), Listener(texts=["thank you"])),  # nothing was heard at first
        (Listener(heard="de", languages=("de",)), Listener(languages=("de",), texts=["eins"])),
        (Listener(most=5), Listener(texts=["too long for the first"])),
    ],
)
def test_a_text_that_is_known_unsound_or_unfit_is_not_added(first: Listener, second: Listener) -> None:
    assert [text for text, _, _ in both(first, second)] == list(first.texts)


def scores(second: Listener) -> list[float | None]:
    found = TwiceHeard(Listener(1), second).recognize([np.zeros(9, np.float32)], n=2)[0]
    assert [one.score for one in found.hypotheses] == [-1.0, -2.0]
    return [one.second_score for one in found.hypotheses]


def test_the_second_recognizer_scores_the_texts_of_the_first() -> None:
    assert scores(Listener(-1)) == [-3.0, -7.0]


def test_a_language_that_the_second_one_does_not_know_leaves_no_second_scores() -> None:
    assert scores(Listener(-1, languages=("de",))) == [None, None]


def test_only_a_text_that_is_too_long_for_the_second_one_counts_as_unheard() -> None:
    assert scores(Listener(-1, most=5)) == [-3.0, UNHEARABLE_NATS]


def test_recognizers_that_cannot_score_are_refused() -> None:
    class Mute:
        def recognize(self) -> None: ...

    with pytest.raises(InputError, match="Mute cannot score texts"):
        TwiceHeard(Listener(1), Mute())  # type: ignore[arg-type]


def test_a_model_that_is_not_there_names_the_way_around(tmp_path: Path) -> None:
    with pytest.raises((MissingModelError, InputError)) as missing:
        load_second_recognizer("org/no-such-whisper")
    assert str(missing.value).endswith("or go without it (--second-recognizer none)")


def test_real_recognizers_hear_each_other(embedded_whisper: Callable[[str], str], clip: np.ndarray) -> None:
    first = load_recognizer("faster-whisper", embedded_whisper("whisper-tiny.en"), dtype="int8", device="cpu")
    second = load_second_recognizer(embedded_whisper("whisper-base"), "cpu")
    assert isinstance(second, Listens)
    (alone,) = first.recognize([clip], n=3)
    (found,) = TwiceHeard(first, second).recognize([clip], n=3)
    (other,) = second.recognize([clip], n=1, beams=3)
    texts = [one.text for one in found.hypotheses]
    assert texts[:3] == [one.text for one in alone.hypotheses]
    words = [normalize(text, "spoken") for text in texts]
    assert normalize(other.hypotheses[0].text, "spoken") in words
    assert len(set(words)) == len(words)
    expected = second.score(clip, texts)
    assert [one.second_score for one in found.hypotheses] == pytest.approx(expected)
    assert second_scores(second, clip, ["please turn right"], "xx") is None
    assert expected[0] > second.score(clip, ["I like green apples."])[0] + 20


def test_a_language_is_heard_by_both_or_by_the_first_alone(embedded_whisper: Callable[[str], str]) -> None:
    first = load_recognizer("whisper", embedded_whisper("whisper-base"), device="cpu")
    second = load_second_recognizer(embedded_whisper("whisper-tiny.en"), "cpu")
    heard = TwiceHeard(first, second)
    assert isinstance(heard.in_language("english"), TwiceHeard)
    assert isinstance(heard.in_language("de"), type(first))
    with pytest.raises(InputError):
        heard.in_language("xx")


def test_an_audio_too_long_for_the_second_one_takes_nothing_from_the_others() -> None:
    second = Listener(-2)
    second.window_seconds = 0.5
    short, long = np.zeros(100, np.float32), np.zeros(16_000, np.float32)
    found = TwiceHeard(Listener(), second).recognize([short, long, short] * 10, n=2)
    assert [one.hypotheses[0].second_score is None for one in found] == [False, True, False] * 10


def test_a_second_model_that_nobody_named_may_be_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(name: str) -> Path:
        raise MissingModelError(f"{name} is not here")

    monkeypatch.setattr("robustger.pipeline.presets.resolve_model", missing)
    given = load_preset_recognizer("whisper")
    assert given.available().second_model is None
    assert "whisper-tiny.en is not here" in caplog.text
    assert given.chosen(second="whisper-tiny.en").available().second_model == "whisper-tiny.en"


def test_the_preset_knows_which_model_hears_again() -> None:
    given = load_preset_recognizer("whisper")
    assert given.second_model == "whisper-tiny.en"
    assert given.chosen(model="whisper-tiny.en").second_model == "whisper-base"
    assert given.chosen(model="tiny.en").second_model == "whisper-base"  # another name of the same model
    assert given.chosen(model="openai/whisper-large-v3").second_model is None
    assert given.chosen(model="openai/whisper-large-v3", second="whisper-base").second_model == "whisper-base"
    assert given.chosen(second="none").second_model is None
