"""What a correction changed, where it can be heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robustger.pipeline.writing_systems import pieces, text_of
from robustger.recognition.base import Word


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
    from rapidfuzz.distance import Levenshtein

    if before == after:
        return ()
    old, new = pieces(before), pieces(after)
    timed = words if words is not None and len(words) == len(new) else None
    found = []
    for first, last, begin, stop in _joint_blocks(
        Levenshtein.opcodes([piece.text for piece in old], [piece.text for piece in new])
    ):
        times: tuple[float | None, float | None] = (None, None)
        if timed is not None and stop > begin:
            times = (timed[begin].start, timed[stop - 1].end)
        elif timed is not None:
            times = (
                timed[begin - 1].end if begin else start,
                timed[stop].start if stop < len(timed) else end,
            )
        found.append(Edit(text_of(old[first:last]), text_of(new[begin:stop]), *times))
    return tuple(found)


def _joint_blocks(opcodes: Any) -> list[tuple[int, int, int, int]]:
    """The blocks that differ; "replace" beside "insert" or "delete" is one."""
    blocks: list[tuple[int, int, int, int]] = []
    for code in opcodes:
        if code.tag == "equal":
            continue
        block = (code.src_start, code.src_end, code.dest_start, code.dest_end)
        if blocks and blocks[-1][1] == block[0] and blocks[-1][3] == block[2]:
            block = (blocks[-1][0], block[1], blocks[-1][2], block[3])
            blocks.pop()
        blocks.append(block)
    return blocks
