"""The rooms wired together: audio in, corrected text out."""

from robustger.pipeline.presets import RecognizerSettings, load_preset_recognizer

__all__ = ["RecognizerSettings", "load_preset_recognizer"]
