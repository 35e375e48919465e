"""Cuts written text into tokens. Each keeps both its written form and the plain words that it is read as.

Joined again, the tokens are the written text; their words, one after the other, are the plain text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

OPENING = frozenset("([{\u00ab\u201c\u2018\u201e\u201a\u00bf\u00a1")
CLOSING = frozenset(")]}\u00bb\u201d\u2019\"'")
ENDING = frozenset(".?!\u2026\u0964\u3002\uff1f\uff01\u061f")
"""Characters that end a sentence, in several scripts."""
_TRAILING = CLOSING | ENDING | frozenset(",;:\u060c\u3001") - frozenset("\"'")

MARK = "\u0301"
JOINER = "\u200d"
FRACTION = "\u00ac"
LETTERS = f"(?:[^\\W_]{MARK}*(?:{JOINER}+(?=[^\\W_]))?)+"
"""Regular expression for a run of letters and digits in a shadow: marks belong to their letter, joiners join."""
_APOSTROPHES = "'\u2018\u2019\u02bc\u0060\u00b4\u2032\uff07"


@dataclass(frozen=True, slots=True)
class WrittenToken:
    """A stretch of written text that is read as one or several words.

    Attributes:
        before: punctuation in front of it, free-standing punctuation ("- ") included.
        core: the token without punctuation, which is read as words.
        after: punctuation behind it.
        gap: the text between it and the next token: a space, or nothing.
        words: plain words, without spaces.
    """

    before: str
    core: str
    after: str
    gap: str
    words: tuple[str, ...]

    @property
    def written(self) -> str:
        """The token with its punctuation and the gap behind it."""
        return f"{self.before}{self.core}{self.after}{self.gap}"

    @property
    def ends_sentence(self) -> bool:
        """Whether a sentence ends with its punctuation."""
        return not ENDING.isdisjoint(self.after)


Segmenter = Callable[[str], Sequence[WrittenToken]]


def plain_words(tokens: Iterable[WrittenToken]) -> str:
    """The words of the tokens, separated by spaces."""
    return " ".join(word for token in tokens for word in token.words)


def joined_tokens(tokens: Iterable[WrittenToken]) -> str:
    """The written text of the tokens."""
    return "".join(token.written for token in tokens)


def tokens_of(text: str, cores: Sequence[tuple[int, int, tuple[str, ...]]]) -> list[WrittenToken]:
    """Tokens that cover a text, made of its cores: all between them becomes punctuation and gaps.

    Args:
        text: written text, white space collapsed.
        cores: start, end and words of every stretch that is read, from left to right.

    Returns:
        one token a core; where there is none, one without words, or nothing for an empty text.
    """
    if not cores:
        return [WrittenToken(text, "", "", "", ())] if text else []
    tokens = []
    before = text[: cores[0][0]]
    for place, (start, end, words) in enumerate(cores):
        following = cores[place + 1][0] if place + 1 < len(cores) else None
        if following is None:
            after, gap, next_before = text[end:], "", ""
        else:
            after, gap, next_before = _between(text[end:following])
        tokens.append(WrittenToken(before, text[start:end], after, gap, words))
        before = next_before
    return tokens


def _between(punctuation: str) -> tuple[str, str, str]:
    """Splits the text between two cores into the punctuation of the first, the gap, and that of the second."""
    after, space, rest = punctuation.partition(" ")
    if not space:
        first = next((place for place, sign in enumerate(after) if sign in OPENING), len(after))
        return after[:first], "", after[first:]
    chunks = rest.split(" ")  # the last part stands directly before the second core, and may be empty
    while len(chunks) > 1 and _TRAILING.issuperset(chunks[0]):
        after += f" {chunks.pop(0)}"  # French writes "la mer ?"
    return after, " ", " ".join(chunks)


class _Shadows(dict[int, int | str]):
    """A `str.translate` table that makes all characters equal that a regular expression treats alike."""

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        if character in _APOSTROPHES:
            shadow = "'"
        elif character in "\u200c\u200d\u00ad\u2060":  # joiners, the soft hyphen, the word joiner
            shadow = JOINER
        elif character in "\u2010\u2011\u2212":  # hyphens, the minus sign
            shadow = "-"
        elif character in "\u00bd\u00bc\u00be":
            shadow = FRACTION
        elif character in f"_{FRACTION}":  # "_" is no letter, whatever regular expressions say
            shadow = "~"
        elif unicodedata.category(character).startswith("M"):
            shadow = MARK
        else:
            shadow = character
        self[code] = value = ord(shadow)
        return value


_SHADOWS = _Shadows()


def shadow(text: str) -> str:
    """The text with one kind of apostrophe, hyphen, mark and joiner; as long as the text, for regular expressions."""
    return text.translate(_SHADOWS)


def lowered(core: str) -> str:
    """A core in lower case, composed (NFC), with plain apostrophes and hyphens, without soft hyphens."""
    text = core.replace("\u00ad", "").replace("\u2060", "")
    text = "".join("'" if character in _APOSTROPHES else character for character in text)
    text = text.replace("\u2010", "-").replace("\u2011", "-").replace("\u2212", "-")
    while (found := unicodedata.normalize("NFC", text.lower())) != text:
        text = found
    return text
