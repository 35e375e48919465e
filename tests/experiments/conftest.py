"""Fixtures: a small laboratory, trainings on tiny models, and contexts of experiments."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.heard_lists import save_heard_lists
from tests.training.conftest import save_heard as save_heard  # a fixture

from robustger.experiments.data import ExperimentData, load_data
from robustger.experiments.experiment import Context
from robustger.experiments.runs import trainings
from robustger.experiments.runs.scales import get_scale
from robustger.experiments.runs.trainings import AnyRun
from robustger.experiments.runs.worker import work
from robustger.hypotheses import NBest

WORDS = ("what", "is", "the", "fare", "from", "boston", "to", "denver", "on", "sunday", "night", "at", "nine")


def context_of(
    data: Path | ExperimentData, folder: Path, cache: Path | None = None, *, quick: bool = False, **more: Any
) -> Context:
    """The context of an experiment at the scale `lab`."""
    loaded = load_data(data) if isinstance(data, Path) else data
    return Context(loaded, folder, cache or folder, get_scale("lab", quick), **more)


def in_this_process(
    runs: Sequence[AnyRun], jobs: int, say: Callable[[str], None], threads: int = 1
) -> list[AnyRun]:
    """Replaces `trainings.execute` without new processes, which spend nine tenths of their time on imports."""
    logger = logging.getLogger("robustger")
    level = logger.level
    try:
        for run in runs:
            run.write()
            work(run.folder)
    finally:
        logger.setLevel(level)  # a training makes its process log more
    return []


@pytest.fixture
def without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes trainings run in the process of the test."""
    monkeypatch.setattr(trainings, "execute", in_this_process)


def heard(split: str, number: int, noise: str, snr_db: int | None) -> NBest:
    """A list whose hypotheses differ more at lower SNRs; the words of the corrector's lists are in reverse order."""
    words = WORDS[::-1] if split == "corrector" else WORDS
    text = " ".join(words[(number + k) % len(words)] for k in range(4 + number % 3))
    tail = "" if snr_db is None else f" {WORDS[(number + snr_db) % len(WORDS)]}"
    name = f"{split}-{number:05d}"
    meta = {} if snr_db is None else {"noise": noise, "snr_db": float(snr_db)}
    id_ = name if snr_db is None else f"{name}_{noise}_{snr_db}dB"
    return NBest.from_texts(id_, [text + tail, text, f"{text} {number}"], reference=text, meta=meta)


def say_how(lists: Path, **changes: Any) -> None:
    """Writes a run.json beside lists, as `robustger nbest` does."""
    settings = {
        "robustger": "0.1.0",
        "manifest_sha256": lists.stem,
        "recognizer": "whisper",
        "model": "recognizer",
    }
    settings |= {
        "model_sha256": "abcd",
        "options": {},
        "n": 3,
        "beams": 10,
        "normalizer": "raw",
        "shard": "1/1",
    }
    path = lists.with_suffix(".run.json")
    path.write_text(json.dumps({"settings": settings | changes, "lists": 1}), encoding="utf-8")


def build_small_lab(folder: Path) -> Path:
    """Writes the lists of a small laboratory: 24 sentences twice, one of them only once, and 6 test sentences.

    A further part, which experiments do not read, has 12 other sentences and one list of the first part.

    Returns:
        `folder`.
    """
    lists = folder / "lists"
    lists.mkdir()
    noisy = [heard("corrector", n, "car-1", (0, 5, 10)[n % 3]) for n in range(24)]
    again = [heard("corrector", n, "rain-2", (0, 5, 10)[n % 3]) for n in range(1, 24)]
    save_heard_lists([*noisy, *again], lists / "corrector-more.jsonl")
    more = [heard("corrector", n, "car-1", 5) for n in range(24, 36)]
    save_heard_lists([*more, noisy[0]], lists / "corrector-1.jsonl")
    noises = ("brown-1", "rain-0")
    test = [heard("test", n, noises[n % 2], snr) for n, snr in product(range(6), (-5, 0, 5, 10))]
    test.append(heard("test", 6, "rain-0", 0))  # lacks the other SNRs
    save_heard_lists(test, lists / "test.jsonl")
    clean = [heard("test", n, "", None) for n in range(7)]
    save_heard_lists(
        clean, lists / "test-clean.jsonl", noisy=np.random.default_rng(9).normal(size=(7, 6)).astype("f4")
    )
    for file in lists.glob("*.jsonl"):
        say_how(file)
    return folder


@pytest.fixture(scope="module")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lists of a small laboratory; see `build_small_lab`."""
    return build_small_lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def corrector_section(tiny_base: Path, tiny_encoder: Path) -> dict[str, Any]:
    """The section `corrector` of a configuration on the tiny models."""
    return {
        "base": str(tiny_base),
        "n_best": 3,
        "encoder": str(tiny_encoder),
        "noise_dimension": 16,
        "max_new_tokens": 12,
        "skip_agreeing": False,
    }


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory, corrector_section: dict[str, Any]) -> Path:
    """The recipe of all tiny trainings."""
    content = {
        "output": "-",
        "dtype": "float32",
        "corrector": corrector_section,
        "data": {"train": ["-"]},
        "optimization": {"epochs": 2, "batch_size": 4, "adapter_lr": 0.05},
        "evaluation": {"every_steps": 1},
    }
    path = tmp_path_factory.mktemp("config") / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def in_rain_car_and_silence(sentences: int) -> list[NBest]:
    """Lists of every sentence in rain, in a car and in silence."""
    found = []
    for number in range(sentences):
        for noise in ("rain-1", "car-2", None):
            meta = {"noise": noise, "snr_db": 5, "mix": {"source_id": f"s{number}"}} if noise else {}
            found.append(NBest.from_texts(f"s{number}_{noise}" if noise else f"s{number}", ["a"], meta=meta))
    return found
