"""Text and JSON can be read back, and show the corrections."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.hypotheses import NBest, Transcript
from robustger.pipeline import Segment, Transcription
from robustger.pipeline.edits import blocks_between, edits_between
from robustger.pipeline.formats import nbest_lines, to_json, to_text
from robustger.pipeline.writing_systems import display_words
from robustger.recognition.recognizer import TimedWord

WORDS = st.lists(st.sampled_from(["fare", "a<b", "-->", "&amp;", "3", "夜行", "00:00:01,000"]), max_size=4)


def segment(start: float, end: float, text: str, texts: list[str] | None = None) -> Segment:
    nbest = NBest.from_texts("u", texts or [text], scores=[-0.25] * len(texts or [text]))
    return Segment(start, end, nbest, Transcript("u", text, text, text, "llm", "none", 0.5))


@st.composite
def transcriptions(draw: st.DrawFn) -> Transcription:
    times = sorted(draw(st.lists(st.integers(0, 400_000_000), min_size=2, max_size=10, unique=True)))
    parts = [
        segment(start / 1000, end / 1000, " ".join(draw(WORDS)))
        for start, end in zip(times[::2], times[1::2], strict=False)
    ]
    return Transcription("u", "u.wav", times[-1] / 1000, tuple(parts))


@given(transcriptions())
def test_text_and_json_hold_the_same_words(transcription: Transcription) -> None:
    line = to_json(transcription)
    assert line.count("\n") == 1
    fields = json.loads(line)
    assert to_text(transcription) == fields["text"] + "\n"
    assert "".join(fields["text"].split()) == "".join(
        "".join(part["text"].split()) for part in fields["segments"]
    )
    assert fields["plain"] == fields["text"]
    assert [part["hypotheses"] for part in fields["segments"]] == [
        list(part.nbest.texts) for part in transcription.segments
    ]


def test_the_list_beneath_a_text() -> None:
    parts = (segment(0, 1.5, "the fare", ["the fair", "the fare"]),)
    assert nbest_lines(Transcription("u", "u.wav", 1.5, parts)) == (
        "  0.00 - 1.50 s\n    1   -0.250  the fair\n    2   -0.250  the fare\n"
    )


def written_segment(*, words: bool) -> Segment:
    """The list wrote "fair", the corrector made "fare" of it; the words of the text have times, or none."""
    nbest = NBest.from_texts(
        "u", ["what's the fair", "what's the fare"], scores=[-1.0, -2.0], language="en",
        written=["What's the fair?", "What's the fare?"], meta={"recognized": "What's the fair?"},
    )  # fmt: skip
    transcript = Transcript(
        "u", "what's the fare", nbest.best, "what's the fare", "llm", "edits", 0.5, written="What's the fare?"
    )
    times = (
        TimedWord("What's", 1.0, 1.25, 0.75),
        TimedWord("the", 1.25, 1.5, 0.5),
        TimedWord("fare?", 1.5, 2.0004, None),
    )
    return Segment(1.0, 2.5, nbest, transcript, times if words else None)


def test_both_forms_and_what_was_changed_are_in_the_json() -> None:
    [fields] = json.loads(to_json(Transcription("u", "u.wav", 2.5, (written_segment(words=True),))))[
        "segments"
    ]
    assert fields["text"] == "What's the fare?"
    assert fields["plain"] == "what's the fare"
    assert fields["best"] == "what's the fair"
    assert fields["hypotheses"] == ["what's the fair", "what's the fare"]
    assert fields["written"] == ["What's the fair?", "What's the fare?"]
    assert (fields["scores"], fields["language"]) == ([-1.0, -2.0], "en")
    assert fields["edits"] == [{"from": "fair?", "to": "fare?", "start": 1.5, "end": 2.0}]
    assert fields["words"] == [
        {"word": "What's", "start": 1.0, "end": 1.25, "confidence": 0.75},
        {"word": "the", "start": 1.25, "end": 1.5, "confidence": 0.5},
        {"word": "fare?", "start": 1.5, "end": 2.0, "confidence": None},
    ]


def test_without_times_edits_have_none_and_there_are_no_words() -> None:
    transcription = Transcription("u", "u.wav", 2.5, (written_segment(words=False),))
    [fields] = json.loads(to_json(transcription))["segments"]
    assert fields["edits"] == [{"from": "fair?", "to": "fare?"}]
    assert "words" not in fields
    assert transcription.words is None


def test_text_is_written_or_plain() -> None:
    transcription = Transcription("u", "u.wav", 2.5, (written_segment(words=True), segment(3, 4, "it is")))
    assert to_text(transcription) == "What's the fare? it is\n"
    assert to_text(transcription, plain=True) == "what's the fare it is\n"
    assert transcription.words is None  # those of the second segment are not known
    assert nbest_lines(transcription).splitlines()[1] == "    1   -1.000  What's the fair?"
    assert nbest_lines(transcription, plain=True).splitlines()[1] == "    1   -1.000  what's the fair"


TIMED = (TimedWord("a", 1.0, 2.0), TimedWord("b", 2.5, 3.0), TimedWord("c", 4.0, 5.0))


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("a b c", []),
        ("a x c", [("x", "b", 2.5, 3.0)]),
        ("a x b c", [("x", "", 2.0, 2.5)]),
        ("x a b c y", [("x", "", 0.5, 1.0), ("y", "", 5.0, 6.0)]),
        ("a", [("", "b c", 2.5, 5.0)]),
        ("a x y z c", [("x y z", "b", 2.5, 3.0)]),
        ("x b y", [("x", "a", 1.0, 2.0), ("y", "c", 4.0, 5.0)]),
        ("", [("", "a b c", 1.0, 5.0)]),
    ],
)
def test_edits_say_when(before: str, found: list[tuple[str, str, float, float]]) -> None:
    edits = edits_between(before, "a b c", TIMED, 0.5, 6.0)
    assert [(edit.before, edit.after, edit.start, edit.end) for edit in edits] == found


def test_edits_in_a_script_without_blanks_are_characters() -> None:
    assert [edit.to_dict() for edit in edits_between("我用视窗系统。", "我用视觉系统。", None, 0.0, 1.0)] == [
        {"from": "窗", "to": "觉"}
    ]


@given(st.text("ab 你好。", max_size=30), st.text("ab 你好。", max_size=30))
def test_edits_turn_one_text_into_the_other(before: str, after: str) -> None:
    old, new = ([piece.text for piece in display_words(text)] for text in (before, after))
    rebuilt: list[str] = []
    for equal, here, there in blocks_between(old, new):
        rebuilt += old[here.start : here.stop] if equal else new[there.start : there.stop]
    assert rebuilt == new
    edits = edits_between(before, after, None, 0.0, 1.0)
    assert bool(edits) == (old != new)
    assert all(edit.before or edit.after for edit in edits)
