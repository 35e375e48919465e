"""Numbers in English words, as the lists of HyPoradise spell them: "one thousand, nine hundred and ninety-four"."""

from __future__ import annotations

import re
from collections.abc import Callable

UNIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALE_WORDS = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_SMALL = (*UNIT_WORDS, *TEENS)
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def cardinal(digits: str) -> str:
    """A whole number as num2words writes it; digit by digit after a leading zero, or beyond a quadrillion.

    Args:
        digits: ASCII digits, at least one.
    """
    if len(digits) > 15 or (digits[0] == "0" and len(digits) > 1):
        return digit_by_digit(digits)
    return _spelled(int(digits))


def digit_by_digit(digits: str) -> str:
    """ASCII digits, each as a word: "zero five"."""
    return " ".join(UNIT_WORDS[int(digit)] for digit in digits)


def ordinal(number: str) -> str:
    """A number in words as an ordinal: "twenty-five" becomes "twenty-fifth"."""
    return _with_last(number, ordinal_word)


def plural(number: str) -> str:
    """A number in words in the plural: "nineteen eighty" becomes "nineteen eighties"."""
    return _with_last(number, _plural_word)


def _spelled(value: int) -> str:
    for size, name in SCALE_WORDS:
        if value >= size:
            rest = value % size
            joint = "" if not rest else f" and {_spelled(rest)}" if rest < 100 else f", {_spelled(rest)}"
            return f"{_spelled(value // size)} {name}{joint}"
    if value >= 100:
        return f"{_SMALL[value // 100]} hundred" + (f" and {_spelled(value % 100)}" if value % 100 else "")
    if value >= 20:
        return TENS[value // 10 - 2] + (f"-{_SMALL[value % 10]}" if value % 10 else "")
    return _SMALL[value]


def _with_last(words: str, change: Callable[[str], str]) -> str:
    head, joint, last = re.fullmatch(r"(.*?)([ -]?)([a-z]+)", words).groups()  # type: ignore[union-attr]
    return f"{head}{joint}{change(last)}"


def ordinal_word(word: str) -> str:
    """The ordinal of one number word: "twenty" -> "twentieth"."""
    if word in _IRREGULAR_ORDINALS:
        return _IRREGULAR_ORDINALS[word]
    return f"{word[:-1]}ieth" if word.endswith("y") else f"{word}th"


def _plural_word(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word == "six" else f"{word}s"
