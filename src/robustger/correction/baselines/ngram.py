"""Interpolated word n-grams: a small language model of a domain's own text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from robustger.errors import InputError

NgramWord = str | None
"""A word, or None: the edge of a sentence, before its first word and after its last."""


class NgramLanguageModel:
    """Word n-grams, interpolated down to the uniform distribution after Witten and Bell.

        p(w | h) = (c(h w) + t(h) p(w | h')) / (c(h) + t(h))

    c(h w) is how often w follows the history h, c(h) how often anything does, t(h) how many different words do, and h'
    the history without its first word (Chen and Goodman, 1999, section 2.5). The empty history falls back on 1 / (V +
    1) for each of the V different words, the end of a sentence among them, and for all unknown words together. It has
    nothing to tune, and learns a few thousand sentences in a second.

    Args:
        sentences: the text, a sentence each; words stand between blanks.
        order: n; 3 looks at the two words before.

    Raises:
        InputError: there is no sentence with a word, or n is less than 1.
    """

    def __init__(self, sentences: Iterable[str], order: int = 3) -> None:
        if order < 1:
            raise InputError(f"order is {order}: n-grams have at least 1 word")
        self.order = order
        self._followers: dict[tuple[NgramWord, ...], Counter[NgramWord]] = {}
        for sentence in sentences:
            if words := sentence.split():
                for history, word in self._steps(words):
                    for start in range(order):
                        self._followers.setdefault(history[start:], Counter())[word] += 1
        if not self._followers:
            raise InputError("the n-gram model has no text to learn from; give lists with references")
        self._totals = {history: followers.total() for history, followers in self._followers.items()}

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        """Natural logarithm of the probability of each text with the end of the sentence."""
        return [
            sum(math.log(self.probability(word, history)) for history, word in self._steps(text.split()))
            for text in texts
        ]

    def probability(self, word: NgramWord, history: tuple[NgramWord, ...]) -> float:
        """p(word | history).

        Args:
            word: None for the end of the sentence.
            history: the `order` - 1 words before it, None where the sentence has not begun.
        """
        probability = 1 / (len(self._followers[()]) + 1)
        for start in reversed(range(self.order)):
            shorter = history[start:]
            if (followers := self._followers.get(shorter)) is None:
                break  # a longer history has not been seen either
            types = len(followers)
            probability = (followers[word] + types * probability) / (self._totals[shorter] + types)
        return probability

    def _steps(self, words: Sequence[str]) -> Iterable[tuple[tuple[NgramWord, ...], NgramWord]]:
        """Every word of a sentence, and its end, with the `order` - 1 words before."""
        padded: list[NgramWord] = [*[None] * (self.order - 1), *words, None]
        for end in range(self.order - 1, len(padded)):
            yield tuple(padded[end - self.order + 1 : end]), padded[end]
