"""Finds the places at which a correction changed a text, and the times at which they are heard."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from robustger.pipeline.writing_systems import display_words, text_of
from robustger.recognition.recognizer import TimedWord


@dataclass(frozen=True, slots=True)
class TimedEdit:
    """A place at which two texts differ.

    Attributes:
        before: the words of the first text; empty if words were inserted.
        after: the words of the second text; empty if words were deleted.
        start: where the words of the second text begin in the recording, in seconds. For a deletion, it is the end of
            the word before. None if the times of the words are not known.
        end: where those words end; for a deletion, the start of the next word.
    """

    before: str
    after: str
    start: float | None = None
    end: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields ready for JSON: `from` and `to`, and `start` and `end` if they are known."""
        fields: dict[str, Any] = {"from": self.before, "to": self.after}
        if self.start is not None and self.end is not None:
            fields |= {"start": round(self.start, 3), "end": round(self.end, 3)}
        return fields


def edits_between(
    before: str, after: str, words: Sequence[TimedWord] | None, start: float, end: float
) -> tuple[TimedEdit, ...]:
    """The edits that turn one text into the other with the fewest words, in order; neighboring ones are joined.

    Args:
        before: the first text.
        after: the second text.
        words: the words of the second text with their times; None if these are not known.
        start: where the texts begin in the recording, in seconds.
        end: where they end.
    """
    if before == after:
        return ()
    old, new = display_words(before), display_words(after)
    timed = words if words is not None and len(words) == len(new) else None
    found = []
    for equal, here, there in blocks_between([piece.text for piece in old], [piece.text for piece in new]):
        if equal:
            continue
        begin, stop = there.start, there.stop
        times: tuple[float | None, float | None] = (None, None)
        if timed is not None and stop > begin:
            times = (timed[begin].start, timed[stop - 1].end)
        elif timed is not None:
            times = (
                timed[begin - 1].end if begin else start,
                timed[stop].start if stop < len(timed) else end,
            )
        found.append(TimedEdit(text_of(old[here.start : here.stop]), text_of(new[begin:stop]), *times))
    return tuple(found)


def blocks_between(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[bool, range, range]]:
    """Aligns two sequences with the fewest changes.

    Returns:
        for each stretch, in order: whether it is the same in both sequences, and its range in either. Equal and
        different stretches alternate.
    """
    from rapidfuzz.distance import Levenshtein

    blocks: list[tuple[bool, range, range]] = []
    for code in Levenshtein.opcodes(old, new):
        equal = code.tag == "equal"
        here, there = range(code.src_start, code.src_end), range(code.dest_start, code.dest_end)
        if blocks and blocks[-1][0] == equal:
            _, before, beside = blocks.pop()
            here, there = range(before.start, here.stop), range(beside.start, there.stop)
        blocks.append((equal, here, there))
    return blocks
