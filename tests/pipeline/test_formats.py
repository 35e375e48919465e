"""Text, JSON and subtitles: what is written can be read back, whatever words and times there are."""

from __future__ import annotations

import html
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from robustger.hypotheses import NBest, Transcript
from robustger.pipeline import Segment, Transcription
from robustger.pipeline.formats import nbest_lines, to_json, to_srt, to_text, to_vtt

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


def milliseconds(time: str) -> int:
    hours, minutes, seconds, rest = map(int, re.split("[:,.]", time))
    assert minutes < 60
    assert seconds < 60
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


def expected(transcription: Transcription) -> list[tuple[int, int, str]]:
    return [
        (round(1000 * part.start), round(1000 * part.end), part.text)
        for part in transcription.segments
        if part.text
    ]


@given(transcriptions())
def test_srt_reads_back(transcription: Transcription) -> None:
    cues = [cue.split("\n") for cue in to_srt(transcription).split("\n\n")[:-1]]
    assert [int(number) for number, _, _ in cues] == list(range(1, len(cues) + 1))
    found = [(*map(milliseconds, times.split(" --> ")), text) for _, times, text in cues]
    assert found == expected(transcription)


@given(transcriptions())
def test_vtt_reads_back(transcription: Transcription) -> None:
    head, *cues = to_vtt(transcription).split("\n\n")[:-1]
    assert head == "WEBVTT"
    found = []
    for cue in cues:
        times, text = cue.split("\n")
        assert "-->" not in text  # the standard forbids it in the text of a cue
        assert "<" not in text
        found.append((*map(milliseconds, times.split(" --> ")), html.unescape(text)))
    assert found == expected(transcription)


@given(transcriptions())
def test_text_and_json_hold_the_same_words(transcription: Transcription) -> None:
    line = to_json(transcription)
    assert line.count("\n") == 1
    fields = json.loads(line)
    assert to_text(transcription) == fields["text"] + "\n"
    assert fields["text"].split() == [word for part in fields["segments"] for word in part["text"].split()]
    assert [part["hypotheses"] for part in fields["segments"]] == [
        list(part.nbest.texts) for part in transcription.segments
    ]


def test_the_list_beneath_a_text() -> None:
    parts = (segment(0, 1.5, "the fare", ["the fair", "the fare"]),)
    assert nbest_lines(Transcription("u", "u.wav", 1.5, parts)) == (
        "  0.00 - 1.50 s\n    1   -0.250  the fair\n    2   -0.250  the fare\n"
    )
