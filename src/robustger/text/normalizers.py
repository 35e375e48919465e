"""Text normalisers that compare: applied alike to reference and hypothesis before word errors are counted.

Text formatting can look like error correction: on published lists the word error rate of CHiME-4 falls by a third when
nothing but hyphens, commas, currency signs and number formats is written the same way on both sides. So a result
states its normaliser, and `DEFAULT_NORMALIZERS` puts two of them side by side.

========  ==================================================================================================
raw       the words as they are; only white space is collapsed and stripped
released  the rule of the released RobustGER code before its second WER (YUCHEN005/RobustGER,
          `inference/robust_ger.py`): lower case, then the characters ``. , - ? '`` are deleted (so
          "well-known" becomes "wellknown"); white space is collapsed, as that code's WER does
whisper   the English normaliser of Whisper (package whisper-normalizer): numbers, British spellings, contractions
          expanded, fillers ("uh", "um") and [bracketed] text deleted
number    lower case without punctuation, and no difference between ways to write a number, an ordinal, an amount of
          money, a percentage or a hyphenated compound; see `normalize_numbers`
========  ==================================================================================================
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

from robustger.registry import Registry
from robustger.text.spoken_numbers import CURRENCIES, rewrite_numbers

Normalizer = Callable[[str], str]

NORMALIZERS: Registry[Normalizer] = Registry("normaliser")
DEFAULT_NORMALIZERS = ("raw", "number")

_CACHED_TEXTS = 32_768  # per normaliser: enough for the lists of a usual test set, a few MB


def get_normalizer(name: str) -> Normalizer:
    """The normaliser called `name`: `raw`, `released`, `whisper`, `number` or `hyporadise`.

    Raises:
        InputError: no such normaliser; the message lists the known names.
    """
    return NORMALIZERS.get(name)


def normalize(text: str, name: str) -> str:
    """`text` as the normaliser called `name` writes it: words separated by single spaces.

    Raises:
        InputError: no such normaliser; the message lists the known names.

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
    """Whisper's English normaliser (Radford et al. 2022, appendix C), as packaged by whisper-normalizer."""
    return collapse_spaces(_whisper_normalizer()(text))


@cache
def _whisper_normalizer() -> Normalizer:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


_APOSTROPHES = re.compile("['\u2018\u2019\u02bc\u0060\u00b4\u2032]")
_IN_NUMBER = re.compile(r"(?<=[0-9])[,:](?=[0-9])")  # 1,985 and 5:30
_BARE_FRACTION = re.compile(r"(?<![\w.])\.(?=[0-9])")  # .5
_SIGN = re.compile(f"[{''.join(CURRENCIES)}¢&%]")
_SIGN_WORDS = {"&": " and ", "%": " percent ", "¢": " cents "} | {sign: f" {sign} " for sign in CURRENCIES}
_ASCII_PUNCTUATION = re.compile(r"(?<![0-9])[./]|[./](?![0-9])|[!-#'-,:-@\[-`{-~\-\x00-\x1f\x7f]")
_PER_CENT = re.compile(r"\bper cent\b")


@NORMALIZERS.register("number")
@lru_cache(_CACHED_TEXTS)
def normalize_numbers(text: str) -> str:
    """Number-, hyphen-, comma- and currency-agnostic text; see `robustger.text.spoken_numbers` for the numbers.

    Lower case (Unicode NFKC and case folding); apostrophes are deleted ("it's" and "its" are one word), hyphens and all
    other punctuation separate words, a lone "." vanishes; "%" and "per cent" are "percent", "&" is "and". Nothing else
    changes: fillers, contractions, spelled letters ("n e c" is not "nec"), open and closed compounds ("good bye" is not
    "goodbye"), misformed ordinals ("onest"), other scripts and emoji stay. Digits in other scripts are words. The
    result normalised again is itself.
    """
    text = text.lower() if text.isascii() else _fold(text)
    text = _APOSTROPHES.sub("", text)
    text = _BARE_FRACTION.sub("0.", _IN_NUMBER.sub("", text))
    text = _SIGN.sub(lambda match: _SIGN_WORDS[match[0]], text)
    text = collapse_spaces(_ASCII_PUNCTUATION.sub(" ", text))
    return " ".join(rewrite_numbers(_PER_CENT.sub("percent", text).split()))


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
        if _APOSTROPHES.match(character) or character == "\u00ad":  # soft hyphen
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
