"""A long recording of known parts, transcribed by the command: python benchmarks/long_recording.py --minutes 30

Utterances of test-clean-dev (`$ROBUSTGER_DATA/audio`) follow one another. Between them lie pauses, noise without a
voice (MS-SNSD: air conditioner, copy machine, vacuum cleaner) or music (chords drawn by seed), 2 to 20 s each. The
command `robustger transcribe -f json --words` transcribes the file. Printed are the word error rate, the largest memory
of the process, the words that lie where nobody speaks, and how far the first and the last word of each utterance lie
from where the utterance was put.

`--kill-after SECONDS` kills the command once and calls it again: it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.timing import machine

from robustger.audio import SAMPLE_RATE, read_audio
from robustger.evaluation.wer import count_errors
from robustger.manifest import Utterance, load_manifest
from robustger.text import normalize

NOISES = ("AirConditioner_6", "CopyMachine_2", "VacuumCleaner_1")
SPEECH_TO_NOISE_DB = 15.0  # how far a noise between utterances lies below them


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the recording.

    Attributes:
        kind: "speech", "pause", "noise" or "music".
        start: in seconds.
        end: in seconds.
        text: what is said in it.
    """

    kind: str
    start: float
    end: float
    text: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--beams", type=int, help="default: the preset's search")
    parser.add_argument("--kill-after", type=float, metavar="SECONDS")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/long_recording"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    stem = arguments.output / f"{arguments.minutes:g}min"
    parts = make_recording(stem.with_suffix(".flac"), arguments.minutes)
    target = arguments.output / f"{stem.name}.{arguments.model}.json"
    command = [sys.executable, "-m", "robustger", "transcribe", str(stem.with_suffix(".flac")), "--words"]
    command += ["-o", str(target), "--model", arguments.model]
    command += ["--beams", str(arguments.beams)] if arguments.beams else []
    begin = time.perf_counter()
    if arguments.kill_after:
        process = subprocess.Popen(command)
        time.sleep(arguments.kill_after)
        process.send_signal(signal.SIGKILL)
        process.wait()
        print(f"killed after {arguments.kill_after:g} s; the same command again", file=sys.stderr)
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    told = told_of(json.loads(target.read_text(encoding="utf-8")), parts)
    told |= {"minutes": arguments.minutes, "model": arguments.model, "peak_mib": round(peak)}
    told |= {"times_real_time": round(60 * arguments.minutes / seconds, 2), "machine": str(machine())}
    print(json.dumps(told, ensure_ascii=False))


def make_recording(path: Path, minutes: float) -> list[Part]:
    """Writes the recording, block by block, and what is where beside it; leaves what is there already."""
    record = path.with_suffix(".parts.json")
    if record.exists():
        return [Part(**fields) for fields in json.loads(record.read_text(encoding="utf-8"))]
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        sys.exit("long_recording: ROBUSTGER_DATA is not set; it names the folder with audio/")
    audio = Path(data) / "audio"
    utterances = load_manifest(audio / "librispeech" / "test-clean-dev.jsonl")
    noises = [read_audio(audio / "noise" / "ms_snsd" / f"{name}.flac") for name in NOISES]
    parts: list[Part] = []
    partial = path.with_suffix(".partial.flac")
    with soundfile.SoundFile(partial, "w", SAMPLE_RATE, 1) as file:
        position = 0
        for kind, text, samples in stretches(utterances, noises):
            file.write(samples)
            end = position + samples.size
            parts.append(Part(kind, position / SAMPLE_RATE, end / SAMPLE_RATE, text))
            position = end
            if position >= 60 * minutes * SAMPLE_RATE:
                break
    partial.replace(path)
    rows = [{"kind": one.kind, "start": one.start, "end": one.end, "text": one.text} for one in parts]
    record.write_text(json.dumps(rows), encoding="utf-8")
    return parts


def stretches(utterances: list[Utterance], noises: list[np.ndarray]) -> Iterator[tuple[str, str, np.ndarray]]:
    """(kind, text, samples), without end: an utterance and what lies between it and the next, in turns."""
    draw = random.Random(7)
    while True:
        for utterance in draw.sample(utterances, len(utterances)):
            speech = read_audio(utterance.audio)
            yield "speech", utterance.text or "", speech
            level = float(np.sqrt(np.mean(speech**2))) * 10 ** (-SPEECH_TO_NOISE_DB / 20)
            length = round(draw.uniform(2, 20) * SAMPLE_RATE)
            kind = draw.choice(("pause", "noise", "music"))
            if kind == "noise":
                noise = np.resize(draw.choice(noises), length)
                between = noise * level / float(np.sqrt(np.mean(noise**2)))
            elif kind == "music":
                between = music(draw, length, level)
            else:
                between = np.random.default_rng(draw.randrange(2**32)).normal(0, 1e-4, length)
            yield kind, "", between.astype(np.float32)


def music(draw: random.Random, length: int, level: float) -> np.ndarray:
    """Chords of three plucked tones with overtones, half a second each."""
    time_ = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    chords = []
    while sum(map(len, chords)) < length:
        tones = [220 * 2 ** (draw.randrange(24) / 12) for _ in range(3)]
        waves = [np.sin(2 * np.pi * k * tone * time_) / k for tone in tones for k in (1, 2, 3)]
        chords.append(np.sum(waves, axis=0) * np.exp(-4 * time_))
    wave = np.concatenate(chords)[:length]
    return wave * level / float(np.sqrt(np.mean(wave**2)))


def told_of(transcription: dict[str, Any], parts: list[Part]) -> dict[str, Any]:
    """What the recording's parts say of its transcription."""
    words = [word for segment in transcription["segments"] for word in segment.get("words") or ()]
    said = [part for part in parts if part.kind == "speech"]
    nowhere: list[str] = []
    for word in words:
        middle = (word["start"] + word["end"]) / 2
        if not any(part.start - 0.3 <= middle <= part.end + 0.3 for part in said):
            nowhere.append(word["word"])
    begins, ends = [], []
    for part in said:
        inside = [
            word for word in words if part.start - 0.3 <= word["start"] and word["end"] <= part.end + 0.3
        ]
        if inside:
            begins.append(inside[0]["start"] - part.start)
            ends.append(part.end - inside[-1]["end"])
    reference = normalize(" ".join(part.text for part in said), "number").split()
    errors = count_errors(reference, normalize(transcription["text"], "number").split())
    return {
        "words": len(words),
        "wer_number_percent": round(100 * errors / len(reference), 2),
        "words_where_nobody_speaks": len(nowhere),
        "utterances": len(said),
        "utterances_with_words": len(begins),
        "first_word_after_begin_seconds_median": round(float(np.median(begins)), 3),
        "last_word_before_end_seconds_median": round(float(np.median(ends)), 3),
    }


if __name__ == "__main__":
    main()
