"""Joins the lists of all windows of a long recording, so that they are scored as one utterance.

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
    """One utterance for scoring: a list, or all windows of a recording.

    Attributes:
        lists: its lists, in the order of the windows; a single one where it was not cut.
        whole: the list itself; or for several windows a list with the id and the reference of the recording, the joined
            1-bests as its only hypothesis, and the `meta` that all windows agree on.
    """

    lists: tuple[NBest, ...]
    whole: NBest

    def corrected(self, texts: Mapping[str, str]) -> str:
        """The corrections of its lists, joined.

        Args:
            texts: corrections by list id.

        Raises:
            KeyError: a list has no correction.
        """
        return " ".join(texts[nbest.id] for nbest in self.lists)


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A recording that lacks a window.

    Attributes:
        id: the id of the recording.
        count: the number of its windows.
        lists: the lists of the windows that were found.
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
    """Joins the lists of each recording, and passes on all other lists unchanged.

    A recording is yielded as soon as its last window is read; until then its windows are kept in memory. Incomplete
    recordings come last.

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
                f"list {nbest.id!r}: window {window.number} of {window.of!r} occurs twice; keep one list of each window"
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
    """Yields the recordings that can be scored: those that are complete and have a reference."""
    for one in join_windows(lists):
        if isinstance(one, Recording) and one.whole.reference is not None:
            yield one


def window_of(nbest: NBest) -> str | None:
    """The id of the recording that the list is a window of; None where the list is no window."""
    window = nbest.meta.get("window")
    return str(window["of"]) if isinstance(window, Mapping) and "of" in window else None


def add_reference(nbest: NBest, reference: str, written_reference: str | None = None) -> NBest:
    """Adds a reference to a list that has none; a window gets it as the reference of its recording."""
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
    """Replaces the plain form of hypotheses and reference by the written form, with case and punctuation.

    The reference is dropped where the hypotheses have no written form, because the two forms must not be compared.
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
    """The window that the list is, if it is a window of a recording with a reference; else None."""
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
