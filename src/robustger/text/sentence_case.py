"""Sets the capitals of a projected text: sentences begin with one, and words that move into a sentence lose theirs."""

from __future__ import annotations

from collections.abc import Sequence

from robustger.text.forms import Form, Forms, sentence_starts
from robustger.text.pieces import WrittenPiece
from robustger.text.segments import WrittenToken


def sentence_cased(
    pieces: Sequence[WrittenPiece], best: Sequence[WrittenToken], forms: Forms
) -> list[WrittenToken]:
    """The pieces as tokens, their capitals where the 1-best's own writing would have them.

    Args:
        pieces: the parts of the text, in order.
        best: the tokens of the 1-best, whose style is followed: all capitals, sentence case, or small letters alone.
        forms: how words are written in the list.
    """
    cores = "".join(token.core for token in best)
    # One word in capitals may be an acronym.
    words_upper = sum(token.core.isupper() for token in best) > 1 or forms.all_capitals
    capitals = cores.isupper() and sum(map(str.isalpha, cores)) > 1 and words_upper
    small = not any(map(str.isupper, cores))
    starts = sentence_starts(best)
    sentences = not small and any(
        start and token.core[:1].isupper() for start, token in zip(starts, best, strict=True)
    )
    tokens: list[WrittenToken] = []
    before: WrittenPiece | None = None
    for piece in pieces:
        at_start = before is None or before.ends_sentence
        if piece.place is not None and before is not None:
            at_start = at_start and starts[piece.place]
        core = piece.form.core
        if capitals:
            core = core.upper() if piece.form.token is None else core
        elif not small:
            core = _cased(piece, at_start and sentences, starts, forms, follows=_follows(before, piece))
        after = piece.after.removeprefix(".") if core.endswith(".") else piece.after  # "at 5 p.m."
        tokens.append(WrittenToken(piece.before, core, after, piece.gap, piece.form.words))
        before = piece
    if tokens:
        last = tokens[-1]
        tokens[-1] = WrittenToken(last.before, last.core, last.after.rstrip(" "), "", last.words)
    return tokens


def _follows(before: WrittenPiece | None, piece: WrittenPiece) -> bool:
    """Whether a piece follows the same piece as in the 1-best."""
    if before is None:
        return piece.place == 0
    return before.kept and piece.place is not None and before.place == piece.place - 1


def _cased(piece: WrittenPiece, at_start: bool, starts: Sequence[bool], forms: Forms, follows: bool) -> str:
    form = piece.form
    if piece.kept and follows:
        return form.core
    if at_start:
        return form.core[:1].upper() + form.core[1:]
    if form.token is None and (form.core == "i" or form.core.startswith("i'")):
        return f"I{form.core[1:]}"
    if form.starts_sentence:
        return _within_sentence(form, forms)
    return form.core


def _within_sentence(form: Form, forms: Forms) -> str:
    """A form from the beginning of a sentence, as it would be in the middle of one."""
    core = form.core
    if (written := forms.mid_sentence(form.words)) is not None:
        return written
    if core == "I" or core[:2] in ("I'", "I\u2019") or core[1:] != core[1:].lower():
        return core
    if len(form.words) == 1 and forms.is_name(form.words[0]):
        return core
    return core[:1].lower() + core[1:]
