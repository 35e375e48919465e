"""Languages that are detected or asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.recognition.recognizers.real_speech import ENGINES, embedded, recordings
from tests.tiny_whisper import babble

from robustger.errors import InputError
from robustger.recognition import load_recognizer


def test_the_language_is_the_likeliest_of_the_checkpoint(
    multilingual: Path, listener: Callable[..., Any], teacher_forced: Callable[..., Any]
) -> None:
    tokenizer = json.loads((multilingual / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    recognizer = listener("whisper", language="auto")
    audios = [babble(seconds, seed) for seed, seconds in enumerate((1.0, 0.4, 1.9, 1.2, 0.8, 1.5))]
    expected = []
    for audio in audios:
        log_probs = teacher_forced(multilingual, audio, [vocabulary["<|startoftranscript|>"]])[0]
        expected.append(max(("en", "de"), key=lambda code: float(log_probs[vocabulary[f"<|{code}|>"]])))
    found = recognizer.recognize(audios)
    assert [one.language for one in found] == expected
    for audio, one, code in zip(audios, found, expected, strict=True):
        (given,) = listener("whisper", language=code).recognize([audio])
        assert given.language == code
        assert [h.text for h in given.hypotheses] == [h.text for h in one.hypotheses]


def test_ctranslate2_says_where_it_detects_no_language(listener: Callable[..., Any]) -> None:
    with pytest.raises(
        InputError, match="CTranslate2 detects no languages with a vocabulary that is not OpenAI's"
    ):
        listener("faster-whisper", language="auto")
    assert listener("faster-whisper", language="de").recognize([babble(0.5, 1)], n=1)[0].language == "de"


def test_checkpoints_of_one_language_say_english(make_whisper: Callable[..., Path]) -> None:
    for kind in ("scratch", "english"):
        for language in (None, "auto", "English"):
            recognizer = load_recognizer("whisper", make_whisper(kind=kind), device="cpu", language=language)
            assert recognizer.recognize([babble(0.5, 1)], n=1)[0].language == "en"


def test_unknown_languages_are_named(multilingual: Path) -> None:
    for kind in ENGINES:
        with pytest.raises(
            InputError, match=r"unknown language 'klingon'; give a code such as 'en', .* or 'auto'"
        ):
            load_recognizer(kind, multilingual, language="klingon")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENGINES)
def test_english_speech_is_heard_as_english(kind: str) -> None:
    audios = recordings(2)
    found = embedded(kind, language="auto").recognize(audios, n=1, beams=1)
    assert [one.language for one in found] == ["en", "en"]
