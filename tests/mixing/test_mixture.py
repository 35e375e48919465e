"""One mixture: its SNR is exact, and nothing clips."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.mixing.clean_world import RATE, speech

from robustger.audio import read_audio, write_audio
from robustger.errors import InputError
from robustger.mixing import (
    measured_snr,
    mix,
)

needs_data = pytest.mark.skipif("ROBUSTGER_DATA" not in os.environ, reason="ROBUSTGER_DATA is not set")


@settings(max_examples=60)
@given(
    seconds=st.floats(
        0.2, 3.0
    ),  # in faint speech shorter than the hangover of P.56, the level may hang on one bit
    noise_seconds=st.floats(0.01, 3.0),
    peak=st.floats(1e-3, 1.0),
    noise_peak=st.floats(1e-3, 1.0),
    snr_db=st.floats(-20, 30),
    level=st.sampled_from(["p56", "rms"]),
    seed=st.integers(0, 2**63),
)
@example(2.0, 1.0, 1e-3, 1.0, 30.0, "p56", 0)  # noise below one step of 16 bit, were it not amplified
@example(2.0, 1.0, 1.0, 1e-3, -20.0, "p56", 0)  # would clip by 30 dB
@example(0.08279302762648298, 1.0, 0.01, 1.0, 0.0, "p56", 0)  # rounding moves the level of the speech
def test_snr_is_exact_and_nothing_clips(
    tmp_path_factory: pytest.TempPathFactory,
    seconds: float,
    noise_seconds: float,
    peak: float,
    noise_peak: float,
    snr_db: float,
    level: str,
    seed: int,
) -> None:
    clean, noise = speech(seconds, 1, peak), speech(noise_seconds, 2, noise_peak)
    mixture = mix(clean, noise, snr_db, seed=seed, level=level)
    assert mixture.snr_db == pytest.approx(snr_db, abs=0.05)
    assert np.abs(mixture.samples).max() <= 0.9901
    # The partner is what was given, times the gain, to half a step of 16 bit.
    np.testing.assert_allclose(mixture.clean, clean * 10 ** (mixture.gain_db / 20), atol=0.5001 / 32768)
    # What was added is the noise from the offset on, at some gain.
    offset = round(mixture.noise_offset_seconds * RATE)
    stretch = np.take(noise, np.arange(offset, offset + len(clean)), mode="wrap")
    added = mixture.samples.astype(np.float64) - mixture.clean
    scale = np.sqrt(np.square(added).sum() / np.square(stretch, dtype=np.float64).sum())
    np.testing.assert_allclose(added, stretch * scale, atol=2.1 / 32768, rtol=1e-2)
    # Files hold the same SNR.
    folder = tmp_path_factory.mktemp("mixture")
    write_audio(folder / "noisy.flac", mixture.samples)
    np.testing.assert_array_equal(read_audio(folder / "noisy.flac"), mixture.samples)
    assume(np.abs(mixture.clean).max() > 1e-4)  # below, a recording counts as silent and is not read
    write_audio(folder / "clean.wav", mixture.clean)
    measured = measured_snr(read_audio(folder / "noisy.flac"), read_audio(folder / "clean.wav"), level=level)
    assert measured == pytest.approx(snr_db, abs=0.05)


def test_the_seed_decides_where_noise_is_taken_from() -> None:
    clean, noise = speech(1.0, 1), speech(9.0, 2)
    offsets = {mix(clean, noise, 5, seed=seed).noise_offset_seconds for seed in range(20)}
    assert len(offsets) == 20
    assert all(0 <= offset <= 8 for offset in offsets)
    again = mix(clean, noise, 5, seed=3)
    np.testing.assert_array_equal(again.samples, mix(clean, noise, 5, seed=3).samples)


def test_pauses_of_the_noise_are_not_taken_for_noise() -> None:
    bark = np.zeros(5 * RATE, np.float32)
    bark[:8000] = speech(0.5, 5)
    for seed in range(20):
        offset = mix(speech(0.5, 1), bark, 5, seed=seed).noise_offset_seconds
        assert offset <= 0.5
    click = np.zeros(60 * RATE, np.float32)
    click[7] = 1
    with pytest.raises(InputError, match="the noise is almost nothing but pauses"):
        mix(speech(0.1, 1), click, 5)


@pytest.mark.parametrize(
    ("clean", "noise", "snr_db", "level", "message"),
    [
        (np.zeros(9, np.float32), speech(1, 1), 5, "p56", "clean speech: silent"),
        (speech(1, 1), np.zeros(9, np.float32), 5, "p56", "noise: silent"),
        (speech(1, 1), np.zeros(0, np.float32), 5, "p56", "noise: empty"),
        (speech(1, 1), speech(1, 1) * np.nan, 5, "p56", "noise: .*NaN"),
        (speech(1, 1), speech(1, 1), math.nan, "p56", "an SNR must be finite, not nan"),
        (speech(1, 1), speech(1, 1), 5, "loud", "unknown speech level 'loud'; choose one of: p56, rms"),
        (speech(1, 1), speech(1, 1), 99, "p56", "16 bits cannot hold this speech with noise at 99 dB"),
    ],
)
def test_what_cannot_be_mixed(
    clean: np.ndarray, noise: np.ndarray, snr_db: float, level: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        mix(clean, noise, snr_db, level=level)


def test_measuring_needs_a_partner_of_the_same_length() -> None:
    with pytest.raises(InputError, match="its clean partner"):
        measured_snr(speech(1, 1), speech(2, 1))


@needs_data
@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_the_labels_of_noizeus(every: int) -> None:
    """P.56 of the clean file less the RMS of what was added is what the label says; slow: in all 960 noisy files."""
    folder = Path(os.environ["ROBUSTGER_DATA"]) / "audio" / "noizeus"
    count = 0
    for sentence in sorted((folder / "clean").glob("*.wav"))[::every]:
        clean, rate = soundfile.read(sentence)
        size = 2 ** (2 * len(clean)).bit_length()
        for path in folder.glob(f"noisy/*/{sentence.stem}_*.wav"):
            noisy, _ = soundfile.read(path)
            assert len(noisy) == len(clean)
            # The partner is in it at gain 1 and without a shift, else the difference would not be the noise.
            spectrum = np.fft.rfft(noisy, size) * np.conj(np.fft.rfft(clean, size))
            assert np.argmax(np.fft.irfft(spectrum)) == 0
            assert np.vdot(noisy, clean) / np.vdot(clean, clean) == pytest.approx(1, abs=0.05)
            label = int(path.parent.name.rpartition("_")[2].removesuffix("dB"))
            # The largest deviation found is 0.018 dB, at each of 0, 5, 10 and 15 dB.
            assert measured_snr(noisy, clean, sample_rate=rate) == pytest.approx(label, abs=0.05)
            count += 1
    assert count == 960 / every
