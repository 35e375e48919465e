"""Subtitles: laws that hold for every text and all times, and the cuts of well-known passages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipeline.subtitle_reader import ReadCue, read_srt, read_vtt

from robustger.hypotheses import Hypothesis, NBest, Transcript
from robustger.pipeline import RobustGER, Segment, Transcription
from robustger.pipeline.formats import to_srt, to_vtt
from robustger.pipeline.subtitles import LINE_WIDTH, readable_cues
from robustger.pipeline.transcribe_to import transcribe_to
from robustger.pipeline.writing_systems import display_width, display_words, joined
from robustger.recognition.recognizer import AudioEmbedding, Recognition, TimedWord

MEETING = (
    "When the council met, the chair asked everybody to be brief, and then spoke for ten minutes about the parking "
    "spaces behind the old library. Dr. Adams said no. It had been closed since the storm of March 3, and would not "
    "open again before the summer, because the roof needed repairs that nobody could pay for this year. Really?"
)
CHINESE = (
    "会议开始时，主席要求大家简短发言，然后花了十分钟谈论旧图书馆后面的停车位。"
    "图书馆自冬季暴风雨以来一直关闭，夏天之前不会重新开放，因为屋顶需要维修。"
)
THAI = "ประธานขอให้ทุกคนพูดสั้นๆแล้วพูดเรื่องที่จอดรถหลังห้องสมุดเก่าเป็นเวลาสิบนาที"
LONG_WORD = "https://example.org/minutes/of/the/meeting/in/the/old/library"

TOKENS = [
    "the",
    "fare,",
    "a<b",
    "-->",
    "&amp;",
    "No.",
    "and",
    "你好。",
    "我用Windows系统",
    LONG_WORD,
    "ผู้ใหญ่",
    "é",
]
TEXTS = st.lists(st.sampled_from(TOKENS), max_size=40).map(" ".join)


def segment(start: float, end: float, text: str, words: Sequence[TimedWord] | None = None) -> Segment:
    nbest = NBest.from_texts("u", [text])
    transcript = Transcript("u", text, text, text, "llm", "none", 0.5)
    return Segment(start, end, nbest, transcript, None if words is None else tuple(words))


def recording(*segments: Segment) -> Transcription:
    return Transcription("u", "u.wav", segments[-1].end if segments else 0.0, segments)


def spoken(text: str, start: float = 0.0, *, a_character: float = 0.06, pauses: dict[str, float]) -> Segment:
    """The text said at an even rate, with a pause in seconds behind some words."""
    words, time = [], start
    for word in text.split():
        end = time + a_character * len(word)
        words.append(TimedWord(word, round(time, 3), round(end, 3), 0.5))
        time = end + 0.02 + pauses.get(word, 0.0)
    return segment(start, time, text, words)


@st.composite
def transcriptions(draw: st.DrawFn) -> Transcription:
    """Segments with words at any times that do not decrease, or without words."""
    found, time = [], 0.0
    for _ in range(draw(st.integers(0, 3))):
        text = draw(TEXTS)
        start = time = time + draw(st.integers(0, 3_000)) / 1000
        words = []
        longest = draw(st.sampled_from([0, 1, 300, 9_000]))
        for piece in display_words(text):
            begin = time + draw(st.integers(0, longest // 2)) / 1000
            time = begin + draw(st.integers(0, longest)) / 1000
            words.append(TimedWord(piece.text, begin, time, None))
        time += 0.001
        found.append(segment(start, time, text, draw(st.sampled_from([words, None]))))
    return recording(*found)


def check_laws(transcription: Transcription, cues: Sequence[ReadCue]) -> None:
    assert "".join("".join(cue.lines) for cue in cues).replace(" ", "") == "".join(transcription.text.split())
    for cue in cues:
        assert cue.start < cue.end
        assert 1 <= len(cue.lines) <= 2
        for line in cue.lines:
            assert line == " ".join(line.split())
            assert line
            assert display_width(line) <= LINE_WIDTH or len(display_words(line)) == 1
    for before, after in pairwise(cues):
        assert before.end <= after.start


@given(transcriptions())
def test_every_word_is_shown_once_in_cues_that_can_be_read(transcription: Transcription) -> None:
    check_laws(transcription, read_srt(to_srt(transcription)))
    check_laws(transcription, read_vtt(to_vtt(transcription)))


@given(transcriptions())
def test_times_of_words_in_vtt_increase_within_their_cue(transcription: Transcription) -> None:
    content = to_vtt(transcription, words=True)
    cues = read_vtt(content)
    check_laws(transcription, cues)
    assert [(cue.start, cue.end, cue.lines) for cue in cues] == [
        (cue.start, cue.end, cue.lines) for cue in read_vtt(to_vtt(transcription))
    ]
    assert content.count("<c>") == len(
        [part for line in transcription.segments for part in display_words(line.text)]
    )
    for cue in cues:
        times = [cue.start, *cue.tags, cue.end]
        assert all(before < after for before, after in pairwise(times))


@given(transcriptions())
def test_one_cue_per_word(transcription: Transcription) -> None:
    cues = read_srt(to_srt(transcription, words=True))
    check_laws(transcription, cues)
    assert [cue.lines for cue in cues] == [
        [part.text] for line in transcription.segments for part in display_words(line.text)
    ]


@given(transcriptions())
def test_cues_stand_where_their_words_are_said(transcription: Transcription) -> None:
    """A cue begins with its first word and stays at most a second after its last, or its recording would lie."""
    for cue in readable_cues(transcription):
        words = [word for line in cue.lines for word in line]
        if (
            len({(word.start_ms, word.end_ms) for word in words}) > 1
            and words[-1].end_ms - words[0].start_ms > 250
        ):
            assert cue.end_ms <= max(words[-1].end_ms, cue.start_ms + 200) + 1000
            assert cue.start_ms >= words[0].start_ms


def test_sentences_and_clauses_are_kept_together() -> None:
    cues = readable_cues(recording(spoken(MEETING, pauses={"library.": 0.4, "no.": 0.3})))
    assert [cue.text.replace("\n", " / ") for cue in cues] == [
        "When the council met, / the chair asked everybody to be brief,",
        "and then spoke for ten minutes about the / parking spaces behind the old library.",
        "Dr. Adams said no.",
        "It had been closed / since the storm of March 3,",
        "and would not open again / before the summer,",
        "because the roof needed repairs that / nobody could pay for this year. Really?",
    ]


@pytest.mark.parametrize("text", [MEETING, MEETING.lower().replace(".", "").replace(",", ""), CHINESE, THAI])
@pytest.mark.parametrize("seconds", [12.0, 22.0])
def test_cues_last_about_one_to_six_seconds(text: str, seconds: float) -> None:
    cues = readable_cues(recording(segment(0.0, seconds, text)))
    assert all(1_000 <= cue.end_ms - cue.start_ms <= 6_500 for cue in cues)
    assert all(len(line) > 1 for cue in cues for line in cue.lines)  # no orphan
    widths = [[display_width(line) for line in cue.text.split("\n")] for cue in cues]
    assert all(max(width) - min(width) <= LINE_WIDTH // 2 for width in widths)  # balanced


def test_chinese_is_cut_at_its_commas() -> None:
    cues = readable_cues(recording(segment(0.0, 24.0, CHINESE)))
    assert all(cue.text[-1] in "，。" for cue in cues)
    assert all(line[0] not in "，。" for cue in cues for line in cue.text.split("\n"))


def test_a_pause_decides_where_nothing_else_does() -> None:
    text = "ten small boats came home late from sea each with its net full of herring and cold hands on every rope"
    cues = readable_cues(recording(spoken(text, pauses={"sea": 0.9})))
    assert cues[0].text.replace("\n", " ") == "ten small boats came home late from sea"


def test_a_short_answer_stays_until_it_is_read_where_nobody_speaks() -> None:
    talk = recording(
        segment(1.0, 1.2, "No.", [TimedWord("No.", 1.0, 1.2)]),
        segment(1.6, 1.8, "Why?", [TimedWord("Why?", 1.6, 1.8)]),
        segment(9.0, 9.3, "Well.", [TimedWord("Well.", 9.0, 9.3)]),
    )
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in readable_cues(talk)] == [
        (1_000, 2_000, "No. Why?"),
        (9_000, 9_300, "Well."),  # the recording ends here
    ]


def test_a_long_word_is_shown_whole() -> None:
    lines = [line for cue in readable_cues(recording(segment(0, 9, f"See {LONG_WORD} for all of it."))) for line in
             cue.text.split("\n")]  # fmt: skip
    assert LONG_WORD in lines
    assert " ".join(lines) == f"See {LONG_WORD} for all of it."


def test_plain_subtitles_have_the_times_of_the_written_words() -> None:
    words = (
        TimedWord("It's", 0.0, 0.4, 0.9),
        TimedWord("50", 0.5, 1.0, 0.8),
        TimedWord("mm,", 1.0, 1.5),
        TimedWord("José.", 2.0, 2.5),
    )
    nbest = NBest.from_texts("u", ["it's fifty mm josé"], written=["It's 50 mm, José."])
    transcript = Transcript(
        "u",
        "it's fifty mm josé",
        nbest.best,
        nbest.best,
        "agreement",
        "none",
        1.0,
        written="It's 50 mm, José.",
    )
    talk = recording(Segment(0.0, 3.0, nbest, transcript, words))
    assert [cue.lines for cue in read_srt(to_srt(talk))] == [["It's 50 mm, José."]]
    plain = read_srt(to_srt(talk, plain=True, words=True))
    assert [(cue.start, cue.end, cue.lines) for cue in plain] == [
        (0, 400, ["it's"]),
        (500, 1000, ["fifty"]),
        (1000, 1500, ["mm"]),
        (2000, 2500, ["josé"]),
    ]


class Writer:
    """A recognizer of a user's own that writes a given text for every window, and cannot say when."""

    window_seconds, pads, embedding_size = 30.0, True, 4

    def __init__(self, text: str) -> None:
        self.text = text

    def recognize(
        self, audios: Sequence[np.ndarray], *, n: int = 5, beams: int | None = None, **others: object
    ) -> list[Recognition]:
        nothing = np.zeros(4, np.float32)
        return [Recognition((Hypothesis(self.text, -1.0),), 1, nothing, nothing) for _ in audios]

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        return [AudioEmbedding(np.zeros(4, np.float32)) for _ in audios]


@pytest.mark.parametrize("text", [MEETING, CHINESE, "so " * 90])
def test_a_window_full_of_words_becomes_subtitles(text: str, tiny_preset, tmp_path, monkeypatch) -> None:
    """The case long_subtitle: 28 s came as one cue with 413 characters on one line."""
    from robustger.audio import write_audio

    monkeypatch.chdir(tmp_path)
    tone = (0.1 * np.sin(0.1 * np.arange(28 * 16_000))).astype(np.float32)
    write_audio(tmp_path / "talk.flac", tone)
    robustger = RobustGER.from_preset(tiny_preset, recognizer=Writer(text), device="cpu")
    for suffix, read in (("srt", read_srt), ("vtt", read_vtt)):
        summary = transcribe_to(robustger, ["talk.flac"], f"talk.{suffix}")
        assert (summary.files, summary.changed, summary.problems) == (1, 0, 0)
        cues = read((tmp_path / f"talk.{suffix}").read_text(encoding="utf-8"))
        assert len(cues) >= 5
        assert (cues[0].start, cues[-1].end) == (0, 28_000)
        assert joined(joined(cue.lines) for cue in cues) == " ".join(text.split())
        assert all(cue.end - cue.start <= 7_000 and len(cue.lines) <= 2 for cue in cues)
        assert all(display_width(line) <= LINE_WIDTH for cue in cues for line in cue.lines)
