"""From a recording to its lists: windows, names, the sound that the recognizer hears, and the fields of the lists."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny_whisper import babble

from robustger.audio import SAMPLE_RATE, audible, windows
from robustger.errors import InputError
from robustger.hypotheses import Hypothesis
from robustger.recognition import Recognition
from robustger.recognition.recording import (
    AudioSource,
    Cutting,
    cut,
    longest_window,
    recognized_lists,
    with_count,
)

SOURCE = AudioSource("talk", "talk.wav", 10.0, 20.0, "It's said.", {"speaker": "s1"})
ALL = Cutting(2.0, find_speech=False)
LONG = babble(5.3, 1)


class Counting:
    """Writes how many samples it is given."""

    window_seconds = 2.0
    pads = False
    embedding_size = 1
    calls = 0

    def recognize(self, audios: Sequence[np.ndarray], **options: Any) -> list[Recognition]:
        self.calls += 1
        return [
            Recognition((Hypothesis(f"{audio.size}", -1.0),), 1, np.zeros(1, np.float32)) for audio in audios
        ]

    def embed(self, audios: Sequence[np.ndarray]) -> list[Any]:
        raise AssertionError("nobody asked for it")


@given(sizes=st.lists(st.integers(1, 40_000), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_excerpts_are_the_windows_of_the_whole_however_it_arrives(sizes: list[int]) -> None:
    samples = np.resize(LONG, sum(sizes))
    edges = np.cumsum([0, *sizes])
    blocks = [samples[first:last] for first, last in itertools.pairwise(edges)]
    expected = windows(samples, 2.0, find_speech=False)
    excerpts = list(cut(SOURCE, blocks, ALL))
    assert [excerpt.window for excerpt in excerpts] == expected
    for number, excerpt in enumerate(excerpts, start=1):
        assert isinstance(excerpt.sound, np.ndarray)
        np.testing.assert_array_equal(excerpt.sound, samples[excerpt.window.samples])
        assert excerpt.id == ("talk" if len(excerpts) == 1 else f"talk#{number}")
        assert excerpt.is_whole == (len(excerpts) == 1)
        assert excerpt.count == (1 if len(excerpts) == 1 else None)


def test_a_window_comes_before_the_recording_is_read_to_its_end() -> None:
    read = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield LONG

    excerpts = cut(SOURCE, blocks(), ALL)
    assert next(excerpts).id == "talk#1"
    assert read < 5


def test_lists_say_where_they_lie_and_of_what_they_are_windows() -> None:
    recognizer = Counting()
    excerpts = list(cut(SOURCE, [LONG], ALL))
    pairs = recognized_lists(recognizer, excerpts, n=1, beams=None, normalizer="spoken")  # type: ignore[arg-type]
    assert recognizer.calls == 1
    lists = [with_count(nbest, len(excerpts)) for nbest, _ in pairs]
    assert [nbest.id for nbest in lists] == [f"talk#{number}" for number in range(1, len(lists) + 1)]
    assert (lists[0].start, lists[-1].end) == (10.0, 15.3)
    for excerpt, nbest in zip(excerpts, lists, strict=True):
        assert nbest.start == round(10 + excerpt.window.start, 3)
        assert nbest.meta["window"] == {
            "of": "talk",
            "number": excerpt.number,
            "count": len(excerpts),
            "reference": "it's said",
            "written_reference": "It's said.",
        }
        assert (nbest.audio, nbest.meta["speaker"], nbest.reference) == ("talk.wav", "s1", None)
        assert nbest.meta["recognized"] == f"{excerpt.window.samples.stop - excerpt.window.samples.start}"


def test_a_recording_of_one_window_keeps_its_name_and_its_place() -> None:
    short = LONG[: SAMPLE_RATE * 2]
    [excerpt] = cut(SOURCE, [short[:9000], short[9000:]], ALL)
    [(nbest, _)] = recognized_lists(Counting(), [excerpt], n=1, beams=None, normalizer="raw")  # type: ignore[arg-type]
    assert (nbest.id, nbest.start, nbest.end, nbest.reference) == ("talk", 10.0, 20.0, "It's said.")
    assert "window" not in nbest.meta
    assert with_count(nbest, 1) is nbest


@pytest.mark.parametrize("extra", [0, 1])
def test_what_fits_is_kept_even_if_nobody_speaks_in_it(extra: int) -> None:
    tone = (0.1 * np.sin(np.arange(SAMPLE_RATE * 2 + extra) * 0.1)).astype(np.float32)
    assert not list(cut(SOURCE, [tone], Cutting(2.0)))
    kept = list(cut(SOURCE, [tone[:100], tone[100:]], Cutting(2.0, keeps_short=True)))
    assert [excerpt.is_whole for excerpt in kept] == [True] * (1 - extra)


@pytest.mark.parametrize("keeps_short", [False, True])
def test_faint_speech_is_made_louder_where_speech_is_looked_for(keeps_short: bool) -> None:
    from pathlib import Path

    import robustger
    from robustger.audio import read_audio

    demo = sorted((Path(robustger.__file__).parent / "presets" / "lab" / "demo").glob("*.flac"))
    faint = read_audio(demo[0]) * np.float32(0.001)
    [found] = cut(SOURCE, [faint], Cutting(30.0, keeps_short=keeps_short))
    assert isinstance(found.sound, np.ndarray)
    np.testing.assert_array_equal(found.sound, audible(faint))
    assert np.abs(found.sound).max() > 2 * np.abs(faint).max()
    [as_it_is] = cut(SOURCE, [faint], Cutting(30.0, find_speech=False, keeps_short=keeps_short))
    np.testing.assert_array_equal(as_it_is.sound, faint)  # type: ignore[arg-type]


def test_windows_are_as_long_as_the_recognizer_takes_or_30_seconds() -> None:
    assert longest_window(None) == 30.0
    assert longest_window(12.0) == 12.0
    assert longest_window(12.0, 5.0) == 5.0
    assert longest_window(None, 30.0) == 30.0
    for seconds in (0.0, 0.05, 12.5, float("nan")):
        with pytest.raises(InputError, match=r"choose 0\.1 to 12 s"):
            longest_window(12.0, seconds)
    with pytest.raises(InputError, match=r"a window of 0\.05 s: choose at least 0\.1 s"):
        Cutting(0.05)
