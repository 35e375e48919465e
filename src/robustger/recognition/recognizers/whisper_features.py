"""Computes log-mel spectrograms as Whisper's feature extractor does, but skips most of the padding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import WhisperFeatureExtractor

from robustger.recognition.recognizer import Features, check_audios


@dataclass(frozen=True, slots=True)
class WhisperFeatures:
    """Turns an audio into features; `robustger.recognition.recognizer.HearsFeatures.features_of`.

    Attributes:
        extractor: the feature extractor of the checkpoint.
        window_samples: the number of samples that its encoder takes.
    """

    extractor: WhisperFeatureExtractor
    window_samples: int

    def __call__(self, audio: np.ndarray) -> Features:
        """The spectrogram of an audio, computed on the CPU, padding included.

        Raises:
            InputError: as `check_audios`.
        """
        check_audios([audio], self.window_samples / self.extractor.sampling_rate)
        spectrum = log_mel(self.extractor, audio, self.window_samples, torch.device("cpu"))
        return Features(audio.size, spectrum.numpy())


def log_mel(
    extractor: WhisperFeatureExtractor, audio: np.ndarray, window_samples: int, device: torch.device
) -> Tensor:
    """The spectrogram of one audio, padded to the window, float32 (mel bins, frames), on the device.

    Only the audio and a little silence after it are transformed. Every further frame of the padding equals the last of
    these frames, and for short audio most of the window is padding.
    """
    silence = (
        extractor.n_fft + extractor.hop_length
    )  # after this much silence, a frame contains nothing but silence
    samples = -(-(audio.size + silence) // extractor.hop_length) * extractor.hop_length
    features = extractor(
        audio,
        sampling_rate=extractor.sampling_rate,
        max_length=min(samples, window_samples),
        return_tensors="pt",
        device=str(device),
    )
    spectrum = features["input_features"][0]
    missing = window_samples // extractor.hop_length - spectrum.shape[1]
    return torch.cat([spectrum, spectrum[:, -1:].expand(-1, missing)], dim=1)
