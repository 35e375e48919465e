"""Shows an utterance as three lines, 1-best, correction and reference, and marks the differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustger.evaluation.alignment import Alignment
from robustger.evaluation.page.markup import Markup, element, join_markup


def marked_lines(systems: Mapping[str, Alignment], joint: str) -> Markup:
    """A line for each distinct text, and the reference below them.

    Args:
        systems: the texts, aligned with the same reference, by name; at least one. The first is the base: a word that
            is wrong in the base and right in another text is marked as fixed, the other way round as broken.
        joint: the text between two words.
    """
    base = next(iter(systems.values()))
    names: dict[Alignment, list[str]] = {}
    for name, text in systems.items():
        names.setdefault(text, []).append(name)
    lines = [
        _line(", ".join(alike), _marked(text, None if text == base else base), joint)
        for text, alike in names.items()
    ]
    ever_wrong = map(any, zip(*(text.wrong for text in systems.values()), strict=True))
    reference = [
        element("u", word) if wrong else word for word, wrong in zip(base.reference, ever_wrong, strict=True)
    ]
    return join_markup([*lines, _line("reference", reference, joint)])


def _line(name: str, words: Sequence[str], joint: str) -> Markup:
    content = join_markup(words, joint) if words else element("i", "empty", class_="empty")
    return element(
        "div",
        element("span", name, class_="system"),
        element("span", content, class_="text", dir="auto"),
        class_="line",
    )


def _marked(text: Alignment, base: Alignment | None) -> list[str]:
    """The words of a text, with markup around differences; deleted words are struck out in their place."""
    words: list[str] = []
    before: Sequence[tuple[str, ...]] = text.inserted if base is None else base.inserted
    for place, inserted in enumerate(text.inserted):
        kind = "broken" if base is not None and len(inserted) > len(before[place]) else "wrong"
        words += (element("b", word, class_=kind, title="not in the reference") for word in inserted)
        if place == len(text.reference):
            break
        truth, written = text.reference[place], text.written[place]
        base_right = base is not None and base.written[place] == truth
        if written is None:
            words.append(element("s", truth, class_="broken" if base_right else "wrong", title="missing"))
        elif written != truth:
            kind = "broken" if base_right else "wrong"
            words.append(element("b", written, class_=kind, title=f"reference: {truth}"))
        elif base is not None and not base_right:
            written_before = base.written[place]
            title = "missing before" if written_before is None else f"before: {written_before}"
            words.append(element("b", written, class_="fixed", title=title))
        else:
            words.append(written)
    return words
