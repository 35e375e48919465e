"""Normalizes text by name, to compare it or to give it to a corrector, and restores the written form afterwards.

The rules in `normalizers` serve to compare texts. Those in `hyporadise`, `spoken` and `words` rewrite texts for a
corrector; correctors of English read `spoken`. `project` brings corrected words back into the recognizer's own writing.
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
