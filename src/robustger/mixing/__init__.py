"""Mixes clean speech with noise at an exact SNR; the same inputs always give the same mixture.

SNR here is the level of the speech, by one of `SPEECH_LEVELS` (`p56`, the active speech level, unless told otherwise),
less the RMS level of the stretch of noise that was added, in dB.
"""

from robustger.mixing.folder import MixSettings, MixSummary, mix_manifest
from robustger.mixing.levels import SPEECH_LEVELS, active_speech_level, measured_snr, rms_level
from robustger.mixing.mixture import Mixture, mix
from robustger.mixing.noises import NoiseFile, find_noises, split_noises
from robustger.mixing.recipes import RECIPES

__all__ = [
    "RECIPES",
    "SPEECH_LEVELS",
    "MixSettings",
    "MixSummary",
    "Mixture",
    "NoiseFile",
    "active_speech_level",
    "find_noises",
    "measured_snr",
    "mix",
    "mix_manifest",
    "rms_level",
    "split_noises",
]
