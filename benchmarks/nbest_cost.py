"""What five hypotheses cost beside one from the same beam: python benchmarks/nbest_cost.py [MODEL [AUDIO...]]

Both searches hear the same audios in turns, so that a busy machine slows both. Without MODEL, a random Whisper (4 + 4
layers of width 256, a window of 10 s) hears babble.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from robustger.audio import read_audio
from robustger.recognition.recognizers.whisper import WhisperRecognizer

sys.path.insert(0, str(Path(__file__).parents[1]))  # the random checkpoint is the tests' own

from benchmarks.timing import COST, Row
from tests.tiny_whisper import babble, build_tiny_whisper

BEAMS = 10
ROUNDS = 9


def timed(recognizer: WhisperRecognizer, audios: list[np.ndarray], n: int) -> tuple[float, int]:
    """Seconds, and the number of lists that the search left short."""
    start = time.perf_counter()
    found = recognizer.recognize(audios, n=n, beams=BEAMS)
    return time.perf_counter() - start, sum(recognition.distinct < n for recognition in found)


def compare(model: str | None, paths: list[str], rounds: int) -> tuple[dict[str, object], list[float]]:
    """What is told of the comparison, and its ratios, one a round."""
    with tempfile.TemporaryDirectory() as folder:
        if model:
            recognizer = WhisperRecognizer(model)
        else:
            random_whisper = build_tiny_whisper(
                Path(folder),
                seconds=10,
                positions=40,
                width=256,
                layers=4,
                std=0.08,
            )
            recognizer = WhisperRecognizer(random_whisper)
    longest = recognizer.window_seconds
    audios = [read_audio(path) for path in paths]
    audios = audios or [babble(longest * share, seed) for seed, share in enumerate((0.3, 0.5, 0.8, 1.0))]
    timed(recognizer, audios[:1], 5)  # what happens on first use is not what is measured
    pairs = [(timed(recognizer, audios, 1), timed(recognizer, audios, 5)) for _ in range(rounds)]
    ratios = [five[0] / one[0] for one, five in pairs]
    result: dict[str, object] = {
        "audios": len(audios),
        "beams": BEAMS,
        "one_best_seconds": round(statistics.median(one[0] for one, _ in pairs), 3),
        "five_best_seconds": round(statistics.median(five[0] for _, five in pairs), 3),
        "ratio": round(statistics.median(ratios), 3),
        "still_short_of_five": pairs[0][1][1],
    }
    return result, ratios


def measure(quick: bool) -> list[Row]:
    """The row of the table of all benchmarks, on the random Whisper."""
    found, ratios = compare(None, [], 1 if quick else ROUNDS)
    name, baseline = f"five hypotheses, {BEAMS} beams", "one hypothesis of the same search"
    return [Row("e", name, baseline, tuple(ratios), COST, details=found)]


def main() -> None:
    result, _ = compare(sys.argv[1] if len(sys.argv) > 1 else None, sys.argv[2:], ROUNDS)
    machine = {
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    print(json.dumps({"benchmark": "nbest_cost"} | result | machine), flush=True)


if __name__ == "__main__":
    main()
