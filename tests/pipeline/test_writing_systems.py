"""Texts of any script are cut at the right places, and lose only blanks."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.pipeline.writing_systems import display_width, display_words, joined, text_of

SENTENCES = [
    "Don't ask, he said.",
    "我用Windows系统，「好」吗？",
    "ラーメンを、食べた。",
    "สวัสดีครับ ผมชื่อ เกรียงไกร",
    "मैं घर जा रहा हूँ।",
    "ភាសាខ្មែរ",
    "မြန်မာဘာသာ",
    "한국어 문장",
]


@given(st.text())
def test_only_blanks_are_lost(text: str) -> None:
    parts = display_words(text)
    assert text_of(parts) == " ".join(text.split())
    assert all(part.text and part.text.split() == [part.text] for part in parts)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_no_piece_begins_with_a_mark_or_ends_with_an_opening_bracket(sentence: str) -> None:
    for part in display_words(sentence):
        assert unicodedata.category(part.text[0])[0] != "M"
        assert part.text[0] not in "，。？」ー"
        assert part.text[-1] not in "「（"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I can't pay $5,000 (3%).", ["I", "can't", "pay", "$5,000", "(3%)."]),
        ("我用Windows系统，「好」吗？", ["我", "用", "Windows", "系", "统，", "「好」", "吗？"]),
        ("ラーメンを、食べた。", ["ラー", "メ", "ン", "を、", "食", "べ", "た。"]),
        ("เกรียงไกร", ["เก", "รี", "ย", "ง", "ไก", "ร"]),
        ("ខ្មែរ", ["ខ្មែ", "រ"]),
        ("मैं घर", ["मैं", "घर"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("", []),
    ],
)
def test_pieces(text: str, expected: list[str]) -> None:
    assert [part.text for part in display_words(text)] == expected


def test_texts_are_joined_as_their_script_is_written() -> None:
    assert joined(["The fair.", "", "It is on."]) == "The fair. It is on."
    assert joined(["你好。", "再见。"]) == "你好。再见。"
    assert joined(["你好。", "Bye."]) == "你好。 Bye."
    assert joined(["สวัสดี", "ครับ"]) == "สวัสดี ครับ"


def test_width_is_what_is_seen() -> None:
    assert [display_width(text) for text in ("fare", "café", "cafe\u0301", "你好。", "ผู้", "한국")] == [
        4, 4, 4, 6, 1, 4,
    ]  # fmt: skip
