"""Compares two texts, and judges for each difference whether the second text is nearer to the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from robustger.pipeline.edits import blocks_between
from robustger.pipeline.writing_systems import DisplayWord, display_words, text_of

Verdict = Literal["same", "better", "worse", "neither", "unknown"]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch in which two texts are the same, or in which they differ.

    Attributes:
        before: the words of the first text; empty if words were inserted.
        after: the words of the second text; empty if words were deleted.
        verdict: "same" if the texts agree. "better" or "worse" if this change alone brings the first text nearer to
            the reference or farther from it. "neither" if it does not. "unknown" without a reference.
    """

    before: tuple[DisplayWord, ...]
    after: tuple[DisplayWord, ...]
    verdict: Verdict


def judged(
    before: str, after: str, reference: str | None, normalize: Callable[[str], str] = lambda text: text
) -> list[Part]:
    """Aligns the second text with the first one and judges each change by word errors.

    Args:
        before: the first text.
        after: the second text.
        reference: what was said; None if nobody knows.
        normalize: rewrites texts before they are compared with the reference.
    """
    old, new = display_words(before), display_words(after)
    parts = []
    for equal, here, there in blocks_between([word.text for word in old], [word.text for word in new]):
        removed, written = old[here.start : here.stop], new[there.start : there.stop]
        verdict: Verdict = "same" if equal else "unknown"
        if not equal and reference is not None:
            changed = [*old[: here.start], *written, *old[here.stop :]]
            gained = _errors(before, reference, normalize) - _errors(text_of(changed), reference, normalize)
            verdict = "better" if gained > 0 else "worse" if gained < 0 else "neither"
        parts.append(Part(tuple(removed), tuple(written), verdict))
    return parts


def marked(parts: Sequence[tuple[Sequence[DisplayWord], str]]) -> str:
    """Writes stretches of words as one line of rich markup, each in its style; "" is no style."""
    from rich.markup import escape

    line = ""
    for stretch, style in parts:
        for word in stretch:
            line += "" if word.glued or not line else " "
            line += f"[{style}]{escape(word.text)}[/]" if style else escape(word.text)
    return line


def _errors(text: str, reference: str, normalize: Callable[[str], str]) -> int:
    from rapidfuzz.distance import Levenshtein

    compared = [[word.text for word in display_words(normalize(form))] for form in (text, reference)]
    return Levenshtein.distance(*compared)
