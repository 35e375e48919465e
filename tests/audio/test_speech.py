"""The speech finder on voices and noises of all levels, in blocks of any lengths."""

from __future__ import annotations

import itertools
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustger.audio import SAMPLE_RATE, audible, read_audio
from robustger.audio.speech import FRAME, SpeechFinder

RANDOM = np.random.default_rng(0)
TIME = np.arange(SAMPLE_RATE * 12) / SAMPLE_RATE


def speech_in(samples: np.ndarray, *, step: int | None = None) -> np.ndarray:
    """Whether there is speech in each frame, the samples given in blocks of `step`."""
    finder = SpeechFinder()
    step = step or max(1, len(samples))
    blocks = [samples[first : first + step] for first in range(0, len(samples), step)]
    return np.concatenate([*(finder.feed(block) for block in blocks), finder.finish()])


def colored(exponent: float) -> np.ndarray:
    spectrum = np.fft.rfft(RANDOM.standard_normal(TIME.size))
    frequency = np.arange(1, len(spectrum) + 1)
    noise = np.fft.irfft(spectrum / frequency**exponent, TIME.size)
    return noise / np.abs(noise).max()


def harmonics(hertz: float) -> np.ndarray:
    return sum(np.sin(2 * np.pi * hertz * k * TIME + k) / k for k in range(1, 6)) / 2  # type: ignore[return-value]


def chords() -> np.ndarray:
    notes = [110, 147, 165, 131, 110, 165, 147, 131, 110, 147, 131, 165]
    second = TIME[:SAMPLE_RATE]
    return np.concatenate(
        [sum(np.sin(2 * np.pi * note * pitch * second) / 3 for pitch in (1, 1.25, 1.5)) for note in notes]
    )


def clicks() -> np.ndarray:
    samples = np.zeros(TIME.size)
    samples[:: SAMPLE_RATE // 2] = 1
    return samples


NOISES = {
    "silence": np.zeros(TIME.size),
    "white": colored(0),
    "pink": colored(0.5),
    "brown": colored(1),
    "hum of 50 Hz": harmonics(50),
    "hum of 60 Hz": harmonics(60),
    "hum of 150 Hz": harmonics(150),
    "tone": np.sin(2 * np.pi * 440 * TIME),
    "chords": chords(),
    "clicks": clicks(),
    "offset": np.ones(TIME.size),
}


@pytest.mark.parametrize("level", [0.5, 0.02, 0.0005])
@pytest.mark.parametrize("name", NOISES)
def test_noise_is_no_speech(name: str, level: float) -> None:
    assert not speech_in((level * NOISES[name]).astype(np.float32)).any()


@pytest.mark.parametrize("level", [1, 0.03, 0.001])
def test_speech_in_noise_is_found_at_any_level(sentences: list[np.ndarray], level: float) -> None:
    for samples in sentences:
        assert speech_in(np.float32(level) * samples).mean() > 0.8


@pytest.mark.parametrize("quieter_db", [30, 38, 42, 46, 54])
@pytest.mark.parametrize("pause", [0.7, 2.5])
def test_a_quiet_speaker_after_a_loud_one_is_found(
    sentences: list[np.ndarray], quieter_db: int, pause: float
) -> None:
    for loud, quiet in itertools.pairwise(sentences):
        gap = np.zeros(round(pause * SAMPLE_RATE), np.float32)
        samples = np.concatenate([loud, gap, quiet * np.float32(10 ** (-quieter_db / 20)), gap])
        found = speech_in(samples)
        begin, end = len(loud) + len(gap), len(loud) + len(gap) + len(quiet)
        inside = found[begin // FRAME : end // FRAME]
        spoken = np.flatnonzero(speech_in(quiet))  # where it is found when it is loud
        assert inside.sum() >= 0.8 * len(spoken)
        assert abs(np.flatnonzero(inside)[0] - spoken[0]) * FRAME < 0.4 * SAMPLE_RATE


def test_a_quiet_speaker_among_the_steps_of_16_bits(sentences: list[np.ndarray]) -> None:
    """At 46 dB less, the noise of a recording with 16 bits is no longer far below."""
    quiet = sentences[3] * np.float32(10 ** (-46 / 20)) + RANDOM.standard_normal(len(sentences[3])) * 3e-5
    samples = np.concatenate([sentences[0], RANDOM.standard_normal(40_000) * 3e-5, quiet]).astype(np.float32)
    samples = np.rint(samples * 32768).astype(np.float32) / 32768
    assert speech_in(samples)[-(len(quiet) // FRAME) :].mean() > 0.7


def test_blocks_change_nothing(sentences: list[np.ndarray]) -> None:
    parts = [np.concatenate([samples, np.zeros(30_000, np.float32)]) for samples in sentences * 2]
    samples = np.concatenate(parts)[:-77]
    whole = speech_in(samples)
    assert len(whole) == -(-len(samples) // FRAME)
    assert 0.2 < whole.mean() < 0.8
    for step in (1_001, FRAME, 50_000, SAMPLE_RATE * 60):
        np.testing.assert_array_equal(speech_in(samples, step=step), whole)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 20_000])
def test_every_frame_is_decided_on(size: int) -> None:
    samples = RANDOM.standard_normal(size).astype(np.float32) * 0.01
    assert len(speech_in(samples)) == -(-size // FRAME)


def test_an_hour_takes_no_more_memory_than_minutes() -> None:
    block = RANDOM.standard_normal(SAMPLE_RATE * 10).astype(np.float32) * 0.01

    def peak(blocks: int) -> int:
        tracemalloc.start()
        try:
            finder = SpeechFinder()
            for _ in range(blocks):
                finder.feed(block)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(40) < 1.2 * peak(8)


def test_faint_speech_is_raised_and_nothing_else(sentences: list[np.ndarray]) -> None:
    loud = sentences[0]
    assert audible(loud) is loud
    faint = loud * np.float32(0.004)
    raised = audible(faint)
    np.testing.assert_allclose(raised / raised.max(), faint / faint.max(), atol=1e-5)
    np.testing.assert_allclose(audible(faint * np.float32(0.5)), raised, rtol=1e-3, atol=1e-7)
    for silent in (np.zeros(1_000, np.float32), np.zeros(0, np.float32)):
        assert audible(silent) is silent


def shared(pattern: str, count: int) -> Iterator[Any]:
    root = os.environ.get("ROBUSTGER_DATA")
    found = sorted(Path(root, "audio").glob(pattern)) if root else []
    found = found[:: max(1, len(found) // count)][:count]
    skip = pytest.mark.skip(reason="ROBUSTGER_DATA is not set" if not root else f"nothing at {pattern}")
    yield pytest.param(found, id=pattern, marks=() if found else skip)


@pytest.mark.parametrize(
    "paths", [*shared("noizeus/noisy/*_5dB/*.wav", 16), *shared("voicebank_demand/p232/*", 16)]
)
def test_people_in_real_noise_are_found(paths: list[Path]) -> None:
    for path in paths:
        assert speech_in(read_audio(path)).any(), path.name


@pytest.mark.parametrize("paths", [*shared("noizeus/noisy/*_0dB/*.wav", 32)])
def test_hardly_anybody_is_lost_at_0_db(paths: list[Path]) -> None:
    assert np.mean([speech_in(read_audio(path)).any() for path in paths]) >= 0.85


@pytest.mark.parametrize("paths", [*shared("noise/esc10/rain/*", 8), *shared("noise/esc10/sea-waves/*", 8)])
def test_hardly_any_real_noise_is_speech(paths: list[Path]) -> None:
    assert np.mean([speech_in(read_audio(path)).any() for path in paths]) <= 0.13
