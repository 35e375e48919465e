"""What a correction changed, where it can be heard."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from robustger.pipeline.writing_systems import pieces, text_of
from robustger.recognition.recognizer import Word


@dataclass(frozen=True, slots=True)
class Edit:
    """A place at which two texts differ.

    Attributes:
        before: the words of the first text; empty where some were inserted.
        after: the words of the second text; empty where some were deleted.
        start: where the second text's words begin in the recording, in seconds; of a deletion, where the word before
            ends. None where the times of the words are not known.
        end: where they end; of a deletion, where the next word begins.
    """

    before: str
    after: str
    start: float | None = None
    end: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """`from` and `to`, and `start` and `end` where they are known, ready for JSON."""
        fields: dict[str, Any] = {"from": self.before, "to": self.after}
        if self.start is not None and self.end is not None:
            fields |= {"start": round(self.start, 3), "end": round(self.end, 3)}
        return fields


def edits_between(
    before: str, after: str, words: Sequence[Word] | None, start: float, end: float
) -> tuple[Edit, ...]:
    """The fewest words that turn one text into the other, in order; neighboring ones are one edit.

    Args:
        before: the first text.
        after: the second text.
        words: the second text's words with their times, where they are known.
        start: where the texts begin in the recording, in seconds.
        end: where they end.
    """
    if before == after:
        return ()
    old, new = pieces(before), pieces(after)
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
        found.append(Edit(text_of(old[here.start : here.stop]), text_of(new[begin:stop]), *times))
    return tuple(found)


def blocks_between(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[bool, range, range]]:
    """Two sequences laid against each other with the fewest changes, in order.

    Returns:
        for each stretch whether it is the same in both, and where it lies in either; stretches that are the same and
        stretches that differ take turns.
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
