"""Noise-robust speech recognition by generative error correction.

A recogniser's N-best list goes in, a language model conditioned on the noise that shows in the list's disagreements
writes the transcript. The names below are the public API; each is loaded when it is first used, so that importing
this package costs nothing.

Example:
    >>> from robustger import Corrector, NBest
    >>> corrector = Corrector.from_pretrained("whisper")
    >>> [transcript] = corrector.correct([NBest.from_texts("u1", ["what is the fair", "what is the fare"])])
    >>> transcript.text
    'what is the fare'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robustger.correction import Corrector
    from robustger.evaluation.report import evaluate
    from robustger.hypotheses import Hypothesis, NBest, Transcript, load_nbest, read_nbest, save_nbest
    from robustger.noise.embedding import NoiseEmbedder
    from robustger.text import normalize

__version__ = "0.1.0"

__all__ = [
    "Corrector",
    "Hypothesis",
    "NBest",
    "NoiseEmbedder",
    "Transcript",
    "__version__",
    "evaluate",
    "load_nbest",
    "normalize",
    "read_nbest",
    "save_nbest",
]

_HOMES = {
    "Corrector": "robustger.correction",
    "Hypothesis": "robustger.hypotheses",
    "NBest": "robustger.hypotheses",
    "NoiseEmbedder": "robustger.noise.embedding",
    "Transcript": "robustger.hypotheses",
    "evaluate": "robustger.evaluation.report",
    "load_nbest": "robustger.hypotheses",
    "normalize": "robustger.text",
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
