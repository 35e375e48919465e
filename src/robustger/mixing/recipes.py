"""The settings with which noisy test sets of the field were mixed. docs/how-to/mix.md lists the unknown ones."""

from __future__ import annotations

from typing import Any

from robustger.registry import Registry

RECIPES: Registry[dict[str, Any]] = Registry("recipe")
"""Settings of `MixSettings` under the names of corpora."""


def _add(name: str, snrs_db: tuple[float, ...], every_snr: bool, every_noise: bool, level: str) -> None:
    settings = {"snrs_db": snrs_db, "every_snr": every_snr, "every_noise": every_noise, "level": level}
    RECIPES.register(name)(settings)


_add("voicebank-demand-train", (0, 5, 10, 15), every_snr=False, every_noise=False, level="p56")
_add("voicebank-demand-test", (0,), every_snr=True, every_noise=True, level="p56")
_add("noizeus-train", (0, 5, 10, 15, 20), every_snr=False, every_noise=False, level="p56")
_add("noizeus-test", (0, 5, 10, 15), every_snr=True, every_noise=True, level="p56")
_add("librispeech-freesound-train", (0, 5, 10, 15, 20, 25), every_snr=False, every_noise=False, level="rms")
_add("librispeech-freesound-test", (0, 5, 10, 15, 20), every_snr=True, every_noise=True, level="rms")
