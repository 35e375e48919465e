"""Decides how widely recognizers search for an utterance, and which of the found texts make its N-best list.

========  ==========================================================================================================
adaptive  10 beams, or N if that is more, until the search has finished 6 N texts; if fewer than N distinct texts were
          found for an utterance, it is searched again with 50 beams, and the texts of both searches are ranked together
paper     50 beams for every utterance (RobustGER, arXiv 2401.10446, section 5.1)
========  ==========================================================================================================

A width that the user asks for is searched exactly once. Texts that differ only in how their words are written count as
one hypothesis, of which the best is kept. A list holds only texts that a search found, so it is shorter if these are
fewer than N. Texts in which the recognizer looped or said a stretch twice (`robustger.text.loops`) come after all
others, so they stand in a list only where fewer than N others were found. The rank favors such texts: every further
round of a loop is almost certain, which raises the mean log-probability of the tokens.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from robustger.hypotheses import Hypothesis
from robustger.text import get_normalizer
from robustger.text.loops import is_loop, says_twice

Search = Literal["adaptive", "paper"]

NARROW = 10
WIDE = 50
# Texts that the first of two searches finishes for each hypothesis of the list. More cost less than a second search.
FINISHED_PER_HYPOTHESIS = 6


class Found(NamedTuple):
    """A text that a search found.

    Attributes:
        hypothesis: with its log-probability.
        rank: the number by which all texts of an utterance are ordered, the highest first.
    """

    hypothesis: Hypothesis
    rank: float


def widths(search: Search, n: int, beams: int | None) -> tuple[int, ...]:
    """The widths of the searches for an utterance, in order; the later ones are made only if its list is still short.

    Args:
        search: a name of the table above.
        n: the number of hypotheses that the user asks for.
        beams: the width that the user asks for, at least `n`; None leaves it to `search`.
    """
    if beams is not None:
        return (beams,)
    first, last = max(n, WIDE if search == "paper" else NARROW), max(n, WIDE)
    return (first,) if first == last else (first, last)


def finished_texts(n: int, plan: Sequence[int], beams: int) -> int:
    """The number of texts that a search finishes before it is over; a search that may be the last one finishes `beams`.

    Args:
        n: the number of hypotheses that the user asks for.
        plan: the widths of all searches, see `widths`.
        beams: the width of this one.
    """
    is_last = beams == plan[-1]
    return beams if is_last else max(beams, FINISHED_PER_HYPOTHESIS * n)


def search_lists(
    search: Callable[[list[int], int], Iterable[Iterable[Found]]],
    beams: Sequence[int],
    n: int,
    languages: Sequence[str | None],
) -> list[tuple[Hypothesis, ...]]:
    """The N-best list of each utterance, best first.

    Args:
        search: called with the numbers of the utterances, counted from 0, and a width; returns the texts for each.
        beams: the width of each search, see `widths`.
        n: the greatest length of a list.
        languages: the code of each utterance's language, or None if it is unknown; decides how texts are compared.

    Returns:
        for each utterance one to `n` hypotheses, loops last, or none if nothing was found.
    """
    found: list[list[Found]] = [[] for _ in languages]
    lists: list[tuple[Hypothesis, ...]] = [()] * len(languages)
    short = list(range(len(languages)))
    for width in beams:
        if not short:
            break
        for utterance, texts in zip(short, search(short, width), strict=True):
            if found[utterance]:
                found[utterance] = sorted([*found[utterance], *texts], key=lambda one: -one.rank)
            else:
                found[utterance] = list(texts)
            if any(one.hypothesis.text and not _repeats(one) for one in found[utterance]):
                found[utterance].sort(key=_repeats)  # keeps the order otherwise
            ranked = (one.hypothesis for one in found[utterance])
            lists[utterance] = tuple(distinct(ranked, n, languages[utterance]))
        short = [utterance for utterance in short if len(lists[utterance]) < n]
    return lists


def _repeats(found: Found) -> bool:
    return is_loop(found.hypothesis.text) or says_twice(found.hypothesis.text)


def distinct(
    hypotheses: Iterable[Hypothesis], n: int | None = None, language: str | None = None
) -> list[Hypothesis]:
    """The first `n` hypotheses that differ in more than how their words are written, in the given order.

    Blank texts count as one more hypothesis: that nothing was said.

    Args:
        hypotheses: the hypotheses, best first.
        n: how many at most; None takes all.
        language: the code of their language; None if it is unknown. See `as_spoken`.
    """
    kept: dict[str, Hypothesis] = {}
    for hypothesis in hypotheses:
        if n is not None and len(kept) == n:
            break
        kept.setdefault(as_spoken(hypothesis.text, language), hypothesis)
    return list(kept.values())


def as_spoken(text: str, language: str | None = None) -> str:
    """The form in which texts are equal if they differ only in how their words are written.

    English ("en") passes through the normalizers `whisper` and `number`, so that the hypotheses of a list still differ
    after any normalizer. In other or unknown languages, only case, punctuation and white space are removed. The
    letters, marks, digits and symbols (such as € and %) of all scripts stay, and so do a sign before a digit and a mark
    between digits.

    Example:
        >>> as_spoken("It's 21.", "en") == as_spoken("it is twenty-one", "en")
        True
        >>> as_spoken("Schon um acht?", "de"), as_spoken("Schön um acht.", "de")
        ('schon um acht', 'schön um acht')
    """
    if language == "en":
        return get_normalizer("number")(get_normalizer("whisper")(text))
    text = unicodedata.normalize("NFC", text).lower()
    return " ".join(_NO_WORD.sub(_kept, text).split())


_NO_WORD = re.compile(r"[^\w\s]")
_KEPT = "\u200c\u200d%‰&@#§"  # joiners shape words of Persian and of the scripts of India; the signs are read aloud


def _kept(match: re.Match[str]) -> str:
    """Keeps a character that is no letter, digit or white space, or replaces it by a blank."""
    character, text = match[0], match.string
    if unicodedata.category(character)[0] in "MS" or character in _KEPT:
        return character
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    stands_in_number = after.isdigit() and (before.isdigit() or character in "-\u2212\u2013")
    return character if stands_in_number else " "
