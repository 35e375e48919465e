"""Simulates N-best lists that no recognizer made: sentences of the grammar, misheard at random.

The laboratory's language model learns from them to correct, and learns the sentences. It never sees the list of a
recognizer, so it is left to a corrector to learn how a recognizer errs and what noise does.

At each place where a sentence is misheard, there are alternatives with a weight each: the word that was said, words
that sound alike, no word, or a word that does not exist. Places are independent, so the N-best list is exact: it holds
the five most probable choices.
"""

from __future__ import annotations

import ctypes
import math
import random
from functools import cache

from rapidfuzz.distance import Levenshtein

from lab.sentences import grammar
from lab.speech import espeak

N = 5
NEIGHBORS = 24
_UTF8 = 1
SILENT, UNKNOWN = 0.08, 0.06  # shares of alternatives that are no word, or none of the grammar


@cache
def phonemes(word: str) -> str:
    """The phonemes with which espeak-ng would speak a word, one or two characters each, without stress."""
    library = espeak()[0]
    library.espeak_SetVoiceByName(b"en-us")
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    text = ctypes.c_char_p(word.encode())
    return library.espeak_TextToPhonemes(ctypes.byref(text), _UTF8, 0).decode().translate({39: "", 44: ""})


@cache
def sounds_like() -> dict[str, tuple[tuple[str, ...], tuple[float, ...]]]:
    """For every word of the grammar the words that sound most like it, and how often they are heard in its place."""
    words = grammar().words()
    spoken = {word: phonemes(word) for word in words}
    found = {}
    for word in words:
        near = {
            other: Levenshtein.normalized_similarity(spoken[word], spoken[other])
            for other in words
            if other != word
        }
        nearest = sorted(near, key=near.__getitem__, reverse=True)[:NEIGHBORS]
        found[word] = tuple(nearest), tuple(math.exp(8 * near[other]) for other in nearest)
    return found


def _misspelled(word: str, random_: random.Random) -> str:
    at = random_.randrange(len(word))
    letter = random_.choice("abcdefghijklmnopqrstuvwxyz")
    return (
        random_.choice((word[:at] + letter + word[at + 1 :], word[:at] + word[at + 1 :], word + letter))
        or word
    )


def _alternative(word: str, random_: random.Random) -> str:
    """Draws what is heard in the place of a word: another word, none, an unknown one, or the word and one more."""
    draw = random_.random()
    if draw < SILENT:
        return ""
    if draw < SILENT + UNKNOWN:
        return _misspelled(word, random_)
    words, weights = sounds_like()[word]
    other = random_.choices(words, weights)[0]
    if draw > 1 - SILENT:
        return f"{word} {other}" if random_.random() < 0.5 else f"{other} {word}"
    return other


def misheard(sentence: str, random_: random.Random) -> list[str]:
    """Draws the N-best list of a sentence: distinct texts, best first, from nearly right to nearly all wrong."""
    words = sentence.split()
    clarity = random_.uniform(-1.0, 5.0)  # mean log-weight of the right word, relative to an alternative
    share = random_.uniform(0.05, 0.4) if clarity > 2 else random_.uniform(0.1, 0.7)
    places = {at for at in range(len(words)) if random_.random() < share}
    while len(places) < min(2, len(words)):
        places.add(random_.randrange(len(words)))
    absent = 0.35 / (
        1 + math.exp(clarity)
    )  # the probability that the word that was said is not among the alternatives
    ranked: list[tuple[float, tuple[str, ...]]] = [(0.0, ())]
    for at, word in enumerate(words):
        choices = {word: 0.0}
        if at in places:
            choices = {
                _alternative(word, random_): random_.gauss(0.0, 1.5) for _ in range(random_.randint(2, 4))
            }
            if random_.random() > absent:
                choices[word] = random_.gauss(clarity, 1.5)
        ranked = [
            (weight + more, (*before, choice))
            for weight, before in ranked
            for choice, more in choices.items()
        ]
        ranked = sorted(ranked, key=lambda item: -item[0])[: 2 * N]
    texts = dict.fromkeys(" ".join(filter(None, choices)) for _, choices in ranked)
    return list(texts)[:N]
