"""What the correction of a list costs beside its recognition: python -m benchmarks.evidence_cost MANIFEST

Recordings of about 25 words are recognized into lists of ten (int8, CTranslate2), heard by the second recognizer, and
corrected, one after the other in one process. The medians of the seconds and of the ratios are printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from robustger import RobustGER
from robustger.audio import read_audio
from robustger.manifest import load_manifest
from robustger.pipeline import load_preset_recognizer
from robustger.recognition.recording import AudioSource, Cutting, cut, recognized_lists
from robustger.recognition.second_recognizer import TwiceHeard

MODELS = ("whisper-base", "whisper-tiny.en")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("manifest", type=Path, help="recordings with transcripts")
    parser.add_argument("--words", type=int, nargs=2, default=(20, 30), help="the fewest and the most words")
    parser.add_argument("--recordings", type=int, default=20)
    arguments = parser.parse_args()
    least, most = arguments.words
    files = [
        arguments.manifest.parent / one.audio
        for one in load_manifest(arguments.manifest)
        if least <= len((one.text or "").split()) <= most
    ][: arguments.recordings]
    print("| model | recordings | recognition, s | second recognizer | correction | ratio |")
    print("|:--|--:|--:|--:|--:|--:|")
    for model in MODELS:
        times = [timed(robustger_of(model), read_audio(file)) for file in [files[0], *files]][1:]
        recognition, second, correction = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median((second + correction) / first for first, second, correction in times)
        print(
            f"| {model} | {len(times)} | {recognition:.2f} | {second:.2f} | {correction:.2f} | {ratio:.2f} |",
            flush=True,
        )


def robustger_of(model: str, loaded: dict[str, RobustGER] = {}) -> RobustGER:  # noqa: B006
    """The preset `whisper` with another model, loaded once."""
    if model not in loaded:
        settings = load_preset_recognizer("whisper").chosen(model=model)
        loaded[model] = RobustGER.from_preset(recognizer=settings.load(device="cpu"), n=settings.n)
    return loaded[model]


def timed(robustger: RobustGER, samples: np.ndarray) -> tuple[float, float, float]:
    """Seconds of the recognition, of the second recognizer, and of the correction of one recording."""
    recognizer = robustger.recognizer
    assert isinstance(recognizer, TwiceHeard)
    first, found = _seconds(lambda: recognizer.first.recognize([samples], n=robustger.n))
    second, _ = _seconds(lambda: recognizer.heard_again([samples], found))
    [excerpt] = cut(AudioSource("a"), [samples], Cutting(30.0, find_speech=False))
    [(nbest, _)] = recognized_lists(
        _Recognized(recognizer, found),  # type: ignore[arg-type]
        [excerpt],
        n=robustger.n,
        beams=None,
        normalizer="spoken",
    )
    correction, _ = _seconds(lambda: robustger.corrector.correct([nbest]))
    return first, second, correction


class _Recognized:
    """Gives what was found before, so that no time is counted twice."""

    def __init__(self, recognizer: TwiceHeard, found: Any) -> None:
        self._recognizer, self._found = recognizer, found

    def recognize(self, audios: Any, **_: Any) -> Any:
        return self._recognizer.heard_again(audios, self._found)


def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


if __name__ == "__main__":
    main()
