"""Finds how the hypotheses of a list write its words: at the same place, elsewhere, or in the middle of a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from robustger.text.segments import WrittenToken


@dataclass(frozen=True, slots=True)
class Form:
    """One or several words as they can be written.

    Attributes:
        core: how they are written, without punctuation.
        words: the plain words.
        token: what it is taken from; None where no hypothesis has the words.
        starts_sentence: whether a sentence begins with that token.
        joined_by: the punctuation by which that token is joined to the one before it ("-" in "well-known", nothing in
            "50mm"); None where a space stands between them.
    """

    core: str
    words: tuple[str, ...]
    token: WrittenToken | None = None
    starts_sentence: bool = False
    joined_by: str | None = None


def sentence_starts(tokens: Sequence[WrittenToken]) -> list[bool]:
    """For every token whether a sentence begins with it; a small letter behind a period ("vs. the") begins none."""
    return [
        place == 0 or (tokens[place - 1].ends_sentence and not token.core[:1].islower())
        for place, token in enumerate(tokens)
    ]


def places_of(tokens: Sequence[WrittenToken], words: Sequence[str]) -> list[int | None]:
    """The place among the words at which each token's own words begin; None if they do not all appear there.

    Args:
        tokens: of a hypothesis.
        words: of another text; both are aligned with the fewest edits.
    """
    own = [word for token in tokens for word in token.words]
    place_of: dict[int, int] = {}
    for block in Levenshtein.opcodes(own, list(words)):
        if block.tag == "equal":
            place_of.update(
                zip(
                    range(block.src_start, block.src_end),
                    range(block.dest_start, block.dest_end),
                    strict=True,
                )
            )
    places: list[int | None] = []
    first = 0
    for token in tokens:
        found = [place_of.get(first + offset) for offset in range(len(token.words))]
        begin = found[0] if found else None
        whole = begin is not None and found == list(range(begin, begin + len(found)))
        places.append(begin if whole else None)
        first += len(token.words)
    return places


class Forms:
    """The forms that the words of a text have in the hypotheses of its list.

    Args:
        words: the words of the text.
        lists: the tokens of every hypothesis to borrow from, best first.
    """

    def __init__(self, words: Sequence[str], lists: Sequence[Sequence[WrittenToken]]) -> None:
        self._words = words
        self._aligned: defaultdict[int, list[Form]] = defaultdict(list)
        self._anywhere: defaultdict[tuple[str, ...], list[Form]] = defaultdict(list)
        for tokens in lists:
            starts = sentence_starts(tokens)
            before: WrittenToken | None = None
            for token, starts_sentence, place in zip(tokens, starts, places_of(tokens, words), strict=True):
                joint = before.after + token.before if before is not None and not before.gap else None
                form = Form(token.core, token.words, token, starts_sentence, joint)
                if place is not None:
                    self._aligned[place].append(form)
                self._anywhere[token.words].append(form)
                before = token
        self._longest = max(map(len, self._anywhere), default=0)

    def cover(self, start: int, end: int) -> list[Form]:
        """Forms for the words from `start` to `end`, in their order."""
        forms: list[Form] = []
        while start < end:
            form = self._at(start, end)
            forms.append(form)
            start += len(form.words)
        return forms

    @property
    def all_capitals(self) -> bool:
        """Whether the hypotheses hold several words and all of them in capitals."""
        cores = {form.core for forms in self._anywhere.values() for form in forms}
        cores = {core for core in cores if any(map(str.isalpha, core))}
        return len(cores) > 1 and all(map(str.isupper, cores))

    def mid_sentence(self, words: tuple[str, ...]) -> str | None:
        """How a hypothesis writes the words in the middle of a sentence; None if no hypothesis has them there."""
        return next(
            (form.core for form in self._anywhere.get(words, ()) if not form.starts_sentence),
            None,
        )

    def is_name(self, word: str) -> bool:
        """Whether a hypothesis writes the word, or another form of it, with a capital within a sentence."""
        stem = _stem(word)
        return any(
            len(words) == 1
            and _stem(words[0]) == stem
            and any(form.core[:1].isupper() and not form.starts_sentence for form in forms)
            for words, forms in self._anywhere.items()
        )

    def _at(self, start: int, end: int) -> Form:
        aligned = [form for form in self._aligned.get(start, ()) if start + len(form.words) <= end]
        if aligned:
            return min(aligned, key=lambda form: form.starts_sentence)
        for length in range(min(self._longest, end - start), 0, -1):
            words = tuple(self._words[start : start + length])
            found = [form for form in self._anywhere.get(words, ()) if length > 1 or not _is_digits(form)]
            if found:
                return min(found, key=lambda form: form.starts_sentence)
        return Form(self._words[start], (self._words[start],))


def _is_digits(form: Form) -> bool:
    """Whether the form is a numeral; "one" at another place need not be the 1 of this one."""
    return form.core[:1].isdigit()


def _stem(word: str) -> str:
    return word.removesuffix("s").removesuffix("'")
