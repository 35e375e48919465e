"""Recognizers that hold texts against audio."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_whisper import build_tiny_whisper, in_openai_order

from robustger.recognition import Recognizer, load_recognizer


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Whisper with two languages and OpenAI's order of tokens, so that both engines run it."""
    folder = build_tiny_whisper(tmp_path_factory.mktemp("listening") / "tiny", kind="multilingual")
    in_openai_order(folder)
    return folder


@pytest.fixture(scope="module")
def listener(multilingual: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Makes a recognizer of the tiny checkpoint: kind and options."""
    if "ROBUSTGER_CACHE" not in os.environ:
        os.environ["ROBUSTGER_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    made: dict[str, Recognizer] = {}

    def make(kind: str, **options: Any) -> Any:
        key = repr((kind, options))
        if key not in made:
            made[key] = load_recognizer(kind, multilingual, device="cpu", **options)
        return made[key]

    return make


@pytest.fixture(scope="module")
def lab() -> Any:
    folder = resources.files("robustger.presets") / "lab" / "recognizer"
    return load_recognizer("whisper", str(folder), device="cpu")
