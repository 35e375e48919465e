"""Normalizes text by name, to compare it or to give it to a corrector, and restores the written form afterwards.

`normalizers` compares. `hyporadise`, `spoken` and `words` write: `spoken` is what correctors of English read, and
`project` brings what they write back into the form in which the recognizer wrote.
"""

from robustger.text.hyporadise import write_as_hyporadise
from robustger.text.normalizers import (
    DEFAULT_NORMALIZERS,
    NORMALIZERS,
    Normalizer,
    get_normalizer,
    normalize,
    normalize_numbers,
    normalizer_for,
)
from robustger.text.spoken import write_as_spoken
from robustger.text.unaccented import without_accents
from robustger.text.words import write_as_words

__all__ = [
    "DEFAULT_NORMALIZERS",
    "NORMALIZERS",
    "Normalizer",
    "get_normalizer",
    "normalize",
    "normalize_numbers",
    "normalizer_for",
    "without_accents",
    "write_as_hyporadise",
    "write_as_spoken",
    "write_as_words",
]
