"""The normalizer `unaccented`: Latin letters without their accents, for correctors that have never seen one.

The lists of HyPoradise are written without accents, so a corrector trained on them takes "jos\u00e9" for an error and
writes another word. It reads "jose", and `robustger.text.projection` puts the accents back.
"""

from __future__ import annotations

import re
import unicodedata

from robustger.text.normalizers import NORMALIZERS

_MARKED = re.compile("(?<=[A-Za-z])[\u0300-\u036f]+")
_LETTERS = str.maketrans(
    {
        "\u00df": "ss",
        "\u00e6": "ae",
        "\u00f8": "o",
        "\u0153": "oe",
        "\u0142": "l",
        "\u0111": "d",
        "\u0131": "i",
    }
    | {"\u00c6": "AE", "\u00d8": "O", "\u0152": "OE", "\u0141": "L", "\u0110": "D"}
)


@NORMALIZERS.register("unaccented")
def without_accents(text: str) -> str:
    """The text with plain Latin letters; white space is collapsed, and nothing else changes.

    Example:
        >>> without_accents("I don't know Jos\u00e9 from K\u00f6ln.")
        "I don't know Jose from Koln."
    """
    text = " ".join(text.split())
    if text.isascii():
        return text
    bare = _MARKED.sub("", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", bare).translate(_LETTERS)
