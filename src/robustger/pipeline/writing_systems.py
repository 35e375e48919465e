"""Cuts a text into words that may stand on separate lines, also in scripts that write no blanks between words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Scripts without blanks between words, as (first, last) code points.
_EAST_ASIAN = (
    (0x2E80, 0x312F),  # radicals, the punctuation of Chinese and Japanese, kana, bopomofo
    (0x31A0, 0x4DBF),  # more bopomofo and kana, Chinese characters
    (0x4E00, 0x9FFF),  # Chinese characters
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE4F),
    (0xFF01, 0xFF9F),  # full-width forms, half-width kana
    (0x20000, 0x3FFFF),
)
_SOUTH_EAST_ASIAN = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
)
# Characters that no line may begin with although they are not marks: small kana, the lengthening sign, Thai and Lao
# vowels after their consonant, signs of repetition.
_NO_START = set("ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶー々〻ゝゞヽヾะาำฯๆະາຳ་།%％℃°")
_NO_END = set("เแโใไເແໂໃໄ$¥￥£€#＃")  # Thai and Lao vowels before their consonant, signs before a number
_STACKERS = {"\u1039", "\u17d2"}  # the next consonant is written below the one before: Burmese, Khmer


@dataclass(frozen=True, slots=True)
class DisplayWord:
    """A part of a text that no line break cuts: a word, or a character with its marks in scripts without blanks.

    Attributes:
        text: the characters, with the punctuation that belongs to them.
        glued: whether it follows the word before without a blank.
    """

    text: str
    glued: bool = False


def display_words(text: str) -> list[DisplayWord]:
    """Cuts a text at blanks, and between characters in scripts without blanks; only blanks are lost.

    Example:
        >>> [word.text for word in display_words("Don't ask. 你好。")]
        ["Don't", 'ask.', '你', '好。']
    """
    found = []
    for word in text.split():
        first = 0
        for position in range(1, len(word)):
            if _may_cut(word[position - 1], word[position]):
                found.append(DisplayWord(word[first:position], glued=first > 0))
                first = position
        found.append(DisplayWord(word[first:], glued=first > 0))
    return found


def text_of(parts: Sequence[DisplayWord]) -> str:
    """Joins words to one text, with a blank before each word that is not glued to the word before."""
    return "".join(
        word.text if word.glued or not position else f" {word.text}" for position, word in enumerate(parts)
    )


def joined(texts: Iterable[str]) -> str:
    """Joins texts to one line, with a blank between two texts except between Chinese or Japanese characters."""
    line = ""
    for text in texts:
        if text:
            line += text if not line or glues(line, text) else f" {text}"
    return line


def glues(left: str, right: str) -> bool:
    """Whether two texts, neither empty, are joined without a blank: Chinese or Japanese characters on both sides."""
    return _in(left[-1], _EAST_ASIAN) and _in(right[0], _EAST_ASIAN)


def display_width(text: str) -> int:
    """The width of a text in narrow characters: Chinese, Japanese and Korean ones count two, marks count none."""
    return sum(
        0
        if unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(character) in ("W", "F")
        else 1
        for character in text
    )


def _may_cut(left: str, right: str) -> bool:
    if not (_without_blanks(left) or _without_blanks(right)):
        return False
    if left in _NO_END or left in _STACKERS or right in _NO_START:
        return False
    # Marks (M*), format characters (Cf) and closing punctuation stay with the character before them; opening
    # punctuation stays with the character after it.
    before, after = unicodedata.category(left), unicodedata.category(right)
    return after[0] != "M" and after not in ("Cf", "Pe", "Pf", "Po", "Pd") and before not in ("Ps", "Pi")


def _without_blanks(character: str) -> bool:
    return _in(character, _EAST_ASIAN) or _in(character, _SOUTH_EAST_ASIAN)


def _in(character: str, blocks: tuple[tuple[int, int], ...]) -> bool:
    code = ord(character)
    return any(first <= code <= last for first, last in blocks)
