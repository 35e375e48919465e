"""Text written as in the lists of HyPoradise: the normaliser `hyporadise`, for correctors that were trained on them.

The lists are lower case without punctuation, contractions are expanded, and nothing is written in digits: "july
twenty-seventh", "one thousand, nine hundred and ninety-four", "seven point seven percent". Whoever made them replaced
digits wherever they stood, so that they hold "onest", "twenty-fiveth" and "$two hundred", too; these slips are not
repeated here: ordinals, plurals and money are written as they are said.

This normaliser writes text and is not made to compare it: numbers that are equal may be written in several ways.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from robustger.text.normalizers import NORMALIZERS

_SMALL = (
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
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
    """Whisper's normaliser, but numbers stay as they are written."""
    from whisper_normalizer.english import EnglishTextNormalizer

    normalizer: Any = EnglishTextNormalizer()
    normalizer.standardize_numbers = lambda text: text
    return normalizer


def _said(match: re.Match[str]) -> str:
    sign, whole, decimals, suffix, scale = match.group("sign", "whole", "decimals", "suffix", "scale")
    if not whole and not decimals:
        return match[0]
    words = _cardinal(whole or "0")
    if decimals:
        words += " point " + " ".join(_SMALL[int(digit)] for digit in decimals)
    if suffix in ("st", "nd", "rd", "th"):
        words = _with_last(words, _ordinal)
    elif suffix == "s":
        words = _with_last(words, _plural)
    elif suffix == "%":
        words += " percent"
    words += scale or ""
    if unit := _CURRENCIES.get(sign or ""):
        words += f" {unit}" if words == "one" else f" {unit}s"
    return words


def _cardinal(digits: str) -> str:
    """As num2words writes it; digit by digit where there is a leading zero, or more than a quadrillion."""
    if len(digits) > 15 or (digits[0] == "0" and len(digits) > 1):
        return " ".join(_SMALL[int(digit)] for digit in digits)
    return _spelled(int(digits))


def _spelled(value: int) -> str:
    for size, name in _SCALES:
        if value >= size:
            rest = value % size
            joint = "" if not rest else f" and {_spelled(rest)}" if rest < 100 else f", {_spelled(rest)}"
            return f"{_spelled(value // size)} {name}{joint}"
    if value >= 100:
        return f"{_SMALL[value // 100]} hundred" + (f" and {_spelled(value % 100)}" if value % 100 else "")
    if value >= 20:
        return _TENS[value // 10] + (f"-{_SMALL[value % 10]}" if value % 10 else "")
    return _SMALL[value]


def _with_last(words: str, change: Callable[[str], str]) -> str:
    head, joint, last = re.fullmatch(r"(.*?)([ -]?)([a-z]+)", words).groups()  # type: ignore[union-attr]
    return f"{head}{joint}{change(last)}"


def _ordinal(word: str) -> str:
    if word in _IRREGULAR_ORDINALS:
        return _IRREGULAR_ORDINALS[word]
    return f"{word[:-1]}ieth" if word.endswith("y") else f"{word}th"


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word == "six" else f"{word}s"
