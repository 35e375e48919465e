"""Two texts side by side: what differs, and whether the second is nearer to what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from robustger.pipeline.edits import blocks_between
from robustger.pipeline.writing_systems import Piece, pieces, text_of

Verdict = Literal["same", "better", "worse", "neither", "unknown"]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch in which two texts are the same, or in which they differ.

    Attributes:
        before: the first text's words; empty where some were inserted.
        after: the second text's words; empty where some were deleted.
        verdict: "same"; "better" or "worse" where this change alone brings the first text nearer to the reference or
            farther from it; "neither"; "unknown" without a reference.
    """

    before: tuple[Piece, ...]
    after: tuple[Piece, ...]
    verdict: Verdict


def judged(
    before: str, after: str, reference: str | None, normalize: Callable[[str], str] = lambda text: text
) -> list[Part]:
    """The second text laid against the first, each change judged by word errors.

    Args:
        before: the first text.
        after: the second text.
        reference: what was said; None where nobody knows.
        normalize: writes texts in the form in which they are compared with the reference.
    """
    old, new = pieces(before), pieces(after)
    parts = []
    for equal, here, there in blocks_between([piece.text for piece in old], [piece.text for piece in new]):
        removed, written = old[here.start : here.stop], new[there.start : there.stop]
        verdict: Verdict = "same" if equal else "unknown"
        if not equal and reference is not None:
            changed = [*old[: here.start], *written, *old[here.stop :]]
            gained = _errors(before, reference, normalize) - _errors(text_of(changed), reference, normalize)
            verdict = "better" if gained > 0 else "worse" if gained < 0 else "neither"
        parts.append(Part(tuple(removed), tuple(written), verdict))
    return parts


def marked(parts: Sequence[tuple[Sequence[Piece], str]]) -> str:
    """Stretches of pieces as one line of rich markup, each in its style; "" is none."""
    from rich.markup import escape

    line = ""
    for stretch, style in parts:
        for piece in stretch:
            line += "" if piece.glued or not line else " "
            line += f"[{style}]{escape(piece.text)}[/]" if style else escape(piece.text)
    return line


def _errors(text: str, reference: str, normalize: Callable[[str], str]) -> int:
    from rapidfuzz.distance import Levenshtein

    compared = [[piece.text for piece in pieces(normalize(form))] for form in (text, reference)]
    return Levenshtein.distance(*compared)
