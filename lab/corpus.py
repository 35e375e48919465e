"""Makes the laboratory's corpus: clean speech and noise as files, with manifests, ready for `robustger mix`.

    python -m lab.corpus FOLDER

FOLDER/speech/SPLIT/*.flac for the splits `corrector`, `dev` and `test`, FOLDER/PART.jsonl for their parts, and
FOLDER/noise/{train,test}/KIND-NUMBER.flac. The recognizer learns from none of these sentences. Of these voices it
learns from those of the part `corrector`, in which it makes few mistakes; so `corrector-more` has voices of its own.
Sentences, voices and noises are drawn from seeds and are the same every time. The speech differs a little from call to
call, because the phases inside espeak-ng do.
"""

from __future__ import annotations

import random
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from lab.noises import KINDS, SAMPLE_RATE, SPEECH_KINDS, make_noise
from lab.recognizer_speech import WINDOW_SECONDS
from lab.sentences import sentences
from lab.speech import draw_voice, say
from robustger.manifest import Utterance, save_manifest

PARTS = {
    "corrector": ("corrector", "train", range(3_000)),
    "corrector-more": ("corrector", "corrector", range(3_000, 11_000)),
    "dev": ("dev", "dev", range(300)),
    "test": ("test", "test", range(500)),
}  # part: split, voices, which of the split's sentences
SEED = 1


def _speak(item: tuple[str, str, str, Path]) -> Utterance | None:
    id_, text, voices, folder = item
    voice = draw_voice(voices, random.Random(f"voice-{id_}"))
    samples = say(text, voice)
    if len(samples) > (WINDOW_SECONDS - 0.05) * SAMPLE_RATE:
        return None
    path = folder / f"{id_}.flac"
    soundfile.write(path, 0.5 * samples / np.abs(samples).max(), SAMPLE_RATE)
    meta = {"voice": f"{voice.accent}+{voice.timbre}", "words_per_minute": voice.rate, "pitch": voice.pitch}
    return Utterance(id=id_, audio=str(path), text=text, meta=meta)


def write_speech(folder: Path, part: str) -> list[Utterance]:
    """Writes the clean speech of a part and its manifest, without the sentences that last longer than the window."""
    split, voices, numbers = PARTS[part]
    audio = folder / "speech" / split
    audio.mkdir(parents=True, exist_ok=True)
    texts = sentences(split, numbers.stop, SEED)
    items = [(f"{split}-{i:05d}", texts[i], voices, audio) for i in numbers]
    with ProcessPoolExecutor() as workers:
        spoken = [
            utterance for utterance in workers.map(_speak, items, chunksize=32) if utterance is not None
        ]
    save_manifest(spoken, folder / f"{part}.jsonl")
    return spoken


def write_noise(folder: Path, part: str, speech: list[Utterance], each: int, seconds: float) -> None:
    """Writes `each` noises of every kind; babble and crowd are made of the given speech."""
    target = folder / "noise" / part
    target.mkdir(parents=True, exist_ok=True)
    voices = [soundfile.read(utterance.audio, dtype="float32")[0] for utterance in speech[:300]]
    for kind in (*KINDS, *SPEECH_KINDS):
        for number in range(each):
            noise = make_noise(kind, seconds, seed=1000 * len(part) + number, speech=voices)
            soundfile.write(target / f"{kind}-{number}.flac", noise, SAMPLE_RATE)


def main() -> None:
    folder = Path(sys.argv[1])
    speech = {part: write_speech(folder, part) for part in PARTS}
    write_noise(folder, "train", speech["corrector"], each=6, seconds=30.0)
    write_noise(folder, "test", speech["dev"], each=3, seconds=30.0)
    # Written last: it says that all the rest is there.
    names = sorted(path.name for path in (folder / "noise" / "test").iterdir())
    (folder / "test-noises.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    for part, utterances in speech.items():
        print(f"{part}: {len(utterances)} sentences", file=sys.stderr)


if __name__ == "__main__":
    main()
