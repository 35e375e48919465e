"""Lets a second recognizer hear the recordings of lists that were made without one: hear_again.py LISTS -o OUTPUT

    python recipes/real-speech/hear_again.py lists.jsonl -o heard.jsonl --first whisper-base --second whisper-tiny.en

The result is what `robustger nbest` writes with `--second-recognizer`, up to rounding: where the second recognizer adds
a text, the first one scores it with transformers here, beside its 1-best, and the difference is added to the score that
the 1-best has in the list. Lists of windows of longer recordings stay as they are. An interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from robustger.audio import read_audio
from robustger.hypotheses import Hypothesis, NBest, load_nbest
from robustger.recognition.lists import list_of
from robustger.recognition.recognizer import Listens, Recognition
from robustger.recognition.second_recognizer import TwiceHeard, load_second_recognizer


class Corrected:
    """Scores texts relative to a hypothesis, whose score in the list is known."""

    def __init__(self, recognizer: Listens) -> None:
        self._recognizer = recognizer
        self.best = Hypothesis("", 0.0)

    def score(self, audio: np.ndarray, texts: Sequence[str], *, language: str | None = None) -> list[float]:
        known, *scores = self._recognizer.score(audio, [self.best.text, *texts], language=language)
        return [score - known + (self.best.score or 0.0) for score in scores]

    def __getattr__(self, name: str) -> object:
        return getattr(self._recognizer, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("lists", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--first", default="whisper-base", help="the model that made the lists")
    parser.add_argument("--second", default="whisper-tiny.en", help="the model that hears again")
    parser.add_argument("--normalizer", default="spoken", help="the one with which the lists were made")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    first = Corrected(load_second_recognizer(arguments.first))  # type: ignore[arg-type]
    heard = TwiceHeard(first, load_second_recognizer(arguments.second))  # type: ignore[arg-type]
    lists = list(load_nbest(arguments.lists))
    done = 0
    if arguments.output.exists():
        done = sum(1 for _ in arguments.output.open(encoding="utf-8"))
    with arguments.output.open("a", encoding="utf-8") as output:
        for nbest in tqdm(lists[done:], initial=done, total=len(lists)):
            output.write(json.dumps(heard_again(heard, first, nbest, arguments.normalizer).to_dict()) + "\n")
            output.flush()


def heard_again(heard: TwiceHeard, first: Corrected, nbest: NBest, normalizer: str) -> NBest:
    if "window" in nbest.meta or nbest.audio is None or nbest.hypotheses[0].score is None:
        return nbest
    samples = read_audio(nbest.audio)
    texts = [Hypothesis(text, one.score) for text, one in zip(nbest.written, nbest.hypotheses, strict=True)]
    first.best = texts[0]
    found = Recognition(tuple(texts), len(texts), np.zeros(1), language=nbest.language)
    [again] = heard.heard_again([samples], [found])
    made = list_of(nbest.id, again, normalizer, meta=nbest.meta)
    return replace(nbest, hypotheses=made.hypotheses, meta=made.meta)


if __name__ == "__main__":
    main()
