"""Text normalisers, by name: `normalizers` to compare texts, `hyporadise` to write them as correctors know them."""

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

__all__ = [
    "DEFAULT_NORMALIZERS",
    "NORMALIZERS",
    "Normalizer",
    "get_normalizer",
    "normalize",
    "normalize_numbers",
    "normalizer_for",
    "write_as_hyporadise",
]
