"""Runs of `prepare_lists` on a small manifest, for the tests of what a run writes and of interrupted runs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robustger.hypotheses import Hypothesis
from robustger.recognition import AudioEmbedding, Recognition, Recognizer
from robustger.recognition.bulk.chunks import Request
from robustger.recognition.bulk.prepare_lists import PreparationSummary, prepare_lists

WINDOW = 2  # seconds, as the tiny Whisper's
RESULTS = ("lists.jsonl", "lists.embeddings.safetensors", "lists.run.json")


class Listener:
    """The least of a recognizer: what it writes is a checksum of all that it is given, batch included."""

    window_seconds: float | None = float(WINDOW)
    embedding_size = 3
    pads = True

    def recognize(
        self,
        audios: Sequence[np.ndarray],
        *,
        n: int = 5,
        beams: int | None = None,
    ) -> list[Recognition]:
        batch = zlib.crc32(b"".join(audio.tobytes() for audio in audios))
        return [
            Recognition(
                tuple(
                    Hypothesis(f"Heard {zlib.crc32(audio.tobytes())} {batch} {k}", -0.1 * k) for k in range(n)
                ),
                n,
                embedding.real,
                embedding.padded,
            )
            for audio, embedding in zip(audios, self.embed(audios), strict=True)
        ]

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        batch = zlib.crc32(b"".join(audio.tobytes() for audio in audios))
        means = [np.array([audio.size, audio[0], batch], dtype=np.float32) for audio in audios]
        return [AudioEmbedding(mean, -mean) for mean in means]


def run(
    folder: Path,
    recognizer: Recognizer,
    target: str = "lists.jsonl",
    restart: bool = False,
    workers: int = 0,
    **request: Any,
) -> tuple[PreparationSummary, list[tuple[int, str]]]:
    problems: list[tuple[int, str]] = []
    request = {"n": 2, "batch_size": 2} | request
    summary = prepare_lists(
        lambda: recognizer,
        folder / "manifest.jsonl",
        folder / target,
        Request(**request),
        settings={"recognizer": "test"},
        restart=restart,
        workers=workers,
        on_problem=lambda line, message: problems.append((line, message)),
    )
    return summary, problems


def results(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


def interrupted(folder: Path) -> None:
    def stop(utterances: int, seconds: float) -> None:
        raise KeyboardInterrupt

    prepare_lists(
        Listener,
        folder / "manifest.jsonl",
        folder / "lists.jsonl",
        Request(n=2, batch_size=2),
        settings={"recognizer": "test"},
        on_progress=stop,
    )
