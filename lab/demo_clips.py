"""Makes the clips of `robustger demo`: everyday sentences in noise, in voices that Whisper understands.

    python -m lab.demo_clips src/robustger/presets/whisper/demo

The clips have the same bytes each time, with espeakng-loader 0.2.4 on the same kind of processor. Whisper-base
understands only a few of espeak-ng's voices. In these three, spoken slowly and without noise, it gets 6 ("us"), 10
("rp") and 13 ("caleb") of 95 words in eight sentences wrong, under the normalizer `spoken`. The README beside the clips
says how they were chosen.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.noises import make_noise
from lab.speech import SAMPLE_RATE, Voice, espeak, say
from robustger.audio import write_audio
from robustger.mixing import mix

VOICES = {
    "rp": Voice("en-gb-x-rp", "klatt4", 140, 50, 50),
    "us": Voice("en-us", "klatt4", 140, 50, 50),
    "caleb": Voice("en-us", "caleb", 140, 50, 50),
}
# The sentences of the other voices in the noise "babble".
OTHERS = (
    "We went to the beach with our neighbors, but it was far too windy to swim.",
    "My brother wants to sell his old car and buy a new bicycle.",
    "The soup is cold, and nobody has brought the bread.",
    "Shall we take the bus, or would you rather walk?",
    "I told her about the letter, but she had already read it.",
    "The children played football in the garden all afternoon.",
)


@dataclass(frozen=True)
class Clip:
    """A sentence in a voice, and the noise it is heard in."""

    text: str
    voice: str
    noise: str
    snr_db: float


CLIPS = (
    Clip("What is the cheapest fare from Boston to Denver on Friday?", "caleb", "rain", 15.0),
    Clip("Please call Martin before dinner, and ask him to bring two bottles of milk.", "us", "babble", 5.0),
    Clip("Turn right at the post office, then walk straight on to the river.", "rp", "machine", 5.0),
    Clip("Mrs. Clark lives at 27 Station Road, next to the bakery.", "us", "car", 5.0),
    Clip("The weather in the south of Mexico was warm and dry last week.", "us", "pink", 15.0),
)


def speak(text: str, voice: Voice) -> np.ndarray:
    """Speaks a text in a voice, with the same samples each time: float32 (samples,) at 16 kHz.

    espeak-ng goes on from where the sentence before left its oscillators and its random numbers, so every sentence is
    spoken by a process of its own.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, fresh) as process:
        return process.submit(_speak_seeded, text, voice).result()


def make(clip: Clip) -> np.ndarray:
    """The clip's samples: float32 (samples,) at 16 kHz."""
    clean = speak(clip.text, VOICES[clip.voice])
    others = []
    if clip.noise == "babble":
        voices = list(VOICES.values())
        others = [speak(text, voices[number % len(voices)]) for number, text in enumerate(OTHERS)]
    noise = make_noise(clip.noise, clean.size / SAMPLE_RATE + 1, 0, others)
    return mix(clean, noise, clip.snr_db, seed=0).samples


def main(target: Path) -> None:
    """Writes the clips and their manifest.

    Args:
        target: folder that is made if need be.
    """
    target.mkdir(parents=True, exist_ok=True)
    lines = []
    for clip in CLIPS:
        name = f"{clip.noise}_{clip.snr_db:g}dB"
        write_audio(target / f"{name}.flac", make(clip))
        voice = VOICES[clip.voice]
        lines.append(
            {"id": name, "audio": f"{name}.flac", "text": clip.text, "noise": clip.noise, "snr_db": clip.snr_db,
             "voice": f"{voice.accent}+{voice.timbre}"}
        )  # fmt: skip
    content = "".join(json.dumps(line) + "\n" for line in lines)
    (target / "demo.jsonl").write_text(content, encoding="utf-8")


def _speak_seeded(text: str, voice: Voice) -> np.ndarray:
    library = espeak()[0]
    library.espeak_ng_SetRandSeed(1)  # else the time of day
    return say(text, voice)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
