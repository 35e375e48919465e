"""Keeps the punctuation of a written text right while words are replaced, inserted and deleted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from robustger.text.forms import Form
from robustger.text.segments import CLOSING, ENDING, WrittenToken

_JOINTS = frozenset("-/\u2013")  # these join words into one, and go when one of the words changes
_WEAK = frozenset(",;:\u060c\u3001")
_SPACED = frozenset(",.;:?!\u2026")  # followed by a space, unless another word follows at once
# Abbreviations whose period ends no sentence even if a capital or a number follows.
_TITLES = frozenset(
    (
        "Dr",
        "Mr",
        "Mrs",
        "Ms",
        "St",
        "Mt",
        "Prof",
        "Maj",
        "Gen",
        "Col",
        "Capt",
        "Lt",
        "Sgt",
        "Rev",
        "Gov",
        "Sen",
    )
)
_ABBREVIATED_NUMBERS = frozenset(("Mio", "Mrd"))  # German: "1,5 Mio. Euro"
_BEFORE_NUMBERS = frozenset(("No", "Nr", "Vol", "Fig", "no", "nr", "vol", "fig"))
_HESITATIONS = frozenset(("uh", "um", "er", "erm", "ah", "eh", "hm", "hmm", "mm"))
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("\u201c", "\u201d"), ("\u00ab", "\u00bb"))


@dataclass(slots=True)
class WrittenPiece:
    """A token of a text that is being edited.

    Attributes:
        before: punctuation in front of it.
        form: how its words are written.
        after: punctuation behind it.
        gap: the text between it and the next piece.
        place: the number of the token of the 1-best that it is or replaces; None for an insertion.
        kept: whether it is that token.
    """

    before: str
    form: Form
    after: str
    gap: str
    place: int | None = None
    kept: bool = False

    @classmethod
    def kept_token(cls, best: Sequence[WrittenToken], place: int, starts_sentence: bool) -> WrittenPiece:
        """A token of the 1-best without a change."""
        token = best[place]
        form = Form(token.core, token.words, token, starts_sentence)
        return cls(token.before, form, token.after, token.gap, place, True)

    @property
    def ends_sentence(self) -> bool:
        """Whether a sentence ends with its punctuation."""
        return not ENDING.isdisjoint(self.after)


def with_last_period(tokens: Sequence[WrittenToken]) -> list[WrittenToken]:
    """The tokens of a text, the last one with a period of its own: that of "at 5 p.m." ends the sentence, too."""
    if not tokens:
        return []
    last = tokens[-1]
    if last.core.endswith(".") and not last.after:
        last = dataclasses.replace(last, after=".")
    return [*tokens[:-1], last]


def replace(
    pieces: list[WrittenPiece], forms: Sequence[Form], best: Sequence[WrittenToken], start: int, end: int
) -> None:
    """Appends forms in the place of some tokens of the 1-best; each takes the punctuation of its place.

    Args:
        pieces: what stands before them; changed.
        forms: at least one.
        best: the tokens of the 1-best.
        start: the first token that is replaced.
        end: behind the last; more than `start`.
    """
    tokens = best[start:end]
    added = [WrittenPiece("", form, "", " ") for form in forms]
    count = len(added)
    for number, token in enumerate(tokens):
        first = number * count // len(tokens)
        last = -(-(number + 1) * count // len(tokens)) - 1
        if added[first].place is None:
            added[first].before, added[first].place = token.before, start + number
        following = best[start + number + 1] if start + number + 1 < len(best) else None
        added[last].after, added[last].gap = token.after, token.gap
        source = added[last].form.token
        if _is_abbreviated(token, following) and (source is None or source.after != "."):
            added[last].after = ""
    pieces += added


def insert(pieces: list[WrittenPiece], forms: Sequence[Form], at_end: bool) -> None:
    """Appends forms that stand in no token's place; the end of the text keeps its punctuation.

    Args:
        pieces: what stands before them; changed.
        forms: at least one.
        at_end: whether nothing follows.
    """
    added = [WrittenPiece("", form, "", " ") for form in forms]
    for piece in added[: len(added) - at_end]:
        if piece.form.token is not None and _WEAK.issuperset(piece.form.token.after):
            piece.after = piece.form.token.after
    if pieces:
        before = pieces[-1]
        source = forms[-1].token
        within = source is not None and not forms[0].starts_sentence and before.ends_sentence
        if at_end or within:
            added[-1].after, before.after = before.after, ""
            before.gap = " "
    pieces += added


def _is_abbreviated(token: WrittenToken, following: WrittenToken | None) -> bool:
    """Whether the period behind a token belongs to the word and ends no sentence."""
    if token.after != "." or following is None:
        return False
    numbered = token.core in _BEFORE_NUMBERS and following.core[:1].isdigit()
    return following.core[:1].islower() or token.core in _TITLES | _ABBREVIATED_NUMBERS or numbered


def delete(pieces: list[WrittenPiece], best: Sequence[WrittenToken], start: int, end: int) -> str:
    """Deletes tokens of the 1-best; closing punctuation behind them moves to the piece before.

    Args:
        pieces: what stands before them; changed.
        best: the tokens of the 1-best.
        start: the first token that is deleted.
        end: behind the last; more than `start`.

    Returns:
        the opening marks before the deleted tokens, for the piece that follows.
    """
    tokens = best[start:end]
    before = "".join(token.before for token in tokens)
    after = tokens[-1].after
    if _is_abbreviated(tokens[-1], best[end] if end < len(best) else None):
        after = ""
    inner = "".join(token.after for token in tokens[:-1])
    if '"' in before and '"' in inner + after:  # a quotation that is gone as a whole
        before, after = before.replace('"', "", 1), after.replace('"', "", 1)
    for opening, closing in _PAIRS:
        if opening in before and closing in inner + after:
            before, after = before.replace(opening, "", 1), after.replace(closing, "", 1)
    if pieces:
        last = pieces[-1]
        hesitated = all(_HESITATIONS.issuperset(token.words) for token in tokens)
        if tokens[-1].words == last.form.words:  # said twice, written once
            last.after = after
        elif hesitated and after == last.after == "," and not last.form.starts_sentence:
            last.after = ""  # "I, um, left"
        else:
            last.after = _stronger(last.after, after)
        last.gap = last.gap or tokens[-1].gap
    elif _WEAK.issuperset(before):
        before = ""
    return before


def _stronger(first: str, second: str) -> str:
    """The punctuation that remains when two places become one; a sentence that is kept keeps its end."""
    if not second or not first:
        return first or second
    if not ENDING.isdisjoint(second) and ENDING.isdisjoint(first):
        kept = "".join(sign for sign in first if sign in CLOSING and sign not in second)
        return kept + second
    closing = "".join(sign for sign in second if sign in CLOSING and sign not in first)
    return first + closing


def separate(pieces: list[WrittenPiece]) -> None:
    """Words that were written as one ("well-known", "50mm") come apart where one of them changed.

    They stay joined where the hypothesis from which the changed one comes joins it in the same way.
    """
    for left, right in pairwise(pieces):
        if left.gap or (left.kept and right.kept and right.place == (left.place or 0) + 1):
            continue
        joint = left.after + right.before
        source = left.form.token
        if right.form.joined_by == joint or (
            not left.kept and source is not None and not source.gap and source.after == left.after
        ):
            continue
        numeral = left.form.core[-1:].isdigit() and len(left.after) == 1  # "3:1"
        if not left.after or numeral or _JOINTS.issuperset(left.after):
            left.after, left.gap = "", " "
        elif left.after[-1] in _SPACED and (left.place is None or right.place != left.place + 1):
            left.gap = " "
    for left, right in pairwise(pieces):
        if (
            not left.gap
            and not left.after
            and not right.before
            and right.form.joined_by != ""
            and not right.kept
        ):
            left.gap = " "


def balance(pieces: list[WrittenPiece], best: Sequence[WrittenToken]) -> None:
    """Takes out the quotes and brackets whose other half went with a deleted word."""
    text = "".join(token.before + token.after for token in best)
    for opening, closing in _PAIRS:
        if text.count(opening) != text.count(closing):
            continue
        _drop_unmatched(pieces, opening, closing)
    if text.count('"') % 2 == 0 and sum((piece.before + piece.after).count('"') for piece in pieces) % 2:
        holders = [piece for piece in pieces if '"' in piece.before + piece.after]
        if '"' in holders[0].before and len(holders) > 1:
            holders = holders[::-1]
        holders[0].before = holders[0].before.replace('"', "", 1)
        holders[0].after = holders[0].after.replace('"', "", 1)


def _drop_unmatched(pieces: list[WrittenPiece], opening: str, closing: str) -> None:
    open_pieces: list[WrittenPiece] = []
    for piece in pieces:
        open_pieces += [piece] * piece.before.count(opening)
        for _ in range(piece.after.count(closing)):
            if open_pieces:
                open_pieces.pop()
            else:
                piece.after = piece.after.replace(closing, "", 1)
    for piece in open_pieces:
        piece.before = piece.before.replace(opening, "", 1)
