"""Draws the training batches of the recognizer: utterances of similar length in noise, as log-mel features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SAMPLE_RATE = 16_000
HOP, WINDOW, MELS = 320, 640, 64
WINDOW_SECONDS = 5
SUBSAMPLING = 2 * HOP  # samples of one encoder frame
FULL = WINDOW_SECONDS * SAMPLE_RATE


class LogMel:
    """Computes the features of WhisperFeatureExtractor for a batch, without padding to the full window."""

    def __init__(self) -> None:
        from transformers.audio_utils import mel_filter_bank

        filters = mel_filter_bank(
            WINDOW // 2 + 1, MELS, 0.0, 8000.0, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        self.filters = torch.from_numpy(filters).float().T
        self.window = torch.hann_window(WINDOW)

    def __call__(self, samples: Tensor) -> Tensor:
        """(B, samples) -> (B, MELS, samples / HOP)."""
        spectrum = torch.stft(samples, WINDOW, HOP, window=self.window, return_complex=True)[..., :-1]
        log = (self.filters @ spectrum.abs() ** 2).clamp(min=1e-10).log10()
        log = torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - 8.0)
        return (log + 4.0) / 4.0


def mixed(speech: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Adds noise to speech at an SNR, whose speech level is that of the louder frames."""
    frames = speech[: len(speech) // 320 * 320].reshape(-1, 320)
    power = (frames**2).mean(axis=1)
    active = power[power > power.max() * 1e-3].mean()
    return speech + noise * np.sqrt(active / ((noise**2).mean() + 1e-12) / 10 ** (snr_db / 10))


def batches(
    pool: Path,
    utterances: Sequence[Mapping[str, Any]],
    token_ids: Sequence[Sequence[int]],
    size: int,
    seed: int,
    full_from: int,
) -> Iterator[dict[str, Tensor]]:
    """Draws batches without end.

    From batch `full_from` on, every row is padded to the full window, as in recognition. Before that, rows are padded
    to the longest utterance of the batch plus a random rest, which costs half as much.

    Args:
        pool: the folder that `lab.recognizer_speech` wrote.
        utterances: its utterances, or some of them.
        token_ids: of the utterances' texts.
        size: utterances of a batch.
        seed: of everything that is drawn.
        full_from: number of the first batch that is padded to the full window.

    Yields:
        `features` (size, MELS, frames) in bfloat16; `tokens` (size, longest), padded with -100; and `frames` (size,),
        the number of encoder frames that each utterance fills.
    """
    speech = np.load(pool / "speech.npy", mmap_mode="r")
    noises = np.load(pool / "noise.npy", mmap_mode="r")
    log_mel = LogMel()
    random_ = np.random.default_rng(seed)
    lengths = np.array([utterance["length"] for utterance in utterances])
    made = 0
    while True:
        order = random_.permutation(len(utterances))
        order = order[np.argsort(lengths[order] + random_.normal(0, 4000, len(order)), kind="stable")]
        groups = [order[at : at + size] for at in range(0, len(order) - size + 1, size)]
        for group_index in random_.permutation(len(groups)):
            group = groups[group_index]
            longest = int(lengths[group].max())
            width = FULL if made >= full_from else min(longest + int(random_.exponential(6000)), FULL)
            width = -(-width // SUBSAMPLING) * SUBSAMPLING
            samples = np.zeros((len(group), width), np.float32)
            for row, index in enumerate(group):
                start, length = utterances[index]["start"], utterances[index]["length"]
                one = speech[start : start + length].astype(np.float32) / 32768
                if random_.random() > 0.12:
                    noise = noises[random_.integers(len(noises))]
                    offset = random_.integers(len(noise) - length)
                    one = mixed(one, noise[offset : offset + length], random_.uniform(-5, 25))
                samples[row, :length] = one * 10 ** (random_.uniform(-20, 0) / 20)
            rows = [token_ids[index] for index in group]
            tokens = torch.full((len(rows), max(map(len, rows))), -100)
            for row, ids in enumerate(rows):
                tokens[row, : len(ids)] = torch.tensor(ids)
            frames = torch.from_numpy(-(-lengths[group] // SUBSAMPLING))
            yield {
                "features": log_mel(torch.from_numpy(samples)).bfloat16(),
                "tokens": tokens,
                "frames": frames,
            }
            made += 1
