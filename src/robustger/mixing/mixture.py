"""Adds noise to speech in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from robustger.audio import SAMPLE_RATE, check_samples
from robustger.errors import InputError
from robustger.mixing.levels import SPEECH_LEVELS, rms_level

PEAK = 0.99  # of full scale; no mixture goes beyond
# Root mean square. Rounding to 16 bits changes the level of much fainter noise by 0.05 dB or more.
FAINTEST_NOISE = 10 ** (-76 / 20)
QUIET_STRETCH = 1e-4  # of the noise's mean power: a stretch below this is a pause, as in padded recordings
TRIES = 50
TOLERANCE_DB = 0.05  # between the SNR asked for and the SNR achieved
ATTEMPTS = 4  # to come within the tolerance


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Noisy speech with the clean speech and the settings that it was made from.

    Attributes:
        samples: (n,) float32, `clean` plus noise. Both are rounded to 16 bit, so files hold exactly these.
        clean: (n,) float32, the speech in it: the given speech times the gain.
        noise_offset_seconds: where in the noise its first sample was taken. Noise that ends goes on from its beginning.
        snr_db: the SNR achieved, measured on `samples` and `clean`.
        gain_db: by how much speech and noise were amplified together. A multiple of 6.02: 0, unless the mixture would
            have clipped or its noise would have been too faint for 16 bits.
    """

    samples: np.ndarray
    clean: np.ndarray
    noise_offset_seconds: float
    snr_db: float
    gain_db: float


def mix(clean: np.ndarray, noise: np.ndarray, snr_db: float, *, seed: int = 0, level: str = "p56") -> Mixture:
    """Adds noise to speech at an exact SNR.

    Args:
        clean: (n,) speech, 16 kHz, full scale 1.0.
        noise: (m,) noise, 16 kHz. A stretch of n samples is taken from a random place; noise shorter than the speech is
            repeated, beginning at a random place.
        snr_db: level of the speech less that of the noise.
        seed: decides about the place.
        level: how the speech is measured: "p56" or "rms".

    Raises:
        AudioError: an array is not one-dimensional, empty, silent, or holds NaN.
        InputError: an unknown level; an SNR that is not finite, or that 16 bits cannot hold to 0.05 dB; noise that is
            almost nothing but pauses.
    """
    return mix_at_one_gain(clean, [(noise, snr_db, seed)], level)[0]


def mix_at_one_gain(
    clean: np.ndarray, parts: Sequence[tuple[np.ndarray, float, int]], level: str = "p56"
) -> list[Mixture]:
    """Makes several mixtures of one utterance with one gain, so that they share one clean partner.

    Args:
        clean: (n,) speech, 16 kHz, full scale 1.0.
        parts: noise, SNR in dB and seed of every mixture, as for `mix`.
        level: how the speech is measured.

    Raises:
        AudioError: as for `mix`.
        InputError: as for `mix`.
    """
    speech_level = SPEECH_LEVELS.get(level)
    speech = check_samples(clean, "clean speech").astype(np.float64)
    snrs_db, stretches, offsets = [], [], []
    for noise, snr_db, seed in parts:
        if not math.isfinite(snr_db):
            raise InputError(f"an SNR must be finite, not {snr_db}")
        stretch, offset = _stretch(check_samples(noise, "noise"), len(speech), seed)
        snrs_db.append(snr_db)
        stretches.append(stretch)
        offsets.append(offset / SAMPLE_RATE)
    speech_db = speech_level(speech)
    aims_db = snrs_db
    for _ in range(ATTEMPTS):
        mixed = _mixed(speech, speech_db, stretches, aims_db, speech_level)
        misses_db = [achieved - snr_db for achieved, snr_db in zip(mixed.achieved_db, snrs_db, strict=True)]
        if max(map(abs, misses_db)) <= TOLERANCE_DB or math.inf in misses_db:
            break
        # Rounding to 16 bits has added noise, or has changed the level of faint speech whose pauses are almost silent.
        aims_db = [aim - miss for aim, miss in zip(aims_db, misses_db, strict=True)]
    mixtures = []
    for samples, achieved, snr_db, offset in zip(
        mixed.samples, mixed.achieved_db, snrs_db, offsets, strict=True
    ):
        if abs(achieved - snr_db) > TOLERANCE_DB:
            raise InputError(
                f"16 bits cannot hold this speech with noise at {snr_db:g} dB (it would be {achieved:.2f} dB)"
            )
        mixtures.append(Mixture(samples, mixed.partner, offset, achieved, mixed.gain_db))
    return mixtures


@dataclass(frozen=True, slots=True)
class _Mixed:
    """Mixtures with all samples rounded to 16 bits.

    Attributes:
        partner: the clean speech at their gain.
        gain_db: the gain.
        samples: of every mixture.
        achieved_db: the SNR of every mixture.
    """

    partner: np.ndarray
    gain_db: float
    samples: list[np.ndarray]
    achieved_db: list[float]


def _mixed(
    speech: np.ndarray,
    speech_db: float,
    stretches: Sequence[np.ndarray],
    snrs_db: Sequence[float],
    speech_level: Callable[[np.ndarray], float],
) -> _Mixed:
    """Adds stretches of noise at SNRs from a speech level of `speech_db`, all at one gain."""
    noises = [
        stretch * 10 ** ((speech_db - snr_db - rms_level(stretch)) / 20)
        for stretch, snr_db in zip(stretches, snrs_db, strict=True)
    ]
    peak = max(np.abs(signal).max() for signal in (speech, *(speech + noise for noise in noises)))
    gain = _gain(float(peak), min(float(np.sqrt(np.square(noise).mean())) for noise in noises))
    partner = _rounded(speech * gain)
    partner_db = speech_level(partner)
    samples = [_rounded((speech + noise) * gain) for noise in noises]
    added = [mixture - partner for mixture in samples]
    achieved_db = [partner_db - rms_level(noise) if noise.any() else math.inf for noise in added]
    return _Mixed(partner, 20 * math.log10(gain), samples, achieved_db)


def _stretch(noise: np.ndarray, length: int, seed: int) -> tuple[np.ndarray, int]:
    """`length` samples from a seeded place that is not a pause, and the place."""
    generator = np.random.default_rng(seed)
    places = len(noise) - length + 1 if length <= len(noise) else len(noise)
    floor = QUIET_STRETCH * np.square(noise, dtype=np.float64).mean()
    for _ in range(TRIES):
        offset = int(generator.integers(places))
        stretch = np.take(noise, np.arange(offset, offset + length), mode="wrap").astype(np.float64)
        if np.square(stretch).mean() >= floor:
            return stretch, offset
    raise InputError(
        f"the noise is almost nothing but pauses: none of {TRIES} stretches of {length / SAMPLE_RATE:g} s has sound"
    )


def _gain(peak: float, faintest: float) -> float:
    """A power of two, because only such a gain moves a P.56 level by exactly its decibels."""
    most = math.floor(math.log2(PEAK / peak))  # negative where the mixture would clip
    wanted = max(0, math.ceil(math.log2(FAINTEST_NOISE / faintest)))
    return 2.0 ** min(wanted, most)


def _rounded(samples: np.ndarray) -> np.ndarray:
    return (np.rint(samples * 32768) / 32768).astype(np.float32)
