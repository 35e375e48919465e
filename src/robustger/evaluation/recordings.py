"""What is scored as one utterance: a list, or the lists of all windows of one long recording.

`robustger nbest` cuts recordings that are longer than the recognizer's window, and nobody knows which words of the
reference belong to which window. So each window's list carries the whole reference in `meta`:

    "window": {"of": "talk", "number": 2, "count": 5, "reference": "...", "written_reference": "..."}

`number` counts from 1. Joined in order, the windows are one utterance with a reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from robustger.errors import InputError
from robustger.hypotheses import Hypothesis, NBest


@dataclass(frozen=True, slots=True)
class Recording:
    """What is scored as one utterance.

    Attributes:
        lists: its lists, in the order of the windows; one where it was not cut.
        whole: the list itself, or where there are several one that stands for all: the id and the reference of the
            recording, the 1-bests after one another as its only hypothesis, and what all windows agree on.
    """

    lists: tuple[NBest, ...]
    whole: NBest

    def corrected(self, texts: Mapping[str, str]) -> str:
        """The corrections of its lists, by list id, after one another.

        Raises:
            KeyError: a list has no correction.
        """
        return " ".join(texts[nbest.id] for nbest in self.lists)


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A recording of which a window is missing.

    Attributes:
        id: of the recording.
        count: how many windows it has.
        lists: those that are there.
    """

    id: str
    count: int
    lists: tuple[NBest, ...]

    def __str__(self) -> str:
        """As messages show it."""
        return f"{self.id!r}: {len(self.lists)} of {self.count} windows"


@dataclass(frozen=True, slots=True)
class _Window:
    of: str
    number: int
    count: int
    reference: str


def join_windows(lists: Iterable[NBest]) -> Iterator[Recording | Incomplete]:
    """Joins the lists of each recording; everything else is passed on as it is.

    A recording comes as soon as its last window is read, so windows that follow one another need no memory beyond
    them; windows elsewhere in the stream are collected. Recordings that are not complete come last.

    Raises:
        InputError: a window stands twice, or windows of a recording do not agree on their number or the reference.
    """
    open_: dict[str, dict[int, NBest]] = {}
    agreed: dict[str, _Window] = {}
    for nbest in lists:
        window = _window(nbest)
        if window is None:
            yield Recording((nbest,), nbest)
            continue
        first = agreed.setdefault(window.of, window)
        found = open_.setdefault(window.of, {})
        if window.number in found:
            raise InputError(
                f"list {nbest.id!r}: window {window.number} of {window.of!r} stands twice; keep one list of each window"
            )
        if (window.count, window.reference) != (first.count, first.reference):
            raise InputError(
                f"list {nbest.id!r}: the windows of {window.of!r} do not agree on their count or reference; "
                "recognize the recording again"
            )
        found[window.number] = nbest
        if len(found) == window.count:
            del open_[window.of], agreed[window.of]
            ordered = tuple(found[number] for number in range(1, window.count + 1))
            yield Recording(ordered, _whole(window, ordered))
    for of, found in open_.items():
        yield Incomplete(of, agreed[of].count, tuple(found[number] for number in sorted(found)))


def scorable_recordings(lists: Iterable[NBest]) -> Iterator[Recording]:
    """The recordings that can be scored: complete, and with a reference."""
    for one in join_windows(lists):
        if isinstance(one, Recording) and one.whole.reference is not None:
            yield one


def window_of(nbest: NBest) -> str | None:
    """The id of the recording that the list is a window of; None where it is a list of its own."""
    window = nbest.meta.get("window")
    return str(window["of"]) if isinstance(window, Mapping) and "of" in window else None


def add_reference(nbest: NBest, reference: str, written_reference: str | None = None) -> NBest:
    """The list with its reference, a window with that of its recording; a reference that it has stays."""
    if window_of(nbest) is None:
        own, own_written = nbest.reference, nbest.written_reference
        return replace(
            nbest,
            reference=reference if own is None else own,
            written_reference=written_reference if own_written is None else own_written,
        )
    known = {"reference": reference, "written_reference": written_reference}
    window = {key: text for key, text in known.items() if text is not None} | dict(nbest.meta["window"])
    return replace(nbest, meta={**nbest.meta, "window": window})


def written_form(nbest: NBest) -> NBest:
    """The list with case and punctuation, as the recognizer wrote it, in the place of its plain form.

    Without a reference where the list lacks either form: what is written and what is plain are not to be compared.
    """
    has_written = nbest.hypotheses[0].written is not None
    texts = tuple(
        Hypothesis(text, one.score) for text, one in zip(nbest.written, nbest.hypotheses, strict=True)
    )
    changes: dict[str, Any] = {
        "hypotheses": texts,
        "reference": nbest.written_reference if has_written else None,
        "written_reference": None,
    }
    if window_of(nbest) is not None:
        window = dict(nbest.meta["window"])
        window["reference"] = window.get("written_reference") if has_written else None
        changes["meta"] = {**nbest.meta, "window": window}
    return replace(nbest, **changes)


def _window(nbest: NBest) -> _Window | None:
    """Which window the list is, if it is one whose recording has a reference."""
    window = nbest.meta.get("window")
    if nbest.reference is not None or not isinstance(window, Mapping):
        return None
    of, number, count, reference = (window.get(key) for key in ("of", "number", "count", "reference"))
    if not isinstance(of, str) or not isinstance(reference, str):
        return None
    if not isinstance(number, int) or not isinstance(count, int) or not 1 <= number <= count:
        return None
    return _Window(of, number, count, reference)


def _whole(window: _Window, ordered: tuple[NBest, ...]) -> NBest:
    first, last = ordered[0], ordered[-1]
    meta = {
        key: value
        for key, value in first.meta.items()
        if key != "window" and all(nbest.meta.get(key) == value for nbest in ordered)
    }
    return NBest(
        id=window.of,
        hypotheses=(Hypothesis(" ".join(nbest.best for nbest in ordered)),),
        reference=window.reference,
        language=first.language,
        audio=first.audio,
        start=first.start,
        end=last.end,
        meta=meta,
    )
