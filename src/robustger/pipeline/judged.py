"""Compares two texts, and judges for each difference whether the second text is nearer to the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from robustger.pipeline.edits import blocks_between
from robustger.pipeline.writing_systems import DisplayWord, display_words, text_of

Verdict = Literal["same", "better", "worse", "neither", "unknown"]

_JUDGMENTS = {"better": "right", "worse": "wrong now", "neither": "still wrong"}
_NO_WORD = "zqxzq"  # stands in no text, and no normalizer rewrites it


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch in which two texts are the same, or in which they differ.

    Attributes:
        before: the words of the first text; empty if words were inserted.
        after: the words of the second text; empty if words were deleted.
        verdict: "same" if the texts agree. "better" or "worse" if this change alone brings the first text nearer to
            the reference or farther from it. "neither" if it does not. "unknown" without a reference.
        wrong: positions in `after` of words that are wrong although the change is "better".
    """

    before: tuple[DisplayWord, ...]
    after: tuple[DisplayWord, ...]
    verdict: Verdict
    wrong: frozenset[int] = frozenset()

    @property
    def word_verdicts(self) -> tuple[Verdict, ...]:
        """The verdict of each word of `after`: a wrong word of a better change is "neither"."""
        return tuple("neither" if place in self.wrong else self.verdict for place in range(len(self.after)))

    @property
    def judgment(self) -> str:
        """The verdict in words; empty where nothing changed, and without a reference."""
        return "partly right" if self.wrong else _JUDGMENTS.get(self.verdict, "")


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
        wrong: frozenset[int] = frozenset()
        if not equal and reference is not None:
            around = (old[: here.start], old[here.stop :])
            left = _errors_with(written, around, reference, normalize)
            gained = _errors_with(removed, around, reference, normalize) - left
            verdict = "better" if gained > 0 else "worse" if gained < 0 else "neither"
            if gained > 0:
                wrong = _wrong_words(written, around, reference, normalize, left)
        parts.append(Part(tuple(removed), tuple(written), verdict, wrong))
    return parts


def _errors_with(
    words: Sequence[DisplayWord],
    around: tuple[Sequence[DisplayWord], Sequence[DisplayWord]],
    reference: str,
    normalize: Callable[[str], str],
) -> int:
    """The word errors of a text with these words in the place of a change."""
    return _errors(text_of([*around[0], *words, *around[1]]), reference, normalize)


def _wrong_words(
    written: Sequence[DisplayWord],
    around: tuple[Sequence[DisplayWord], Sequence[DisplayWord]],
    reference: str,
    normalize: Callable[[str], str],
    errors: int,
) -> frozenset[int]:
    """The positions of the words without which the text has no more errors than it has with them."""
    wrong = set()
    for place, word in enumerate(written):
        without = [*written[:place], replace(word, text=_NO_WORD), *written[place + 1 :]]
        if _errors_with(without, around, reference, normalize) <= errors:
            wrong.add(place)
    return frozenset(wrong)


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
