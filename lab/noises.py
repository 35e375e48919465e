"""Makes noise by formula: every kind is a function of a length and a random generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

SAMPLE_RATE = 16_000
Generator = np.random.Generator


def colored(exponent: float) -> Callable[[int, Generator], np.ndarray]:
    """Noise whose power falls with frequency to the given exponent (0 white, 1 pink, 2 brown)."""

    def noise(length: int, random_: Generator) -> np.ndarray:
        spectrum = np.fft.rfft(random_.standard_normal(length))
        frequency = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
        spectrum *= np.maximum(frequency, 20.0) ** (-exponent / 2)
        return np.fft.irfft(spectrum, length)

    return noise


def _band(samples: np.ndarray, low: float, high: float) -> np.ndarray:
    return sosfilt(butter(2, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos"), samples)


def _time(length: int) -> np.ndarray:
    return np.arange(length) / SAMPLE_RATE


def _wander(length: int, random_: Generator, every_seconds: float) -> np.ndarray:
    """A slow random curve between 0 and 1."""
    knots = random_.random(int(length / SAMPLE_RATE / every_seconds) + 3)
    return np.interp(np.linspace(0, len(knots) - 1, length), np.arange(len(knots)), knots)


def car(length: int, random_: Generator) -> np.ndarray:
    """Road rumble and an engine's harmonics."""
    turns = np.cumsum(25 + 20 * _wander(length, random_, 2.0)) / SAMPLE_RATE * 2 * np.pi
    engine = sum(np.sin(k * turns + random_.random() * 6) / k for k in range(1, 12))
    road = colored(2.0)(length, random_)
    hiss = _band(random_.standard_normal(length), 300, 3000)
    return road / road.std() + 0.5 * engine / np.std(engine) + random_.uniform(0.1, 0.4) * hiss / hiss.std()


def helicopter(length: int, random_: Generator) -> np.ndarray:
    """Broad-band noise chopped by rotor blades."""
    phase = (_time(length) * random_.uniform(9, 22) + random_.random()) % 1.0
    blades = np.exp(-phase * random_.uniform(4, 9))
    body = _band(random_.standard_normal(length), 60, random_.uniform(1500, 4500))
    turbine = np.sin(2 * np.pi * random_.uniform(900, 2200) * _time(length))
    return body / body.std() * blades + 0.04 * turbine


def siren(length: int, random_: Generator) -> np.ndarray:
    """A tone that sweeps up and down, with harmonics and some street behind it."""
    sweep = np.sin(2 * np.pi * (random_.uniform(0.25, 3.5) * _time(length) + random_.random()))
    pitch = random_.uniform(700, 1000) + random_.uniform(150, 350) * sweep
    turns = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    tone = sum(np.sin(k * turns) / k**1.3 for k in range(1, 6))
    street = colored(1.0)(length, random_)
    return tone / np.std(tone) + random_.uniform(0.2, 0.6) * street / street.std()


def rain(length: int, random_: Generator) -> np.ndarray:
    """Many short drops over a hiss."""
    drops = np.zeros(length)
    places = random_.integers(0, length, int(length / SAMPLE_RATE * random_.uniform(150, 600)))
    drops[places] = random_.exponential(1.0, len(places)) * random_.choice((-1, 1), len(places))
    ring = lfilter([1.0], [1.0, -1.2, 0.75], drops)
    hiss = _band(random_.standard_normal(length), 1000, 7000)
    return ring / ring.std() + random_.uniform(0.3, 1.0) * hiss / hiss.std()


def machine(length: int, random_: Generator) -> np.ndarray:
    """Mains hum with harmonics and a beating motor."""
    base = random_.choice((50.0, 60.0, 100.0, 120.0))
    hum = sum(random_.random() * np.sin(2 * np.pi * k * base * _time(length)) for k in range(1, 25))
    motor = _band(random_.standard_normal(length), 400, 4000)
    beat = 1 + np.sin(2 * np.pi * random_.uniform(3, 30) * _time(length))
    return hum / np.std(hum) + random_.uniform(0.3, 0.9) * motor * beat / motor.std()


def music(length: int, random_: Generator) -> np.ndarray:
    """Chords of decaying harmonic tones."""
    out = np.zeros(length)
    step = int(SAMPLE_RATE * random_.uniform(0.2, 0.5))
    for start in range(0, length, step):
        time = _time(min(length - start, 3 * step))
        for semitones in random_.choice((0, 3, 4, 7, 10, 12, 16, 19), 3, replace=False):
            pitch = 130.8 * 2 ** ((semitones + random_.integers(0, 12)) / 12)
            tone = sum(np.sin(2 * np.pi * k * pitch * time) / k for k in range(1, 7))
            out[start : start + len(time)] += tone * np.exp(-time * random_.uniform(2, 6))
    return out


def clatter(length: int, random_: Generator) -> np.ndarray:
    """Knocks and clinks of dishes at irregular moments over a quiet room."""
    out = 0.05 * colored(1.0)(length, random_)
    out /= np.abs(out).max() * 10
    for start in random_.integers(0, length, int(length / SAMPLE_RATE * random_.uniform(3, 8)) + 1):
        time = _time(min(length - start, SAMPLE_RATE // 3))
        pitches = random_.uniform(400, 5000, 4)
        ring = sum(np.sin(2 * np.pi * pitch * time) for pitch in pitches) + random_.standard_normal(len(time))
        out[start : start + len(time)] += (
            random_.exponential(0.5) * ring * np.exp(-time * random_.uniform(12, 50))
        )
    return out


def babble(voices: int) -> Callable[[int, Generator, Sequence[np.ndarray]], np.ndarray]:
    """Other sentences spoken at once, each in a voice of its own."""

    def noise(length: int, random_: Generator, speech: Sequence[np.ndarray]) -> np.ndarray:
        out = np.zeros(length)
        for _ in range(voices):
            row = np.zeros(0)
            while len(row) < length:
                one = speech[int(random_.integers(len(speech)))]
                row = np.concatenate([row, one / (one.std() + 1e-9)])
            shift = int(random_.integers(len(row) - length + 1))
            out += random_.uniform(0.5, 1.0) * row[shift : shift + length]
        return out

    return noise


KINDS: dict[str, Callable[[int, Generator], np.ndarray]] = {
    "white": colored(0.0),
    "pink": colored(1.0),
    "brown": colored(2.0),
    "car": car,
    "helicopter": helicopter,
    "siren": siren,
    "rain": rain,
    "machine": machine,
    "music": music,
    "clatter": clatter,
}
SPEECH_KINDS = {"babble": babble(6), "crowd": babble(16)}


def make_noise(kind: str, seconds: float, seed: int, speech: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Noise of a kind: float32 (samples,) at 16 kHz, peak 0.5, the same for the same seed.

    Args:
        kind: a key of `KINDS` or `SPEECH_KINDS`.
        seconds: length of the noise.
        seed: of everything that is drawn.
        speech: utterances that the kinds of `SPEECH_KINDS` are made of.
    """
    random_ = np.random.default_rng([seed, *kind.encode()])
    length = int(seconds * SAMPLE_RATE)
    noise = (
        SPEECH_KINDS[kind](length, random_, speech) if kind in SPEECH_KINDS else KINDS[kind](length, random_)
    )
    return (0.5 * noise / np.abs(noise).max()).astype(np.float32)
