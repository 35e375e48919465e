"""Normalizers for comparing texts: applied to reference and hypothesis alike before word errors are counted.

Text formatting can look like error correction: on published lists the word error rate of CHiME-4 falls by a third when
nothing but hyphens, commas, currency signs and number formats is written the same way on both sides. So a result
states its normalizer, and `DEFAULT_NORMALIZERS` puts two of them side by side.

========  ==================================================================================================
raw       the words as they are; only white space is collapsed and stripped
released  the rule of the released RobustGER code before its second WER (YUCHEN005/RobustGER,
          `inference/robust_ger.py`): lower case, then the characters ``. , - ? '`` are deleted (so
          "well-known" becomes "wellknown"); white space is collapsed, as that code's WER does
whisper   the English normalizer of Whisper (package whisper-normalizer): numbers, British spellings, contractions
          expanded, fillers ("uh", "um") and [bracketed] text deleted
number    lower case without punctuation, and no difference between ways to write a number, an ordinal, an amount of
          money, a percentage or a hyphenated compound; what counts as such is listed at `normalize_numbers`
========  ==================================================================================================
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

from robustger.registry import Registry
from robustger.text.spoken_numbers import CURRENCIES, rewrite_digits, rewrite_numbers

Normalizer = Callable[[str], str]

NORMALIZERS: Registry[Normalizer] = Registry("normalizer", "robustger.normalizers")
DEFAULT_NORMALIZERS = ("raw", "number")

_CACHED_TEXTS = 32_768  # per normalizer: enough for the lists of a usual test set, a few MB


def get_normalizer(name: str) -> Normalizer:
    """The normalizer called `name`: `raw`, `released`, `whisper`, `number` or `hyporadise`.

    Raises:
        InputError: no such normalizer; the message lists the known names.
    """
    return NORMALIZERS.get(name)


def normalizer_for(name: str, language: str | None) -> Normalizer:
    """The normalizer called `name` for texts in a language.

    `number` reads English number words, which are other words elsewhere ("six cents" is 600 in French): in other
    languages it folds only what is written with digits.

    Args:
        name: the normalizer.
        language: code of the language ("en", "de-AT"), or None where it is not known, which is read as English.

    Raises:
        InputError: no such normalizer; the message lists the known names.
    """
    chosen = get_normalizer(name)
    english = language is None or re.split("[-_]", language.lower())[0] in ("en", "english")
    return normalize_digits if chosen is normalize_numbers and not english else chosen


def normalize(text: str, name: str) -> str:
    """`text` as the normalizer called `name` writes it: words separated by single spaces.

    Raises:
        InputError: no such normalizer; the message lists the known names.

    Example:
        >>> normalize("It cost $6.9 million in one thousand, nine hundred and eighty-five.", "number")
        'it cost 6900000 dollars in 1985'
    """
    return get_normalizer(name)(text)


@NORMALIZERS.register("raw")
def collapse_spaces(text: str) -> str:
    """Only white space is collapsed and stripped; case, punctuation and Unicode composition stay."""
    return " ".join(text.split())


_RELEASED_DELETIONS = str.maketrans("", "", ".,-?'")


@NORMALIZERS.register("released")
def normalize_as_released(text: str) -> str:
    """The released code's rule: lower case, then ``. , - ? '`` deleted without leaving a space."""
    return collapse_spaces(text.lower().translate(_RELEASED_DELETIONS))


@NORMALIZERS.register("whisper")
@lru_cache(_CACHED_TEXTS)
def normalize_as_whisper(text: str) -> str:
    """Whisper's English normalizer (Radford et al. 2022, appendix C), as packaged by whisper-normalizer.

    It is left as published: it expands contractions, wrongly for possessives ("woman's" is "woman is"), deletes the
    vowel signs of other scripts, and may change its own output once more ("02" is "2").
    """
    return collapse_spaces(_whisper_normalizer()(text))


@cache
def _whisper_normalizer() -> Normalizer:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


_APOSTROPHES = re.compile("['\u2018\u2019\u201b\u02b9\u02bb\u02bc\u0060\u00b4\u2032\ua78c\uff07\x91\x92]")
_PARTED_CONTRACTION = re.compile(r"(?<=\w)\s+(?=(?:n't|'(?:s|t|re|ve|ll|d|m))(?![\w']))")  # "do n't", "it 's"
_SIGNS = "".join(CURRENCIES)
_DECIMAL_COMMA = re.compile(
    r"(?<![0-9.,:])([0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),([0-9]{1,2})(?![.,:]?[0-9])"
)  # 3,50 and 1.234,56; but 1,985 and 1,23,456
_IN_NUMBER = re.compile(r"(?<=[0-9])[,:](?=[0-9])")  # 1,985 and 5:30
_BARE_FRACTION = re.compile(r"(?<![\w.])\.(?=[0-9])")  # .5
_SIGN_BEHIND_CURRENCY = re.compile(rf"([{_SIGNS}])\s?([-+])(?=[0-9.])")  # $-5
_PLUS_OR_MINUS = re.compile(rf"(?<![^\s(\[\"])(?<![0-9]\s)[-+](?=(?:[{_SIGNS}]\s?)?\.?[0-9])")
_SHORT_SCALE = re.compile(rf"([{_SIGNS}]\s?[0-9][0-9.]*)(k|m|b|t|\s?(?:mn|bn|tn))\b")  # $6.9m
_SHORT_SCALES = {"k": "thousand", "m": "million", "b": "billion", "t": "trillion"}
_GLUED_UNIT = re.compile(
    r"(?<![\w.])([0-9]+(?:\.[0-9]+)*)(?!(?:(?:st|nd|rd|th)s?|s)\b)(?=[a-z]+\b)", re.ASCII
)
_SIGN = re.compile(f"[{_SIGNS}¢&%]")
_SIGN_WORDS = {"&": " and ", "%": " percent ", "¢": " cents "} | {sign: f" {sign} " for sign in CURRENCIES}
_ASCII_PUNCTUATION = re.compile(r"(?<![0-9])[./]|[./](?![0-9])|[!-#'-,:-@\[-`{-~\-\x00-\x1f\x7f]")
_PER_CENT = re.compile(r"\bper cent\b")


@NORMALIZERS.register("number")
@lru_cache(_CACHED_TEXTS)
def normalize_numbers(text: str) -> str:
    """Number-, hyphen-, comma- and currency-agnostic text; see `robustger.text.spoken_numbers` for the numbers.

    Lower case (Unicode NFKC and case folding); apostrophes of every typography are deleted, also where a tokenizer
    parted a contraction ("it's", "it’s", "it 's" and "its" are one word, "don't", "do n't" and "dont" another);
    hyphens and all other punctuation separate words, a lone "." vanishes; "%" and "per cent" are "percent", "&" is
    "and"; a sign before a number is "minus" or "plus".

    One number are "1,985", "1 985" and what is said for it; a comma before one or two last digits is a decimal point
    ("3,50 €" is "€3.50"). One amount of money are "$6.9m", "$6.9 million" and "six point nine million dollars", and
    "three euros fifty", "three euros and fifty cents" and "€3.50"; dollars, pounds, euros, yen and rupees are known,
    cents by themselves are dollars, pence pounds. A unit is parted from its number ("50mm" is "fifty mm", "5pm" "five
    pm").

    Nothing else changes. Words that mean the same stay different words: "do not" and "don't", "it is" and "it's",
    "half past ten" and "10:30" (a time is its digits: "ten thirty"), "two thirds" and "2/3", "a dozen" and "12", "mm"
    and "millimeters". Fillers, spelled letters ("n e c" is not "nec"), open and closed compounds ("good bye" is not
    "goodbye"), misformed ordinals ("onest"), letters and vowel signs of every script, and emoji stay. Digits in other
    scripts are words. The result normalized again is itself.
    """
    return " ".join(rewrite_numbers(_words(text)))


@lru_cache(_CACHED_TEXTS)
def normalize_digits(text: str) -> str:
    """As `normalize_numbers`, for text that is not English: words that spell numbers in English are no numbers."""
    return " ".join(rewrite_digits(_words(text)))


def _words(text: str) -> list[str]:
    """Lower-case words without punctuation, decimal points and currency signs left in."""
    text = text.lower() if text.isascii() else _fold(text)
    text = _PARTED_CONTRACTION.sub("", _APOSTROPHES.sub("'", text)).replace("'", "")
    text = _BARE_FRACTION.sub("0.", _IN_NUMBER.sub("", _DECIMAL_COMMA.sub(_with_decimal_point, text)))
    text = _SIGN_BEHIND_CURRENCY.sub(r"\2\1", text)
    text = _PLUS_OR_MINUS.sub(lambda match: " plus " if match[0] == "+" else " minus ", text)
    text = _SHORT_SCALE.sub(lambda match: f"{match[1]} {_SHORT_SCALES[match[2].strip()[0]]}", text)
    text = _SIGN.sub(lambda match: _SIGN_WORDS[match[0]], text)
    text = _GLUED_UNIT.sub(r"\1 ", _ASCII_PUNCTUATION.sub(" ", text))
    text = collapse_spaces(text)
    return _PER_CENT.sub("percent", text).split()


def _with_decimal_point(match: re.Match[str]) -> str:
    return f"{match[1].replace('.', '')}.{match[2]}"


class _CharacterTable(dict[int, int | str | None]):
    """`str.translate` table that decides each character beyond ASCII by its Unicode category, once."""

    def __missing__(self, code: int) -> int | str | None:
        character = chr(code)
        self[code] = value = self._decide(character)
        return value

    def _decide(self, character: str) -> int | str | None:
        category = unicodedata.category(character)
        if character.isascii() or character in CURRENCIES or character in "¢\u200c\u200d":
            return ord(character)  # the joiners shape Persian words and emoji
        if _APOSTROPHES.match(character):
            return "'"
        if character == "\u2212":
            return "-"
        if (
            category == "Cf" and character != "\u200b"
        ):  # soft hyphens, marks of direction; a space of no width is one
            return None
        if character in "\u2044\u2215":  # fraction and division slash
            return "/"
        if category == "Sm" or category[0] in "PCZ":
            return " "
        return ord(character)


_CHARACTERS = _CharacterTable()


def _fold(text: str) -> str:
    """Case-folded compatibility composition (NFKC) without punctuation beyond ASCII.

    Dropping a character can bring two others together that compose, so the rule is applied until nothing changes.
    """
    while (folded := unicodedata.normalize("NFKC", text.translate(_CHARACTERS).casefold())) != text:
        text = folded
    return text
