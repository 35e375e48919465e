"""The level of speech is that of ITU-T P.56."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mixing.clean_world import RATE, speech

from robustger.errors import InputError
from robustger.mixing import (
    active_speech_level,
    rms_level,
)


def level_by_the_recommendation(samples: np.ndarray, sample_rate: int) -> float:
    """Method B of ITU-T P.56 as it is written down: sample by sample, a counter for each of 15 thresholds."""
    decay = math.exp(-1 / (0.03 * sample_rate))
    hangover = math.ceil(0.2 * sample_rate)
    thresholds = [2.0**-exponent for exponent in range(15, 0, -1)]
    activity, idle = [0] * 15, [hangover] * 15
    p = q = energy = 0.0
    for sample in samples.tolist():
        energy += sample * sample
        p = decay * p + (1 - decay) * abs(sample)
        q = decay * q + (1 - decay) * p
        for number, threshold in enumerate(thresholds):
            if q >= threshold:
                activity[number] += 1
                idle[number] = 0
            elif idle[number] < hangover:
                activity[number] += 1
                idle[number] += 1
    levels = [10 * math.log10(energy / count) for count in activity if count]
    above = [level - 20 * math.log10(thresholds[number]) for number, level in enumerate(levels)]
    for number in range(1, len(above)):
        if above[number] <= 15.9:
            weight = (above[number - 1] - 15.9) / (above[number - 1] - above[number])
            return levels[number - 1] + weight * (levels[number] - levels[number - 1])
    raise AssertionError("no threshold is 15.9 dB below the level")


@pytest.mark.parametrize(("seed", "rate", "peak"), [(0, 8000, 0.9), (1, 16000, 0.2), (2, 16000, 0.05)])
def test_active_level_is_that_of_the_recommendation(seed: int, rate: int, peak: float) -> None:
    samples = speech(2.0, seed, peak)
    assert active_speech_level(samples, rate) == pytest.approx(
        level_by_the_recommendation(samples, rate), abs=1e-6
    )


def test_active_level_of_a_steady_tone_is_its_rms() -> None:
    tone = 0.3 * np.sin(2 * np.pi * 400 * np.arange(10 * RATE) / RATE)
    assert active_speech_level(tone) == pytest.approx(20 * math.log10(0.3 / math.sqrt(2)), abs=0.05)
    assert rms_level(tone) == pytest.approx(20 * math.log10(0.3 / math.sqrt(2)), abs=1e-3)


def test_pauses_do_not_make_speech_quieter() -> None:
    burst, pause = speech(2.0, 3), np.zeros(4 * RATE, np.float32)
    padded = np.concatenate([pause, burst, pause])
    assert active_speech_level(padded) == pytest.approx(active_speech_level(burst), abs=0.5)
    assert rms_level(padded) == pytest.approx(rms_level(burst) - 10 * math.log10(5), abs=1e-3)


@given(seed=st.integers(0, 50), doublings=st.integers(-30, 5))
def test_a_gain_of_two_is_6_02_db(seed: int, doublings: int) -> None:
    samples = speech(0.5, seed)
    moved = active_speech_level(samples.astype(np.float64) * 2.0**doublings)
    assert moved == pytest.approx(active_speech_level(samples) + 20 * math.log10(2) * doublings, abs=1e-9)


@pytest.mark.parametrize("samples", [np.zeros(100), np.zeros(0)])
@pytest.mark.parametrize("level", [active_speech_level, rms_level])
def test_silence_has_no_level(samples: np.ndarray, level: Callable[[np.ndarray], float]) -> None:
    with pytest.raises(InputError, match="silence has no level"):
        level(samples)


@pytest.mark.parametrize("length", [1, 2, 5, 4000])
def test_a_click_has_a_level(length: int) -> None:
    click = np.zeros(length)
    click[0] = 1.0
    assert math.isfinite(active_speech_level(click))
