"""Makes the recognizer's training speech and noise.

    python -m lab.recognizer_speech FOLDER COUNT

The speech is spoken once and kept as one array. It is mixed with noise whenever an utterance is drawn.
"""

from __future__ import annotations

import json
import os
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from lab.noises import KINDS, SPEECH_KINDS, make_noise
from lab.sentences import sentences, word_strings
from lab.speech import SAMPLE_RATE, draw_voice, say

WINDOW_SECONDS = 5.0  # the recognizer's window


def speak(item: tuple[str, str, str]) -> tuple[str, np.ndarray] | None:
    """Speaks (id, text, split of the voices); returns the text and int16 samples, or None if it exceeds the window."""
    id_, text, split = item
    samples = say(text, draw_voice(split, random.Random(f"voice-{id_}")))
    if len(samples) > (WINDOW_SECONDS - 0.05) * SAMPLE_RATE:
        return None
    return text, (samples / np.abs(samples).max() * 0.5 * 32767).astype(np.int16)


def make_pool(folder: Path, count: int, share_of_word_strings: float, seed: int) -> None:
    """Writes speech.npy (int16, all utterances end to end), utterances.json (text, start, length) and noise.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    strings = int(count * share_of_word_strings)
    texts = sentences("recognizer", count - strings, seed) + word_strings(strings, seed)
    items = [(f"pool-{seed}-{index}", text, "train") for index, text in enumerate(texts)]
    utterances, pieces, at = [], [], 0
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        for spoken in workers.map(speak, items, chunksize=256):
            if spoken is not None:
                utterances.append({"text": spoken[0], "start": at, "length": len(spoken[1])})
                pieces.append(spoken[1])
                at += len(spoken[1])
    np.save(folder / "speech.npy", np.concatenate(pieces))
    speech = [piece / 32768 for piece in pieces[:2000]]
    noise = [
        make_noise(kind, 30.0, seed=number, speech=speech)
        for kind in (*KINDS, *SPEECH_KINDS)
        for number in range(8)
    ]
    np.save(folder / "noise.npy", np.stack(noise))
    (folder / "utterances.json").write_text(json.dumps(utterances))
    print(
        f"{len(utterances)} utterances, {at / SAMPLE_RATE / 3600:.1f} h, {len(noise)} noises", file=sys.stderr
    )


if __name__ == "__main__":
    make_pool(Path(sys.argv[1]), int(sys.argv[2]), 0.5, seed=0)
