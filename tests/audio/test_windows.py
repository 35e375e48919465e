"""Windows of long recordings: at pauses in real speech, the same however the recording arrives."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fixtures_audio import speech_like

from robustger.audio import SAMPLE_RATE, Window, stream_windows, windows
from robustger.errors import InputError

SPEECH = speech_like(1.5)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def streamed(samples: np.ndarray, sizes: list[int], max_seconds: float, **options: object) -> list[Window]:
    """The windows of a recording in blocks of these sizes, over and over; their samples are looked at, too."""

    def blocks() -> Iterator[np.ndarray]:
        begin = 0
        for size in itertools.cycle(sizes):
            if begin >= len(samples):
                return
            yield samples[begin : begin + size]
            begin += size

    found = []
    for window, part in stream_windows(blocks(), max_seconds, **options):  # type: ignore[arg-type]
        np.testing.assert_array_equal(part, samples[window.samples])
        found.append(window)
    return found


def times(found: list[Window]) -> list[float]:
    return [second for window in found for second in (window.start, window.end)]


@st.composite
def turns(draw: st.DrawFn) -> list[tuple[int | None, float]]:
    """What follows what in a recording: a sentence (its number) and its level, or a pause and its seconds."""
    sentence = st.tuples(st.integers(0, 7), st.sampled_from([1.0, 0.1, 0.005]))
    pause = st.tuples(st.none(), st.floats(0.1, 5))
    return draw(st.lists(st.one_of(sentence, pause), min_size=1, max_size=8))


def recording(said: list[tuple[int | None, float]], sentences: list[np.ndarray]) -> np.ndarray:
    parts = [silence(value) if k is None else sentences[k] * np.float32(value) for k, value in said]
    return np.concatenate(parts)


@given(
    said=turns(),
    max_seconds=st.floats(0.5, 12),
    sizes=st.lists(st.integers(1_000, 200_000), min_size=1, max_size=3),
    find_speech=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_they_follow_each_other_fit_and_do_not_depend_on_blocks(
    sentences: list[np.ndarray],
    said: list[tuple[int | None, float]],
    max_seconds: float,
    sizes: list[int],
    find_speech: bool,
) -> None:
    samples = recording(said, sentences)
    found = windows(samples, max_seconds, find_speech=find_speech)
    for window in found:
        assert 0 < len(samples[window.samples]) <= max_seconds * SAMPLE_RATE + 1e-6
        assert 0 <= window.start < window.end <= len(samples) / SAMPLE_RATE
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))
    if samples.any():
        assert streamed(samples, sizes, max_seconds, find_speech=find_speech) == found
    if not find_speech and samples.any():
        assert found[0].start == 0
        assert found[-1].end == len(samples) / SAMPLE_RATE
        assert all(before.end == after.start for before, after in itertools.pairwise(found))


@given(said=turns(), max_seconds=st.floats(2, 12))
@settings(max_examples=25, deadline=None)
def test_all_speech_lies_in_a_window(
    sentences: list[np.ndarray], said: list[tuple[int | None, float]], max_seconds: float
) -> None:
    samples = recording(said, sentences)
    inside = np.zeros(len(samples), bool)
    for window in windows(samples, max_seconds):
        inside[window.samples] = True
    begin = 0
    for number, value in said:
        length = len(silence(value)) if number is None else len(sentences[number])
        if number is not None:
            # The clips begin and end with noise alone.
            assert inside[begin + 8_000 : begin + length - 8_000].all()
        begin += length


def test_what_fits_is_taken_whole(sentences: list[np.ndarray]) -> None:
    samples = np.concatenate([silence(4), sentences[0], silence(4)])
    assert times(windows(samples, 30)) == [0, len(samples) / SAMPLE_RATE]


def test_where_nobody_speaks_there_is_none() -> None:
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE * 40).astype(np.float32) * 0.02
    for samples in (noise[: SAMPLE_RATE * 3], noise, silence(0), silence(3), silence(40)):
        assert windows(samples, 5) == []
    assert times(windows(noise[: SAMPLE_RATE * 3], 5, find_speech=False)) == [0, 3]
    for samples in (silence(0), silence(40), silence(40) + np.float32(9e-5)):
        assert windows(samples, 5, find_speech=False) == []


@pytest.mark.parametrize("level", [1, 0.01, 0.002])
def test_long_pauses_are_left_out_and_the_times_stay(sentences: list[np.ndarray], level: float) -> None:
    hiss = np.random.default_rng(1).standard_normal(SAMPLE_RATE * 10).astype(np.float32) * 1e-5
    parts = [hiss, sentences[1] * np.float32(level), hiss, sentences[5], hiss]
    found = windows(np.concatenate(parts), 5)
    lengths = [len(part) / SAMPLE_RATE for part in parts]
    expected = [10, 10 + lengths[1], 20 + lengths[1], 20 + lengths[1] + lengths[3]]
    assert len(found) == 2
    for time, edge, sign in zip(times(found), expected, (-1, 1, -1, 1), strict=True):
        assert -0.4 < sign * (time - edge) <= 0.5


def test_music_between_sentences_is_left_out(sentences: list[np.ndarray]) -> None:
    second = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    notes = [110, 147, 165, 131, 110, 165, 147, 131]
    music = 0.2 * np.concatenate(
        [sum(np.sin(2 * np.pi * note * pitch * second) for pitch in (1, 1.25, 1.5)) for note in notes]
    ).astype(np.float32)
    found = windows(np.concatenate([sentences[1], music, sentences[5]]), 5)
    inside = sum(max(0, min(w.end, begin + 7.5) - max(w.start, begin)) for w in found
                 for begin in [len(sentences[1]) / SAMPLE_RATE + 0.5])  # fmt: skip
    assert len(found) >= 2
    assert inside < 1


def test_cuts_are_made_in_the_longest_pause(sentences: list[np.ndarray]) -> None:
    pauses = [0.3, 0.3, 1.2, 0.3, 0.3, 1.2, 0.3]
    parts, edges, begin = [], [], 0.0
    for number, pause in enumerate(pauses):
        parts += [sentences[number], silence(pause)]
        begin += len(sentences[number]) / SAMPLE_RATE
        edges.append((begin, begin + pause))
        begin += pause
    found = windows(np.concatenate([*parts, sentences[7]]), 12, min_seconds=2)
    long = [edge for edge, pause in zip(edges, pauses, strict=True) if pause == 1.2]
    assert long[0][0] <= found[0].end <= long[0][1]
    assert found[0].end == found[1].start
    assert long[1][0] <= found[1].end <= long[1][1]


@pytest.mark.parametrize("noise", [0, 0.01])
def test_without_speech_finding_cuts_are_made_where_it_is_quiet(noise: float) -> None:
    said = speech_like(3.5) + 0
    said = np.sign(said) * np.maximum(np.abs(said), 0.05)  # no pauses of its own
    samples = np.concatenate([said, silence(0.5)] * 6)
    samples += noise * np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    for window in windows(samples, 5, find_speech=False)[:-1]:
        assert 3.5 <= window.end % 4 <= 4


def test_no_cut_leaves_a_crumb() -> None:
    found = windows(speech_like(30.4), 30, find_speech=False)
    assert len(found) == 2
    assert min(w.end - w.start for w in found) >= 15


@pytest.mark.parametrize("find_speech", [True, False])
def test_an_hour_takes_no_more_memory_than_minutes(sentences: list[np.ndarray], find_speech: bool) -> None:
    block = np.concatenate([*sentences[:3], silence(3)])

    def peak(blocks: int) -> int:
        tracemalloc.start()
        try:
            stream = (block for _ in range(blocks))
            count = sum(1 for _ in stream_windows(stream, 10, find_speech=find_speech))
            assert count >= blocks // 2
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(40) < 1.2 * peak(10)


def test_silence_of_any_length_is_not_kept(sentences: list[np.ndarray]) -> None:
    block = silence(60)
    tracemalloc.start()
    try:
        blocks = itertools.chain((block for _ in range(8)), [sentences[0]])
        [(window, _)] = stream_windows(blocks, 30)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert window.start == pytest.approx(480, abs=0.5)
    assert peak < 8 * block.nbytes


@pytest.mark.parametrize(("max_seconds", "min_seconds"), [(0, None), (5, 3), (5, 0), (float("nan"), None)])
def test_lengths_that_do_not_fit(max_seconds: float, min_seconds: float | None) -> None:
    with pytest.raises(InputError, match="min_seconds"):
        windows(SPEECH, max_seconds, min_seconds=min_seconds)
    with pytest.raises(InputError, match="min_seconds"):
        stream_windows([SPEECH], max_seconds, min_seconds=min_seconds)
