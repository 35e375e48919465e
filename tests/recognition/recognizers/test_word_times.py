"""Times of words, against speech whose times are known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.recognition.recognizers.real_speech import ENGINES, embedded, recordings
from tests.tiny_whisper import babble

from robustger.audio import read_audio
from robustger.recognition.recognizer import Listens, TimedWord
from robustger.recognition.recognizers.word_times import Spelling, words_of_tokens


def words_of(
    text: str, seconds: Sequence[float], cores: Sequence[tuple[int, int]] | None = None
) -> list[TimedWord]:
    """One token a word unless `cores` says otherwise."""
    words = tuple(text.split())
    spans = list(cores or [(k, k + 1) for k in range(len(words))])
    spelling = Spelling(words, list(range(len(seconds) - 1)), [0, *(end for _, end in spans)], spans)
    return words_of_tokens(spelling, seconds, [0.5] * (len(seconds) - 1), duration=10.0)


def test_words_do_not_reach_into_pauses() -> None:
    found = words_of("so it is. Then it was here now", [0.0, 3.0, 3.2, 3.4, 6.0, 6.2, 6.4, 6.6, 9.9])
    spans = [(round(word.start, 6), round(word.end, 6)) for word in found]
    assert spans[:4] == [(2.6, 3.0), (3.0, 3.2), (3.2, 3.4), (5.6, 6.0)]
    assert spans[4:] == [(6.0, 6.2), (6.2, 6.4), (6.4, 6.6), (6.6, 7.0)]


def test_punctuation_takes_no_time() -> None:
    (said, now) = words_of('"said, now', [0.0, 0.3, 0.6, 1.5, 1.8], cores=[(1, 2), (3, 4)])
    assert (said.start, said.end, now.start, now.end) == (0.3, 0.6, 1.5, 1.8)


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("text", ["", "on", "  the   night\ttrain ", "« train »  -- night…", "Ünï, हिं 你"])
def test_words_are_those_of_the_text(listener: Callable[..., Any], kind: str, text: str) -> None:
    recognizer, audio = listener(kind), babble(1.17, 3)
    assert isinstance(recognizer, Listens)
    words = recognizer.align(audio, text)
    assert [word.text for word in words] == text.split()
    times = list(itertools.chain.from_iterable((word.start, word.end) for word in words))
    assert all(0 <= time <= audio.size / 16_000 for time in times)
    assert all(word.start <= word.end for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in words)


def test_words_of_the_lab_are_heard_in_order(lab: Any) -> None:
    demo = resources.files("robustger.presets") / "lab" / "demo"
    for name in ("white_10dB.flac", "machine_0dB.flac", "rain_5dB.flac", "crowd_0dB.flac"):
        audio = read_audio(str(demo / name))
        (found,) = lab.recognize([audio], n=1)
        text = found.hypotheses[0].text
        words = lab.align(audio, text)
        assert [word.text for word in words] == text.split()
        starts = [word.start for word in words]
        assert starts == sorted(starts)
        seconds = audio.size / 16_000
        assert all(0 <= word.start <= word.end <= seconds for word in words)
        assert starts[0] < 0.25 * seconds
        assert starts[-1] > 0.5 * seconds
        assert len(set(starts)) > 0.6 * len(starts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENGINES)
def test_words_move_with_the_speech(kind: str) -> None:
    """The same sentence a second later has the same words a second later, with either writing."""
    recognizer = embedded(kind)
    (audio,) = recordings(1)
    text = recognizer.recognize([audio], n=1, beams=1)[0].hypotheses[0].text
    later = np.concatenate([np.zeros(16_000, np.float32), audio])[: 30 * 16_000]
    plain = text.lower().translate(str.maketrans("", "", ".,!?"))
    before = recognizer.align(audio, text)
    for other in (recognizer.align(later, text), recognizer.align(later, plain)):
        moved = [b.start - a.start for a, b in zip(before, other, strict=True)]
        assert np.median(moved) == pytest.approx(1.0, abs=0.08)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "dtype"), [("whisper", "float32"), ("faster-whisper", "int8")])
def test_times_are_those_of_faster_whisper(kind: str, dtype: str, tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed: nothing to compare with")
    from faster_whisper import WhisperModel

    from robustger.models import resolve_ctranslate2

    audios = recordings(3)
    recognizer = embedded(kind, dtype)
    reference = WhisperModel(str(resolve_ctranslate2("whisper-base")), device="cpu", compute_type="float32")
    starts, ends = [], []
    for audio in audios:
        segments, _ = reference.transcribe(audio, language="en", beam_size=1, word_timestamps=True)
        theirs: list[Any] = [word for segment in segments for word in segment.words or ()]
        ours = recognizer.align(audio, "".join(word.word for word in theirs))
        assert [word.text for word in ours] == [word.word.strip() for word in theirs]
        starts += [abs(a.start - b.start) for a, b in zip(ours, theirs, strict=True)]
        ends += [abs(a.end - b.end) for a, b in zip(ours, theirs, strict=True)]
    assert len(starts) > 20
    assert np.median(starts) < 0.08
    assert np.median(ends) < 0.08
