"""Speech and noise to mix, and a way to mix them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from robustger.mixing import (
    MixSettings,
    MixSummary,
    find_noises,
    mix_manifest,
)

RATE = 16_000


def speech(seconds: float, seed: int, peak: float = 0.5) -> np.ndarray:
    """Bursts of noise with pauses between: to a level meter, speech."""
    generator = np.random.default_rng(seed)
    length = max(1, int(seconds * RATE))
    knots = np.arange(length // 1600 + 2)
    loudness = np.interp(np.arange(length), 1600 * knots, generator.random(len(knots)) ** 4)
    samples = generator.standard_normal(length) * (loudness + 1e-3)
    return (samples / np.abs(samples).max() * peak).astype(np.float32)


def run(
    world: Path,
    target: Path,
    manifest: Path | None = None,
    workers: int = 1,
    on_progress: Callable[[int], object] = lambda utterances: None,
    **changes: object,
) -> MixSummary:
    given = {"snrs_db": (-5.0, 5.0), **changes}
    return mix_manifest(
        manifest or world / "clean.jsonl",
        find_noises([world / "noise"]),
        target,
        MixSettings(**given),  # type: ignore[arg-type]
        workers=workers,
        on_progress=on_progress,
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
