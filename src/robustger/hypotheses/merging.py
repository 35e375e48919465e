"""Merges hypotheses with the same words, so that all entries of a list are different guesses.

The search of a transducer finds a text on several paths and lists it once for each. The first N entries of such a list
may all be the same text, and then say nothing about other things that the recognizer may have heard.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable

from robustger.hypotheses.values import Hypothesis, NBest

_SPOKEN = frozenset("%‰&@#")  # signs that Unicode counts as punctuation, and that are read out


def words_alone(text: str) -> str:
    """The text without case and punctuation, which is equal for two texts with the same words.

    Letters, marks, digits and symbols of every script stay, an apostrophe within a word ("it's" is not "its"), a sign
    before a number and what stands between two digits ("-3.5" is none of "3.5" and "-3 5").
    """
    folded = text.casefold().replace("’", "'")
    kept = []
    for position, character in enumerate(folded):
        before, after = folded[position - 1 : position], folded[position + 1 : position + 2]
        if not _is_punctuation(character) or (
            (_in_word(before) and _in_word(after) and character == "'")
            or (before.isdigit() and after.isdigit())
            or (not _in_word(before) and after.isdigit() and character == "-")
        ):
            kept.append(character)
        else:
            kept.append(" ")
    return " ".join("".join(kept).split())


def _is_punctuation(character: str) -> bool:
    return character not in _SPOKEN and unicodedata.category(character).startswith("P")


def _in_word(character: str) -> bool:
    return bool(character.strip()) and not _is_punctuation(character)


def merged(nbest: NBest, same: Callable[[str], str] = words_alone) -> NBest:
    """The list with one hypothesis for each group with the same words: the best-scored one, at the place of the first.

    Args:
        nbest: the list.
        same: what hypotheses that say the same have in common.
    """
    kept: dict[str, Hypothesis] = {}
    for hypothesis in nbest.hypotheses:
        key = same(hypothesis.text)
        before = kept.setdefault(key, hypothesis)
        if before.score is not None and hypothesis.score is not None and hypothesis.score > before.score:
            kept[key] = hypothesis
    if len(kept) == len(nbest.hypotheses):
        return nbest
    return dataclasses.replace(nbest, hypotheses=tuple(kept.values()))
