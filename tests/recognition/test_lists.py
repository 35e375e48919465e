"""From what a recognizer found to a list: both forms, no repeats, references in the same form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.evaluation import wer
from robustger.hypotheses import Hypothesis, NBest
from robustger.recognition import Recognition
from robustger.recognition.lists import list_of, normalizer_name_in
from robustger.text import NORMALIZERS, normalize

TEXTS = ["It's Mario's castle.", "Its Mario's castle!", "it's mario's castle", "50 mm, at -5 °C", "Köln", ""]


def found(*texts: str, language: str | None = None) -> Recognition:
    hypotheses = tuple(Hypothesis(text, -0.5 * rank) for rank, text in enumerate(texts))
    return Recognition(hypotheses, len(texts), np.zeros(2, np.float32), language=language)


@given(
    texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=6),
    name=st.sampled_from(["raw", "spoken", "words", "number", "hyporadise"]),
    language=st.sampled_from([None, "en", "de"]),
)
def test_hypotheses_differ_and_keep_how_they_were_written(
    texts: list[str], name: str, language: str | None
) -> None:
    nbest = list_of("u", found(*texts, language=language), name)
    used = normalizer_name_in(name, language)
    assert len(set(nbest.texts)) == len(nbest.texts) == nbest.meta["distinct"]
    assert set(nbest.texts) == {normalize(text, used) for text in texts}
    assert nbest.language == language
    places = [texts.index(written) for written in nbest.written] if used != "raw" else []
    for hypothesis, written in zip(nbest.hypotheses, nbest.written, strict=True):
        if used == "raw":
            assert hypothesis.written is None
        else:
            assert hypothesis.text == normalize(written, used)
            assert hypothesis.score == -0.5 * texts.index(written)  # of equal ones the best stays
    assert places == sorted(places)
    assert nbest.meta.get("recognized") == (None if used == "raw" else texts[0])
    assert NBest.from_dict(nbest.to_dict()) == nbest


@pytest.mark.parametrize("name", ["raw", "spoken", "words", "hyporadise", "whisper"])
@pytest.mark.parametrize("language", [None, "en", "de"])
@pytest.mark.parametrize(
    "text", ["It's Mario's castle, isn't it?", "They’re sure it’s 50 mm, -5 °C.", "Où est José?"]
)
def test_a_recognizer_without_errors_has_none(name: str, language: str | None, text: str) -> None:
    nbest = list_of("u", found(text, language=language), name, text=text)
    assert nbest.reference is not None
    for comparing in ("raw", "number"):
        reference, best = normalize(nbest.reference, comparing), normalize(nbest.best, comparing)
        assert wer([reference], [best]).errors == 0
    assert nbest.written_reference == (None if nbest.hypotheses[0].written is None else text)


@pytest.mark.parametrize(
    "name", [name for name in NORMALIZERS.names() if name not in ("raw", "released", "words")]
)
def test_other_languages_are_not_read_as_english(name: str) -> None:
    for text in ("हिन्दी भाषा में बोलिए।", "Die Straße kostet 1,5 Mio. Euro.", "สวัสดีครับ", "Łódź jest piękna"):
        nbest = list_of("u", found(text, language="de"), name)
        assert nbest.best == normalize(text, "words")
        assert nbest.written == (text,)
    for english in ("en", "EN", "en-US", None):
        assert normalizer_name_in(name, english) == name


def test_the_references_of_a_window_are_those_of_the_whole() -> None:
    window = {"of": "u", "number": 1, "count": 2}
    nbest = list_of("u#1", found("It's late."), "spoken", text="It's late. Go!", window=window, meta={"a": 1})
    assert (nbest.reference, nbest.written_reference) == (None, None)
    assert nbest.meta["window"] == window | {
        "reference": "it's late go",
        "written_reference": "It's late. Go!",
    }
    assert nbest.meta["a"] == 1
    raw = list_of("u#1", found("it's late"), "raw", text="it's late go", window=window)
    assert raw.meta["window"] == window | {"reference": "it's late go"}
    assert list_of("u#1", found("it's late"), "raw", window=window).meta["window"] == window


@pytest.mark.parametrize(("name", "written"), [("raw", None), ("spoken", "")])
def test_where_nobody_speaks_the_list_says_so(name: str, written: str | None) -> None:
    place: dict[str, Any] = {"audio": "u.wav", "start": 1.0, "end": 90.0}
    nbest = list_of("u", None, name, text="Hello.", **place)
    assert nbest.hypotheses == (Hypothesis("", None, written),)
    assert nbest.meta == {"distinct": 1, "speech": False}
    assert nbest.reference == ("Hello." if name == "raw" else "hello")
    assert (nbest.audio, nbest.start, nbest.end) == ("u.wav", 1.0, 90.0)
    assert NBest.from_dict(nbest.to_dict()) == nbest


@pytest.mark.parametrize("name", ["raw", "spoken"])
def test_a_list_says_whether_even_its_best_loops(name: str) -> None:
    loop = "Thank you. " * 12
    assert list_of("u", found(loop, loop + "Bye."), name).meta["loops"] is True
    assert "loops" not in list_of("u", found("Thank you.", loop), name).meta
    assert "loops" not in list_of("u", None, name).meta
