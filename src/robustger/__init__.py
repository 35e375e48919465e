"""Noise-robust speech recognition by generative error correction.

Noisy audio, or a recognizer's N-best list, goes in; a language model conditioned on the noise that shows in the list's
disagreements writes the transcript. The names below are the public API; each is loaded when it is first used, so that
importing this package costs nothing.

Example:
    >>> from robustger import RobustGER
    >>> RobustGER.from_preset("lab").transcribe("noisy.flac").text  # doctest: +SKIP
    'the ferry to the island leaves at noon'

    >>> from robustger import Corrector, NBest
    >>> corrector = Corrector.from_pretrained("whisper")
    >>> [transcript] = corrector.correct([NBest.from_texts("u1", ["what is the fair", "what is the fare"])])
    >>> transcript.text
    'what is the fare'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from robustger.version import __version__

if TYPE_CHECKING:
    from robustger.audio import read_audio
    from robustger.correction import Corrector
    from robustger.evaluation.report import evaluate
    from robustger.hypotheses import Hypothesis, NBest, Transcript, load_nbest, read_nbest, save_nbest
    from robustger.mixing import mix
    from robustger.noise.embedding import NoiseEmbedder
    from robustger.pipeline import RobustGER, Segment, Transcription
    from robustger.recognition import load_recognizer
    from robustger.text import normalize

__all__ = [
    "Corrector",
    "Hypothesis",
    "NBest",
    "NoiseEmbedder",
    "RobustGER",
    "Segment",
    "Transcript",
    "Transcription",
    "__version__",
    "evaluate",
    "load_nbest",
    "load_recognizer",
    "mix",
    "normalize",
    "read_audio",
    "read_nbest",
    "save_nbest",
]

_HOMES = {
    "Corrector": "robustger.correction",
    "Hypothesis": "robustger.hypotheses",
    "NBest": "robustger.hypotheses",
    "NoiseEmbedder": "robustger.noise.embedding",
    "RobustGER": "robustger.pipeline",
    "Segment": "robustger.pipeline",
    "Transcript": "robustger.hypotheses",
    "Transcription": "robustger.pipeline",
    "evaluate": "robustger.evaluation.report",
    "load_nbest": "robustger.hypotheses",
    "load_recognizer": "robustger.recognition",
    "mix": "robustger.mixing",
    "normalize": "robustger.text",
    "read_audio": "robustger.audio",
    "read_nbest": "robustger.hypotheses",
    "save_nbest": "robustger.hypotheses",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # the next access no longer comes through here
    return value


def __dir__() -> list[str]:
    return __all__
