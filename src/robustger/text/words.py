"""The normalizer `words`: keeps the words of a text in any language and removes only case and punctuation.

Letters keep their accents and marks (the vowels of Hindi and Thai are marks), digits stay digits, apostrophes and
hyphens inside words stay, joiners stay where they join, and so do signs that are read ("%", "\u20ac", "&").
"""

from __future__ import annotations

import re
from functools import lru_cache

from robustger.text.normalizers import NORMALIZERS
from robustger.text.segments import FRACTION, LETTERS, WrittenToken, lowered, plain_words, shadow, tokens_of

_SIGNS = re.escape(
    "%&@#+=\u00b0\u00a7\u00d7\u00f7$\u00a3\u20ac\u00a5\u00a2\u20b9\u20bd\u20a9\u20aa\u20ba\u20ab"
)
_UNIT = f"(?:{LETTERS}|[{_SIGNS}{FRACTION}])+"
_CORE = re.compile(
    rf"(?:(?<![^\s(\[])-(?=\.?[0-9]))?(?:(?<![\w.])\.(?=[0-9]))?{_UNIT}(?:(?:['-](?={LETTERS})|(?<=[0-9])[.,:/](?=[0-9])){_UNIT})*"
)


@NORMALIZERS.register("words")
@lru_cache(32_768)
def write_as_words(text: str) -> str:
    """Writes the words of a text in any language in lower case and without punctuation; nothing else changes.

    Example:
        >>> write_as_words("Die Stra\u00dfe kostet 1,5 Mio. Euro, oder?")
        'die stra\u00dfe kostet 1,5 mio euro oder'
    """
    return plain_words(segment_words(text))


def segment_words(text: str) -> list[WrittenToken]:
    """The tokens of a text in any language, whose words are those of the normalizer `words`.

    Args:
        text: as a recognizer wrote it; white space is collapsed.
    """
    text = " ".join(text.split())
    return tokens_of(
        text,
        [
            (match.start(), match.end(), (lowered(text[match.start() : match.end()]),))
            for match in _CORE.finditer(shadow(text))
        ],
    )
