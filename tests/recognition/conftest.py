"""Tiny recognizers, and the babble that they hear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tiny_whisper import babble, build_tiny_whisper


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Whisper: window of 2 s, 360 tokens, no language tokens."""
    return build_tiny_whisper(tmp_path_factory.mktemp("tiny") / "whisper")


@pytest.fixture(scope="session")
def make_whisper(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds other tiny Whispers; takes the arguments of `build_tiny_whisper`."""
    built: dict[str, Path] = {}

    def make(**options: Any) -> Path:
        key = repr(sorted(options.items()))
        if key not in built:
            built[key] = build_tiny_whisper(tmp_path_factory.mktemp("tiny") / "whisper", **options)
        return built[key]

    return make


@pytest.fixture(scope="session")
def audios() -> list[np.ndarray]:
    """Seven babbles of 0.1 to 2 s, in no order."""
    return [babble(seconds, seed) for seed, seconds in enumerate((1.0, 0.3, 2.0, 1.7, 0.1, 1.31, 0.64))]


@pytest.fixture(scope="session")
def teacher_forced() -> Callable[[Path, np.ndarray, Sequence[int]], Any]:
    """Natural log-probabilities (len(ids), vocabulary) before each id of prompt and text, by one plain forward pass.

    Loads the checkpoint by itself, and knows nothing of searches, caches and batches.
    """
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    loaded: dict[Path, Any] = {}

    def run(folder: Path, samples: np.ndarray, ids: Sequence[int]) -> Any:
        if folder not in loaded:
            loaded[folder] = (
                WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval(),
                WhisperFeatureExtractor.from_pretrained(folder),
            )
        model, extractor = loaded[folder]
        features = extractor(samples, sampling_rate=16_000, return_tensors="pt")["input_features"]
        with torch.no_grad():
            logits = model(input_features=features, decoder_input_ids=torch.tensor([list(ids)])).logits[0]
        return logits.double().log_softmax(-1)

    return run
