"""The normalizer `hyporadise`: writes text like the lists of HyPoradise, for correctors that were trained on them.

The lists are lower case without punctuation, contractions are expanded, and nothing is written in digits: "july
twenty-seventh", "one thousand, nine hundred and ninety-four", "seven point seven percent". The authors replaced digits
in any place, so the lists also hold "onest", "twenty-fiveth" and "$two hundred". This normalizer does not repeat these
slips, and writes ordinals, plurals and money as people say them.

Do not compare texts with it, because it may write equal numbers in different ways.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from robustger.text.normalizers import NORMALIZERS
from robustger.text.number_words import cardinal, digit_by_digit, ordinal, plural

_CURRENCIES = {"$": "dollar", "£": "pound", "€": "euro"}
_DOTTED = re.compile(r"[0-9]+(?:\.[0-9]+){2,}")  # 192.168.0.1
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[$£€])?(?P<whole>[0-9]*)(?:\.(?P<decimals>[0-9]+))?(?P<suffix>st|nd|rd|th|s|%)?(?!\w)"
    r"(?P<scale> (?:hundred|thousand|million|billion|trillion)\b)?",
    re.ASCII,
)


@NORMALIZERS.register("hyporadise")
@lru_cache(32_768)
def write_as_hyporadise(text: str) -> str:
    """Lower case without punctuation and digits; words that stand for numbers stay as they are.

    Letters and digits in one word ("mp3") stay together. English.

    Example:
        >>> write_as_hyporadise("At first, it's $1,207.50 on July 25th.")
        'at first it is one thousand, two hundred and seven point five zero dollars on july twenty-fifth'
    """
    words = _DOTTED.sub(lambda match: match[0].replace(".", " point "), _words()(text))
    return " ".join(_NUMBER.sub(_said, words).split())


@cache
def _words() -> Callable[[str], str]:
    """Whisper's normalizer, but numbers stay as they are written."""
    from whisper_normalizer.english import EnglishTextNormalizer

    normalizer: Any = EnglishTextNormalizer()
    normalizer.standardize_numbers = lambda text: text
    return normalizer


def _said(match: re.Match[str]) -> str:
    sign, whole, decimals, suffix, scale = match.group("sign", "whole", "decimals", "suffix", "scale")
    if not whole and not decimals:
        return match[0]
    words = cardinal(whole or "0")
    if decimals:
        words += f" point {digit_by_digit(decimals)}"
    if suffix in ("st", "nd", "rd", "th"):
        words = ordinal(words)
    elif suffix == "s":
        words = plural(words)
    elif suffix == "%":
        words += " percent"
    words += scale or ""
    if unit := _CURRENCIES.get(sign or ""):
        words += f" {unit}" if words == "one" else f" {unit}s"
    return words
