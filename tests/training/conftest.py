"""Runs small enough for a test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tests.heard_lists import save_heard_lists

from robustger.hypotheses import NBest
from robustger.training.config import TrainingConfig, load_training_config

SPOKEN = (
    ("what is the fair from boston", "what is the fare from boston"),
    ("turn of the light", "turn off the light"),
    ("show me the first fight", "show me the first flight"),
    ("the night train to lisbon", "the night train to lisbon"),
    ("close the store", "close the door"),
    ("leaves before night", "leaves before nine"),
    ("a quarter past wine", "a quarter past nine"),
    ("from plat form four", "from platform four"),
)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """As the subprocesses of these tests: sums are taken in the same order, so equal runs end byte-identical."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def one_thread_environment() -> dict[str, str]:
    """For subprocesses."""
    return os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="session")
def spoken_lists() -> list[NBest]:
    """Eight lists with references; their hypotheses differ."""
    return [
        NBest.from_texts(f"u{number}", [heard, said, f"{heard} {number}"], reference=said)
        for number, (heard, said) in enumerate(SPOKEN)
    ]


@pytest.fixture(scope="session")
def save_heard() -> Callable[..., None]:
    """Writes lists with embeddings of their audio beside them, as `robustger nbest` does."""
    return save_heard_lists


@pytest.fixture(scope="session")
def write_config(
    tiny_base: Path, tiny_encoder: Path, spoken_lists: list[NBest], save_heard: Callable[..., None]
) -> Callable[..., Path]:
    """Writes `training.yaml` to a folder: trains a tiny corrector on eight lists that have audio embeddings, with
    `a.b=value` changes.

    Its `output` is the folder `run` beside it.
    """

    def write(folder: Path, *changes: str) -> Path:
        data = folder / "lists.jsonl"
        if not data.exists():
            save_heard(spoken_lists, data)
        content: dict[str, Any] = {
            "output": str(folder / "run"),
            "dtype": "float32",
            "tracking": "none",
            "corrector": {
                "base": str(tiny_base),
                "variant": "ger",
                "n_best": 3,
                "encoder": str(tiny_encoder),
                "noise_dimension": 16,
                "max_new_tokens": 24,
            },
            "data": {"train": [str(data)], "dev": [str(data)]},
            "optimization": {"batch_size": 4, "epochs": 2, "adapter_lr": 1e-2, "lora_lr": 1e-2},
            "evaluation": {"every_steps": 2},
        }
        path = folder / "training.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        resolved = load_training_config(path, changes)
        path.write_text(yaml.safe_dump(resolved.model_dump(mode="json")), encoding="utf-8")
        return path

    return write


@pytest.fixture
def tiny_config(write_config: Callable[..., Path], tmp_path: Path) -> Callable[..., TrainingConfig]:
    """The same for a folder of the test's own, read."""
    return lambda *changes: load_training_config(write_config(tmp_path, *changes))
