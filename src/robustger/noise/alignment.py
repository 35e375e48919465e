"""Finds where the hypotheses of a list differ, by one alignment of all hypotheses or by pairwise edits.

Tokens are words. Every distance is the plain Levenshtein distance of two token lists (substitution, insertion and
deletion cost 1) as rapidfuzz computes it. rapidfuzz also decides ties, and is fast for ten thousand words.
"""

from __future__ import annotations

from collections.abc import Sequence

AlignedWord = str | None
"""A word, or None for the empty token Ø, which stands where a hypothesis has no word."""

WordPair = tuple[AlignedWord, AlignedWord]
"""The words of two hypotheses at a place where they differ; at most one of them is None."""


def align_all(token_lists: Sequence[Sequence[str]]) -> list[list[AlignedWord]]:
    """Aligns N hypotheses to one length T with the empty token (paper, eq. 5).

    The alignment is progressive, best hypothesis first, as ROVER builds its word transition network (Fiscus, 1997). The
    first hypothesis opens one column per token. Every further hypothesis is aligned by Levenshtein distance to the
    backbone, which holds for each column the token of the best hypothesis that has one there. Equal and substituted
    tokens go into existing columns, inserted tokens open new columns (Ø in all earlier rows), and deleted tokens leave
    Ø. A hypothesis that occurred before gets the same row again.

    The token-level embedding is the same for every alignment: its sum over all T columns adds every word of Y_i and
    subtracts every word of Y_j.

    Args:
        token_lists: N token lists, best hypothesis first; any may be empty.

    Returns:
        N rows of one length T, which is at least the length of the longest hypothesis. Row n without its Ø is
        `token_lists[n]`, no column holds only Ø, and equal hypotheses have equal rows.
    """
    from rapidfuzz.distance import Levenshtein

    rows: list[list[AlignedWord]] = []
    row_of: dict[tuple[str, ...], int] = {}
    backbone: list[AlignedWord] = []
    for tokens in map(tuple, token_lists):
        if tokens in row_of:
            continue
        # Per column of the widened table: its old index or None, and this hypothesis' token or None.
        sources: list[int | None] = []
        row: list[AlignedWord] = []
        for block in Levenshtein.opcodes(backbone, tokens):
            old, new = range(block.src_start, block.src_end), tokens[block.dest_start : block.dest_end]
            sources.extend(old or [None] * len(new))  # no old columns: an insertion
            row.extend(new or [None] * len(old))  # no new tokens: a deletion
        if len(sources) > len(backbone):
            rows = [[None if s is None else old[s] for s in sources] for old in rows]
            backbone = [t if s is None else backbone[s] for s, t in zip(sources, row, strict=True)]
        row_of[tokens] = len(rows)
        rows.append(row)
    return [list(rows[row_of[tuple(tokens)]]) for tokens in token_lists]


def edited_pairs(first: Sequence[str], second: Sequence[str]) -> list[WordPair]:
    """The pairs of words by which two hypotheses differ in their own Levenshtein alignment.

    A substitution gives (word of the first, word of the second), a deletion (word, Ø), an insertion (Ø, word),
    as in the released feature script, which goes through rapidfuzz's `Levenshtein.editops` too.

    Returns:
        One entry per edit, left to right; empty exactly when the hypotheses are equal.
    """
    from rapidfuzz.distance import Levenshtein

    return [
        (
            None if edit.tag == "insert" else first[edit.src_pos],
            None if edit.tag == "delete" else second[edit.dest_pos],
        )
        for edit in Levenshtein.editops(first, second)
    ]
