"""References and hypotheses in different forms give a warning, and others give none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from robustger.evaluation import evaluate
from robustger.hypotheses import NBest, load_nbest
from robustger.text import normalize


def warnings(pairs: list[tuple[str, str]], *normalizers: str, unit: str = "word") -> str:
    lists = [NBest.from_texts(str(n), [text], reference=truth) for n, (truth, text) in enumerate(pairs)]
    report = evaluate(lists, normalizers=normalizers or ("raw", "number"), unit=unit, resamples=5)
    assert report.to_json_dict()["warnings"] == list(report.warnings)
    assert not any("\n" in line for line in report.warnings)
    return " | ".join(report.warnings)


SAID = [
    "It's the woman's car.",
    "They're sure we don't mind, aren't they?",
    "I'll go, and you can't stop me.",
    "We bought 21 apples for her.",
]
PLAIN = ["it's the woman's car", "they're sure we don't mind aren't they", "i'll go and you can't stop me"]


def test_expanded_contractions_are_named_on_either_side() -> None:
    pairs = [(text, normalize(text, "hyporadise")) for text in PLAIN]
    found = warnings(pairs)
    assert (
        "(contractions expanded in the hypotheses only), which counts as errors under raw and number" in found
    )
    assert "believe the figures of the normalizer whisper (--normalizer whisper)" in found
    assert "contractions expanded in the references only" in warnings(
        [(text, truth) for truth, text in pairs]
    )
    assert warnings(pairs, "whisper") == warnings(pairs, "hyporadise") == ""
    typographic = [(text.replace("'", "’"), expanded) for text, expanded in pairs]
    assert "contractions expanded in the hypotheses only" in warnings(typographic)


def test_a_recognizer_without_errors_has_wer_0_and_no_warning() -> None:
    for texts in (
        SAID,
        PLAIN,
        [normalize(text, "hyporadise") for text in SAID],
        [text.upper() for text in SAID],
    ):
        lists = [NBest.from_texts(str(n), [text], reference=text) for n, text in enumerate(texts)]
        report = evaluate(lists, normalizers=["raw", "released", "whisper", "number", "hyporadise"])
        assert {figures.wer["best"] for figures in report.normalizers.values()} == {0.0}
        assert report.warnings == ()


def test_single_errors_are_no_difference_in_form() -> None:
    assert warnings([("we don't know", "we do not know"), ("they don't mind", "they don't mind")]) == ""
    assert warnings([(text, text) for text in PLAIN] + [("Yes indeed", "yes indeed")]) == ""


def test_case_and_punctuation_on_one_side() -> None:
    pairs = [(text, normalize(text, "number")) for text in ("Yes, we can.", "Stop it!", "Where is she?")]
    found = warnings(pairs)
    assert "references in mixed case, hypotheses in lower case; punctuation in the references only" in found
    assert "errors under raw;" in found
    assert "believe the figures of the normalizer number" in found
    assert "--normalizer number" not in found  # it is there already
    assert "(--normalizer number)" in warnings(pairs, "raw")
    assert warnings(pairs, "number") == ""
    capitals = [("WHERE IS SHE", "where is she"), ("STOP IT", "stop it")]
    assert "references in capitals, hypotheses in lower case" in warnings(capitals)
    assert warnings([("I", "i")]) == ""
    assert warnings([("你好吗，世界", "你好吗，世界")], unit="char") == ""


def test_digits_on_one_side() -> None:
    pairs = [("it is twenty one", "it is 21"), ("in nineteen eighty five", "in 1985"), ("the end", "the end")]
    assert "digits in the hypotheses only" in warnings(pairs)
    assert "digits in the references only" in warnings([(text, truth) for truth, text in pairs])
    assert warnings(pairs, "number") == ""
    # a number that was not heard is an error, not a form
    assert warnings([("bus 5 now", "bus now"), ("at 7 sharp", "at sharp")]) == ""


@pytest.mark.parametrize(
    "texts",
    [
        ["宋朝末年年间定居粉岭围", "今天天气很好"],
        ["今日はとても良い天気です", "明日は雨でしょう"],
        ["ที่นี่ภาษาไทย", "อากาศดี"],
        ["你好"],
    ],
)
def test_scripts_without_spaces_are_counted_in_characters(texts: list[str]) -> None:
    pairs = [(text, text[:-1]) for text in texts]
    assert "count characters with --unit char" in warnings(pairs)
    assert "count characters" not in warnings(pairs, unit="char")
    spaced = [(" ".join(text), " ".join(text[:-1])) for text in texts]
    assert "count characters" not in warnings(spaced)
    mixed = [*pairs, *[("good morning", "good morning")] * (len(pairs) + 1)]
    assert "count characters" not in warnings(mixed)


def test_other_scripts_are_written_with_spaces() -> None:
    assert warnings([("नमस्ते मेरी किताबें", "नमस्ते मेरी"), ("안녕하세요 여러분", "안녕하세요")]) == ""
    assert warnings([("", "a"), ("...", "a")], "number") == ""


@pytest.mark.skipif("ROBUSTGER_DATA" not in os.environ, reason="ROBUSTGER_DATA does not name the shared data")
def test_published_lists_are_in_one_form() -> None:
    folder = Path(os.environ["ROBUSTGER_DATA"]) / "hyporadise"
    for path in sorted(folder.glob("*.dev.jsonl")):
        lists = load_nbest(path)
        assert evaluate(lists, resamples=1).warnings == (), path.name
    # the same lists with references as people write them
    texts = [json.loads(line)["reference"] for line in path.read_text(encoding="utf-8").splitlines()]
    written = [
        NBest.from_texts(str(n), [text], reference=f"{text.capitalize()}.") for n, text in enumerate(texts)
    ]
    [warning] = evaluate(written, resamples=1).warnings
    assert "punctuation in the references only" in warning
