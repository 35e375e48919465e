"""The clips of `robustger demo`: five sentences read aloud by a person, in the laboratory's noise.

    apt-get download pocketsphinx-testdata && dpkg -x pocketsphinx-testdata*.deb speech
    speech=speech/usr/share/pocketsphinx/test/data/librivox
    python experiments/lab/read_aloud.py $speech src/robustger/presets/whisper/demo

The speech is a LibriVox volunteer's reading of Jane Austen's "Sense and Sensibility" (both in the public domain), as
the test data of PocketSphinx (BSD-2-Clause) have it. Whisper hardly understands the laboratory's own synthetic voices,
with or without noise. The SNRs were chosen so that whisper-base gets some words of most sentences wrong; what the
corrector makes of them was not looked at.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from noises import make_noise

from robustger.audio import SAMPLE_RATE, read_audio, write_audio
from robustger.mixing import mix

# Number of the sentence, what is said, the noise and its SNR in dB.
CLIPS = (
    (
        "0870",
        "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power "
        "to do for them.",
        "rain",
        10.0,
    ),
    ("0880", "He was not an ill-disposed young man,", "car", 0.0),
    ("0890", "unless to be rather cold hearted and rather selfish is to be ill-disposed.", "music", 0.0),
    (
        "0920",
        "Had he married a more amiable woman, he might have been made still more respectable than he was.",
        "machine",
        5.0,
    ),
    ("0930", "He might even have been made amiable himself.", "pink", 5.0),
)


def main(speech: Path, target: Path) -> None:
    """Writes the clips and their manifest.

    Args:
        speech: folder with the sentences as WAV.
        target: folder that is made if need be.
    """
    target.mkdir(parents=True, exist_ok=True)
    lines = []
    for seed, (number, text, noise, snr_db) in enumerate(CLIPS):
        clean = read_audio(speech / f"sense_and_sensibility_01_austen_64kb-{number}.wav")
        samples = mix(clean, make_noise(noise, clean.size / SAMPLE_RATE + 1, seed), snr_db, seed=seed).samples
        name = f"{noise}_{snr_db:g}dB"
        write_audio(target / f"{name}.flac", samples)
        lines.append(
            {"id": name, "audio": f"{name}.flac", "text": text, "noise": noise, "snr_db": snr_db,
             "speaker": "librivox", "sentence": f"austen-{number}"}
        )  # fmt: skip
    content = "".join(json.dumps(line) + "\n" for line in lines)
    (target / "demo.jsonl").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
