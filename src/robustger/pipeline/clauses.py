"""Rates the places between two words at which a text can be cut: after a sentence, after a clause, in a pause."""

from __future__ import annotations

SENTENCE_END = 0.0
_LONG_PAUSE, _CLAUSE_END, _SHORT_PAUSE, _BEFORE_CONJUNCTION = 0.5, 1.0, 1.5, 1.5
_ANYWHERE, _BEHIND_OPENING_WORD = 3.0, 5.0
_LONG_PAUSE_MS, _SHORT_PAUSE_MS = 500, 250

_CLOSING = "\"'”’»›)]}」』）】》〉"
_SENTENCE_MARKS = tuple(".?!…。？！｡।॥؟۔։።")
_CLAUSE_MARKS = tuple(",;:—–、，；：､،؛")
_TITLES = "mr. mrs. ms. dr. prof. st."
_ABBREVIATIONS = set(f"{_TITLES} vs. e.g. i.e. etc. u.s. a.m. p.m.".split())
# English words that begin a clause or a phrase, and words that belong to the words after them.
_CONJUNCTION_LIST = """
    and but or nor so because although though while when where how why what which who whose that if unless until since
    before after as than whether"""
_OPENING_LIST = """
    a an the this these those my your his her its our their of to in on at by for from with into about over under is
    are was were be been has have had will would can could shall should may might must do does did not no very and but
    or because that which if"""
_CONJUNCTIONS = set(_CONJUNCTION_LIST.split())
_OPENING_WORDS = set(_OPENING_LIST.split()) | set(_TITLES.split())


def ends_sentence(word: str, following: str | None) -> bool:
    """Whether a sentence ends with the word; `following` is the next word, None at the end of the text."""
    bare = word.rstrip(_CLOSING)
    if not bare.endswith(_SENTENCE_MARKS):
        return False
    if following is None or not bare.endswith("."):
        return True
    initial = len(bare) == 2 and bare[0].isalpha() and bare[0].isupper()
    return not (initial or bare.casefold() in _ABBREVIATIONS or following[0].islower())


def cost_of_cut(word: str, following: str, pause_ms: int, *, english: bool) -> float:
    """The cost for the reader if the text is cut between two words: 0 after a sentence, 5 after "the".

    Args:
        word: the word before the cut, with its punctuation.
        following: the word after it.
        pause_ms: the pause between them.
        english: whether the words are English, whose conjunctions and articles are listed here. In other languages,
            punctuation and pauses decide.
    """
    if ends_sentence(word, following):
        return SENTENCE_END
    if pause_ms >= _LONG_PAUSE_MS:
        return _LONG_PAUSE
    if word.rstrip(_CLOSING).endswith(_CLAUSE_MARKS):
        return _CLAUSE_END
    if pause_ms >= _SHORT_PAUSE_MS:
        return _SHORT_PAUSE
    if english and word.casefold() in _OPENING_WORDS:
        return _BEHIND_OPENING_WORD
    if english and following.casefold().rstrip(",") in _CONJUNCTIONS:
        return _BEFORE_CONJUNCTION
    return _ANYWHERE
