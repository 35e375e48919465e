"""Log-mel spectrograms: those of Whisper's own feature extractor, without transforming the padding."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import WhisperFeatureExtractor

from robustger.recognition.recognizers.whisper_features import log_mel

WINDOW = 48_000  # samples


@given(
    samples=st.integers(1, WINDOW),
    level=st.sampled_from([0.0, 1e-6, 0.01, 1.0]),
    mels=st.sampled_from([80, 128]),
    seed=st.integers(0, 99),
)
@example(samples=1, level=1.0, mels=80, seed=0)
@example(samples=WINDOW - 1, level=0.01, mels=80, seed=0)
@example(samples=WINDOW, level=0.01, mels=80, seed=0)
@settings(max_examples=30)
def test_the_padding_is_as_the_extractor_makes_it(samples: int, level: float, mels: int, seed: int) -> None:
    extractor = WhisperFeatureExtractor(feature_size=mels, chunk_length=3)
    audio = np.random.default_rng(seed).normal(0, level, samples).astype(np.float32)
    expected = extractor(audio, sampling_rate=16_000, max_length=WINDOW, return_tensors="np")[
        "input_features"
    ][0]
    found = log_mel(extractor, audio, WINDOW, torch.device("cpu")).numpy()
    assert found.shape == expected.shape == (mels, 300)
    np.testing.assert_allclose(found, expected, atol=1e-5)
