"""Speaks sentences with espeak-ng, through its C interface, in many voices at 16 kHz.

The library and its data come from the package `espeakng-loader`; nothing has to be installed on the system.
"""

from __future__ import annotations

import ctypes
import random
from dataclasses import dataclass
from functools import cache

import numpy as np
import soxr

SAMPLE_RATE = 16_000
ACCENTS = ("en-us", "en-us-nyc", "en", "en-gb-x-rp", "en-gb-scotland")
# The timbres of espeak-ng by split; no timbre is in two splits.
VOICES = {
    "train": (
        *(
            "m1",
            "m2",
            "m3",
            "m4",
            "m6",
            "m7",
            "f1",
            "f2",
            "f4",
            "f5",
            "Alex",
            "Alicia",
            "Andrea",
            "Denis",
            "Diogo",
        ),
        *(
            "Gene",
            "Hugo",
            "Jacky",
            "Lee",
            "Marco",
            "Michael",
            "adam",
            "antonio",
            "belinda",
            "benjamin",
            "boris",
        ),
        *(
            "david",
            "ed",
            "edward",
            "gustave",
            "ian",
            "iven",
            "john",
            "linda",
            "marcelo",
            "max",
            "michel",
            "norbert",
        ),
        *("pablo", "paul", "quincy", "rob", "robert", "sandro", "shelby", "travis", "victor", "zac"),
    ),
    "corrector": (
        *(
            "Gene2",
            "Mike",
            "Nguyen",
            "Reed",
            "RicishayMax",
            "Storm",
            "Tweaky",
            "announcer",
            "croak",
            "edward2",
        ),
        *(
            "grandma",
            "grandpa",
            "iven2",
            "kaukovalta",
            "klatt",
            "klatt2",
            "klatt3",
            "klatt4",
            "klatt5",
            "klatt6",
        ),
        *("miguel", "mike2", "robosoft", "robosoft3", "robosoft6", "whisper", "whisperf"),
    ),
    "dev": ("m5", "Henrique", "aunty", "steph"),
    "test": ("m8", "f3", "Andy", "Annie", "Mario", "caleb", "anika", "pedro"),
}
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER in speak_lib.h
_SYNCHRONOUS, _UTF8 = 2, 1


@dataclass(frozen=True)
class Voice:
    """A voice: its rate is in words per minute, its pitch and pitch range are between 0 and 99."""

    accent: str
    timbre: str
    rate: int
    pitch: int
    pitch_range: int


def draw_voice(split: str, random_: random.Random) -> Voice:
    """Draws a voice of a split, a key of `VOICES`."""
    return Voice(
        accent=random_.choice(ACCENTS),
        timbre=random_.choice(VOICES[split]),
        rate=random_.randint(150, 215),
        pitch=random_.randint(30, 70),
        pitch_range=random_.randint(30, 70),
    )


@cache
def espeak() -> tuple[ctypes.CDLL, list[np.ndarray], int, object]:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    pieces: list[np.ndarray] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def collect(samples, count, _events):
        if samples and count:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    library.espeak_SetSynthCallback(collect)
    return library, pieces, rate, collect  # the callback must outlive the library's use of it


def say(text: str, voice: Voice) -> np.ndarray:
    """Speaks a text: float32 (samples,) at 16 kHz, with silence at both ends cut to 0.1 s.

    Raises:
        ValueError: the library does not know the voice.
    """
    library, pieces, rate, _ = espeak()
    pieces.clear()
    name = f"{voice.accent}+{voice.timbre}"
    if library.espeak_SetVoiceByName(name.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {name}")
    for parameter, value in ((_RATE, voice.rate), (_PITCH, voice.pitch), (_RANGE, voice.pitch_range)):
        library.espeak_SetParameter(parameter, value, 0)
    encoded = text.encode()
    library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    samples = soxr.resample(np.concatenate(pieces).astype(np.float32) / 32768, rate, SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.003)
    pad = SAMPLE_RATE // 10
    return samples[max(loud[0] - pad, 0) : loud[-1] + pad]
