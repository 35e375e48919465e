"""Turns audio into N-best lists, and into the encoder's embedding of the audio.

`recognizer` defines the interface, `known_recognizers` picks a recognizer by name, and `recognizers/` holds the
implementations. `search/` decides how widely all of them search. `recording` cuts recordings into windows and builds
their lists, and `bulk/` does that for whole manifests.
"""

from robustger.recognition.known_recognizers import RECOGNIZERS, load_recognizer
from robustger.recognition.recognizer import AudioEmbedding, Recognition, Recognizer

__all__ = [
    "RECOGNIZERS",
    "AudioEmbedding",
    "Recognition",
    "Recognizer",
    "load_recognizer",
]
