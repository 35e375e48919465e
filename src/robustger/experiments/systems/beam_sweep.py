"""Recognizes the same recordings with beams of several widths: the gain of a wider search, and its cost."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.audio import read_audio
from robustger.errors import InputError
from robustger.experiments.conditions import level, sentence, snr_db
from robustger.experiments.data import ExperimentData, lists_digest
from robustger.experiments.experiment import Context
from robustger.experiments.systems.kept import kept
from robustger.files import sha256_of
from robustger.hypotheses import NBest
from robustger.recognition import load_recognizer

if TYPE_CHECKING:
    from robustger.recognition import Recognizer

BEAMS, QUICK_BEAMS = (1, 2, 5, 10, 20, 50), (1, 2, 5)
SWEPT_SENTENCES, QUICK_SWEPT_SENTENCES = 40, 3
MOST = 10  # hypotheses of a list
SWEEP_REVISION = 1  # increased when answers of recognizers change, so that old ones are not reused


@dataclass(frozen=True, slots=True)
class Sweep:
    """The recordings recognized with one width of the beam.

    Attributes:
        beams: the width.
        lists: one for each recording, with at most min(beams, `MOST`) hypotheses.
        distinct: the number of different hypotheses of each list.
        cpu_seconds: of the recognizer, over all of its threads.
        audio_seconds: length of the recordings.
    """

    beams: int
    lists: tuple[NBest, ...]
    distinct: tuple[int, ...]
    cpu_seconds: float
    audio_seconds: float

    @property
    def cost(self) -> float:
        """CPU seconds for each second of audio."""
        return self.cpu_seconds / self.audio_seconds


def recognizer_of(data: ExperimentData) -> tuple[str, str, dict[str, Any]]:
    """Kind, model and options of the recognizer that made the test lists, read from the run.json beside them.

    Raises:
        InputError: there is no such file, or it does not name the recognizer.
    """
    lists = next(iter(data.tests.values()))[0]
    path = lists.with_suffix(".run.json")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
        kind, model, options = settings["recognizer"], settings["model"], dict(settings["options"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path} does not say which recognizer made the lists") from None
    if data.lab:  # a laboratory's lists are made by the recognizer that comes with the package
        model = str(resources.files("robustger.presets") / "lab" / "recognizer")
    return kind, model, options


def chosen_lists(data: ExperimentData, quick: bool) -> list[NBest]:
    """The test lists of some sentences at the data's SNRs, with absolute paths of their recordings.

    Args:
        data: with the test lists.
        quick: whether a few sentences are enough.

    Raises:
        InputError: the lists name no recordings, or lie in several folders.
    """
    levels = None if data.snrs_db is None else set(map(level, data.snrs_db))
    names: dict[str, list[NBest]] = {}
    folders = {path.parent for paths in data.tests.values() for path in paths}
    if len(folders) > 1:
        raise InputError(
            "the test lists lie in several folders, so that the paths of their recordings are ambiguous"
        )
    folder = folders.pop()
    for lists in data.test_lists().values():
        for nbest in lists:
            if levels is None or snr_db(nbest) in levels:
                names.setdefault(sentence(nbest), []).append(nbest)
    # Sentences are drawn by hash, because neighbors in a test set are often alike.
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    chosen = []
    for name in ordered[: QUICK_SWEPT_SENTENCES if quick else SWEPT_SENTENCES]:
        for nbest in names[name]:
            if nbest.audio is None:
                raise InputError(f"list {nbest.id!r} names no recording")
            chosen.append(replace(nbest, audio=str(folder / nbest.audio)))
    return chosen


def sweep(context: Context) -> list[Sweep]:
    """Recognizes the recordings of `chosen_lists` with every width that is not in the cache yet.

    Raises:
        InputError: see `recognizer_of` and `chosen_lists`; or the recognizer or a recording cannot be read.
    """
    kind, model, options = recognizer_of(context.data)
    chosen = chosen_lists(context.data, context.quick)
    weights = Path(model) / "model.safetensors"
    # A model is known by its weights, so that its folder may move.
    known = sha256_of(weights) if weights.is_file() else model
    # Recordings are known by their lists, so that cached answers are found even where the recordings are missing.
    asked = [SWEEP_REVISION, kind, known, options, MOST, lists_digest(chosen)]
    recognizer: Recognizer | None = None

    def recognized(beams: int) -> dict[str, Any]:
        nonlocal recognizer
        _check_recordings(chosen)
        recognizer = recognizer or load_recognizer(kind, model, **options)
        context.say(f"recognizing {len(chosen)} recordings with {beams} beams")
        return _recognized(recognizer, chosen, beams)

    return [
        _sweep(kept(context, f"beams-{beams}", asked, partial(recognized, beams)), chosen, beams)
        for beams in (QUICK_BEAMS if context.quick else BEAMS)
    ]


def _check_recordings(chosen: Sequence[NBest]) -> None:
    for nbest in chosen:
        path = Path(nbest.audio or "")
        if not path.is_file():
            raise InputError(f"list {nbest.id!r}: its recording {path.name} does not exist")


def _recognized(recognizer: Recognizer, chosen: Sequence[NBest], beams: int) -> dict[str, Any]:
    audios = [read_audio(nbest.audio or "", start=nbest.start, end=nbest.end) for nbest in chosen]
    began = time.process_time()  # not wall-clock time, which depends on what else the machine does
    recognitions = recognizer.recognize(audios, n=min(beams, MOST), beams=beams)
    return {
        "cpu_seconds": time.process_time() - began,
        "audio_seconds": sum(audio.size for audio in audios) / 16_000,
        "texts": [[hypothesis.text for hypothesis in one.hypotheses] for one in recognitions],
        "distinct": [one.distinct for one in recognitions],
    }


def _sweep(content: dict[str, Any], chosen: Sequence[NBest], beams: int) -> Sweep:
    lists = tuple(
        NBest.from_texts(nbest.id, texts, reference=nbest.reference, meta=nbest.meta)
        for nbest, texts in zip(chosen, content["texts"], strict=True)
    )
    return Sweep(beams, lists, tuple(content["distinct"]), content["cpu_seconds"], content["audio_seconds"])
