"""Takes audio and returns corrected text: the recognizer and the corrector working together."""

from robustger.pipeline.presets import RecognizerSettings, load_preset_recognizer
from robustger.pipeline.robustger import RobustGER
from robustger.pipeline.transcription import Failure, Segment, Transcription

__all__ = [
    "Failure",
    "RecognizerSettings",
    "RobustGER",
    "Segment",
    "Transcription",
    "load_preset_recognizer",
]
