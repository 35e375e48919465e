"""The same recordings recognized with beams of several widths: what a wider search finds, and what it costs."""

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
from robustger.experiments.data import ExperimentData, lists_digest
from robustger.experiments.experiment import Context
from robustger.experiments.measures.conditions import level, sentence, snr_db
from robustger.experiments.systems.kept import kept
from robustger.hypotheses import NBest
from robustger.recognition import load_recognizer

if TYPE_CHECKING:
    from robustger.recognition import Recognizer

BEAMS, QUICK_BEAMS = (1, 2, 5, 10, 20, 50), (1, 2, 5)
SENTENCES, QUICK_SENTENCES = 40, 3
MOST = 10  # hypotheses of a list
REVISION = 1  # raised when recognizers answer otherwise: the answers that are kept are of one


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one width gave.

    Attributes:
        beams: the width.
        lists: one for each recording, of at most min(beams, `MOST`) hypotheses.
        distinct: how many each list has.
        cpu_seconds: CPU time of the recognizer over all of its threads.
        audio_seconds: length of the recordings.
    """

    beams: int
    lists: tuple[NBest, ...]
    distinct: tuple[int, ...]
    cpu_seconds: float
    audio_seconds: float

    @property
    def cost(self) -> float:
        """CPU seconds a second of audio."""
        return self.cpu_seconds / self.audio_seconds


def recognizer_of(data: ExperimentData) -> tuple[str, str, dict[str, Any]]:
    """Kind, model and options of the recognizer that made the test lists, by the run.json beside them.

    Raises:
        InputError: there is no such file, or it does not say.
    """
    lists = next(iter(data.tests.values()))[0]
    path = lists.with_suffix(".run.json")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
        kind, model, options = settings["recognizer"], settings["model"], dict(settings["options"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path} does not say which recognizer made the lists") from None
    if data.lab:  # its lists are made by the recognizer that comes with the package
        model = str(resources.files("robustger.presets") / "lab" / "recognizer")
    return kind, model, options


def chosen_lists(data: ExperimentData, quick: bool) -> list[NBest]:
    """The test lists of some sentences at the data's SNRs; paths of their recordings are made absolute.

    Raises:
        InputError: the lists name no recordings.
    """
    levels = None if data.snrs_db is None else set(map(level, data.snrs_db))
    names: dict[str, list[NBest]] = {}
    folders = {path.parent for paths in data.tests.values() for path in paths}
    if len(folders) > 1:
        raise InputError(
            "the test lists lie in several folders, so it is not known what their recordings are relative to"
        )
    folder = folders.pop()
    for lists in data.test_lists().values():
        for nbest in lists:
            if levels is None or snr_db(nbest) in levels:
                names.setdefault(sentence(nbest), []).append(nbest)
    # By a hash, not in their order: neighbors in a test set are often alike.
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    chosen = []
    for name in ordered[: QUICK_SENTENCES if quick else SENTENCES]:
        for nbest in names[name]:
            if nbest.audio is None:
                raise InputError(f"list {nbest.id!r} names no recording")
            chosen.append(replace(nbest, audio=str(folder / nbest.audio)))
    return chosen


def sweep(context: Context) -> list[Sweep]:
    """Recognizes the recordings of `chosen_lists` with every width; what was done before is read from the cache.

    Raises:
        InputError: as `recognizer_of` and `chosen_lists`; or the recognizer or a recording that is not in the cache
            cannot be read.
    """
    kind, model, options = recognizer_of(context.data)
    chosen = chosen_lists(context.data, context.quick)
    weights = Path(model) / "model.safetensors"
    # The folder of a model that is known by its weights may be anywhere.
    known = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else model
    # Of lists in the place of recordings: others have other lists, and these need not be there to be known again.
    asked = [REVISION, kind, known, options, MOST, lists_digest(chosen)]
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
            raise InputError(f"list {nbest.id!r}: its recording {path.name} is not there")


def _recognized(recognizer: Recognizer, chosen: Sequence[NBest], beams: int) -> dict[str, Any]:
    audios = [read_audio(nbest.audio or "", start=nbest.start, end=nbest.end) for nbest in chosen]
    began = time.process_time()  # whatever else the machine does
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
