"""Times and subtitles with real Whisper weights, on the clips of `robustger demo`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.subtitle_reader import read_srt

from robustger.audio import SAMPLE_RATE, read_audio
from robustger.evaluation.wer import wer
from robustger.hypotheses import NBest, Transcript
from robustger.manifest import load_manifest
from robustger.pipeline import Segment, Transcription
from robustger.pipeline.formats import to_srt
from robustger.pipeline.words import timed_words
from robustger.recognition import Recognizer, load_recognizer

CLIPS = Path(str(resources.files("robustger.presets"))) / "whisper" / "demo"


@pytest.fixture(scope="module")
def whisper_base(embedded_whisper: Callable[[str], str]) -> Recognizer:
    return load_recognizer("faster-whisper", embedded_whisper("whisper-base"), dtype="int8")


def test_words_lie_where_they_are_said_even_those_the_recognizer_would_not_write(
    whisper_base: Recognizer,
) -> None:
    """Two sentences with three seconds of silence between them: whatever is written of either lies in its own part."""
    clips = {clip.id: clip for clip in load_manifest(CLIPS / "demo.jsonl")}
    first, second = (read_audio(clips[id].audio) for id in ("rain_15dB", "machine_5dB"))
    pause = np.zeros(3 * SAMPLE_RATE, np.float32)
    samples = np.concatenate([first, pause, second])
    begins = (first.size + pause.size) / SAMPLE_RATE
    said = (clips["rain_15dB"].text or "", clips["machine_5dB"].text or "")
    for sentences in (said, ("What is the cheapest pear in boxes to Denver on Friday?", said[1])):
        text = " ".join(sentences)
        words = timed_words(whisper_base, samples, text, start=100.0, language="en")
        assert [word.text for word in words] == text.split()
        count = len(sentences[0].split())
        assert all(99.9 <= word.start < word.end for word in words)
        assert all(word.end <= 100 + first.size / SAMPLE_RATE + 0.3 for word in words[:count])
        assert all(word.start >= 100 + begins - 0.3 for word in words[count + 1 :])
        assert words[-1].end <= 100 + samples.size / SAMPLE_RATE + 0.001
        assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in words)
        nbest = NBest.from_texts("u", [text])
        transcript = Transcript("u", text, text, text, "llm", "none", 1.0)
        end = 100 + samples.size / SAMPLE_RATE
        talk = Transcription("u", "u.wav", end, (Segment(100.0, end, nbest, transcript, words),))
        assert [" ".join(cue.lines) for cue in read_srt(to_srt(talk))] == list(sentences)


def test_the_clips_of_the_demo_are_noisy_and_not_hopeless(whisper_base: Recognizer) -> None:
    clips = load_manifest(CLIPS / "demo.jsonl")
    assert len(clips) == 5
    assert all(clip.text and clip.noise and clip.snr_db is not None for clip in clips)
    shortest = [clip for clip in clips if clip.id in ("rain_15dB", "machine_5dB")]
    found = whisper_base.recognize([read_audio(clip.audio) for clip in shortest], n=5, beams=5)
    heard = [recognition.hypotheses[0].text.lower().strip(".?") for recognition in found]
    said = [clip.text.lower().strip(".?") for clip in shortest if clip.text]
    assert 0.0 < wer(said, heard).rate < 0.5
