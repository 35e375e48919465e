"""Writes what `make.sh` mixes: clean speech in halves by speaker, and babble of the speakers of the other half.

    python recipes/real-speech/prepare.py MANIFEST.jsonl FOLDER [--babble 20] [--seed 18]

MANIFEST.jsonl is clean speech with the key `speaker`, such as LibriSpeech's train-clean-5. FOLDER gets clean-a.jsonl,
clean-b.jsonl, babble-for-a/ and babble-for-b/. Nobody is mixed with babble of the own half.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from robustger.audio import SAMPLE_RATE, read_audio, write_audio
from robustger.manifest import Utterance, load_manifest, save_manifest

VOICES, SECONDS, RMS = 6, 20, 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--babble", type=int, default=20, help="recordings of babble for each half")
    parser.add_argument("--seed", type=int, default=18)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    utterances = [
        replace(one, audio=(arguments.manifest.parent / one.audio).resolve())
        for one in load_manifest(arguments.manifest)
    ]
    speakers = sorted({speaker_of(one) for one in utterances})
    draw.shuffle(speakers)
    first = set(speakers[: len(speakers) // 2])
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for half in "ab":
        own = [one for one in utterances if (speaker_of(one) in first) == (half == "a")]
        others = [one for one in utterances if (speaker_of(one) in first) != (half == "a")]
        save_manifest(own, arguments.folder / f"clean-{half}.jsonl")
        place = arguments.folder / f"babble-for-{half}" / "babble_speakers"
        place.mkdir(parents=True, exist_ok=True)
        for number in range(arguments.babble):
            voices = draw.sample(others, VOICES)
            write_audio(place / f"{number:02d}.flac", babble([read_audio(one.audio) for one in voices]))


def speaker_of(utterance: Utterance) -> str:
    return str(utterance.meta["speaker"])


def babble(voices: list[np.ndarray]) -> np.ndarray:
    """The sum of voices of equal loudness, float32 (samples,)."""
    size = SECONDS * SAMPLE_RATE
    mixed = np.zeros(size, np.float32)
    for voice in voices:
        long = np.resize(voice, size)
        mixed += long / np.sqrt(np.mean(long**2) + 1e-9)
    return np.clip(mixed * (RMS / np.sqrt(np.mean(mixed**2))), -1, 1)


if __name__ == "__main__":
    main()
