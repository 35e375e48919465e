"""Aligns a hypothesis with its reference, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein


class Edits(NamedTuple):
    """The edits that turn one reference into one hypothesis."""

    substitutions: int
    deletions: int
    insertions: int


@dataclass(frozen=True, slots=True)
class Alignment:
    """A hypothesis aligned with its reference.

    Attributes:
        reference: the tokens of the reference.
        written: the token of the hypothesis in the place of each reference token; None where it is deleted.
        inserted: the inserted tokens before each reference token, and after the last one: one tuple more than there are
            reference tokens.
    """

    reference: tuple[str, ...]
    written: tuple[str | None, ...]
    inserted: tuple[tuple[str, ...], ...]

    @property
    def wrong(self) -> tuple[bool, ...]:
        """Whether each token of the reference was substituted or deleted."""
        return tuple(truth != token for truth, token in zip(self.reference, self.written, strict=True))

    @property
    def edits(self) -> Edits:
        """The edits by kind."""
        deletions = self.written.count(None)
        return Edits(sum(self.wrong) - deletions, deletions, sum(map(len, self.inserted)))


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> Alignment:
    """A minimal alignment of two lists of tokens, normalized already.

    Several alignments can be minimal; this is the one that rapidfuzz (and jiwer) picks.
    """
    written: list[str | None] = list(reference)
    inserted: list[tuple[str, ...]] = [()] * (len(reference) + 1)
    for edit in Levenshtein.editops(reference, hypothesis):
        if edit.tag == "insert":
            inserted[edit.src_pos] += (hypothesis[edit.dest_pos],)
        else:
            written[edit.src_pos] = hypothesis[edit.dest_pos] if edit.tag == "replace" else None
    return Alignment(tuple(reference), tuple(written), tuple(inserted))
