"""What else would you pick? Systems side by side: python -m benchmarks.choices MANIFEST... [--recordings 40]

Every system transcribes the same recordings one by one, in a process of its own, with two threads. The table has the
WER of each set (normalizer `number`), the seconds per minute of audio without loading, and the peak of the memory.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robustger.audio import SAMPLE_RATE, read_audio
from robustger.evaluation.wer import count_errors
from robustger.manifest import Utterance, load_manifest
from robustger.text import get_normalizer

THREADS = 2
SYSTEMS = {
    "whisper-tiny.en, 5 beams": ("recognizer", "whisper-tiny.en"),
    "whisper-tiny.en + robustger": ("robustger", "whisper-tiny.en", None),
    "whisper-tiny.en + robustger, one recognizer": ("robustger", "whisper-tiny.en", "none"),
    "whisper-base, 5 beams": ("recognizer", "whisper-base"),
    "whisper-base + robustger": ("robustger", "whisper-base", None),
    "whisper-base + robustger, one recognizer": ("robustger", "whisper-base", "none"),
    "faster-whisper, whisper-base, its defaults": ("faster-whisper", "whisper-base"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "manifests", type=Path, nargs="+", help="recordings with transcripts; each file is a set"
    )
    parser.add_argument("--recordings", type=int, default=40, help="of each set, drawn with seed 7")
    parser.add_argument("--one", choices=SYSTEMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(arguments.one, arguments.manifests, arguments.recordings)))
        return
    names = [path.stem for path in arguments.manifests]
    print(f"| system | {' | '.join(names)} | s per minute | GiB |\n|:--|{'--:|' * (len(names) + 2)}")
    for system in SYSTEMS:
        command = [sys.executable, "-m", "benchmarks.choices", *map(str, arguments.manifests)]
        command += ["--recordings", str(arguments.recordings), "--one", system]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        rates = " | ".join(f"{100 * rate:.2f}" for rate in row["rates"])
        print(f"| {system} | {rates} | {row['seconds_per_minute']:.1f} | {row['gib']:.2f} |", flush=True)


def measured(system: str, manifests: list[Path], count: int) -> dict[str, Any]:
    """Error rates, speed and memory of one system, in this process."""
    import torch

    torch.set_num_threads(THREADS)
    transcribe = SPECIES[SYSTEMS[system][0]](*SYSTEMS[system][1:])
    normalize = get_normalizer("number")
    rates, spent, heard = [], 0.0, 0.0
    is_first = True
    for manifest in manifests:
        utterances = [one for one in load_manifest(manifest) if one.text]
        some = random.Random(7).sample(utterances, min(count, len(utterances)))
        errors = words = 0
        for one in some:
            samples = read_audio(path_of(manifest, one))
            if is_first:
                transcribe(samples)  # loads what is loaded late
                is_first = False
            begin = time.perf_counter()
            text = transcribe(samples)
            spent += time.perf_counter() - begin
            heard += len(samples) / SAMPLE_RATE
            reference = normalize(one.text or "").split()
            errors += count_errors(reference, normalize(text).split())
            words += len(reference)
        rates.append(errors / words)
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"rates": rates, "seconds_per_minute": 60 * spent / heard, "gib": gib}


def path_of(manifest: Path, one: Utterance) -> Path:
    return manifest.parent / one.audio


def recognizer_alone(model: str) -> Callable[[Any], str]:
    from robustger.recognition import load_recognizer

    recognizer = load_recognizer("faster-whisper", model, dtype="int8", device="cpu")
    return lambda samples: recognizer.recognize([samples], n=1, beams=5)[0].hypotheses[0].text


def with_robustger(model: str, second: str | None) -> Callable[[Any], str]:
    from robustger import RobustGER

    robustger = RobustGER.from_preset("whisper", model=model, second=second, device="cpu")
    return lambda samples: robustger.transcribe(samples).text


def faster_whisper(model: str) -> Callable[[Any], str]:
    from faster_whisper import WhisperModel

    from robustger.models import resolve_ctranslate2

    whisper = WhisperModel(
        str(resolve_ctranslate2(model)), device="cpu", compute_type="int8", cpu_threads=THREADS
    )

    def transcribe(samples: Any) -> str:
        segments, _ = whisper.transcribe(samples, language="en")
        return " ".join(segment.text.strip() for segment in segments)

    return transcribe


SPECIES: dict[str, Callable[..., Callable[[Any], str]]] = {
    "recognizer": recognizer_alone,
    "robustger": with_robustger,
    "faster-whisper": faster_whisper,
}

if __name__ == "__main__":
    main()
