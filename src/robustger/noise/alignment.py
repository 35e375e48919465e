"""Where the hypotheses of a list differ: one alignment of all of them, or pairwise edits.

Tokens are words. Every distance is the plain Levenshtein distance of two token lists (substitution, insertion
and deletion cost 1) as rapidfuzz computes it, which also settles ties and keeps ten thousand words cheap.
"""

from __future__ import annotations

from collections.abc import Sequence

Token = str | None
"""A word, or None: the empty token Ø that fills a place where a hypothesis has no word."""

Edit = tuple[Token, Token]
"""What the first and the second hypothesis of a pair hold at a place where they differ; not both are None."""


def align_all(token_lists: Sequence[Sequence[str]]) -> list[list[Token]]:
    """Aligns N hypotheses to one length T with the empty token (paper, eq. 5).

    The alignment is progressive, best hypothesis first, as ROVER builds its word transition network (Fiscus,
    1997). The first hypothesis opens one column per token. Every further one is aligned by Levenshtein
    distance to the backbone, which holds for each column the token of the best-ranked hypothesis that has one
    there: equal and substituted tokens go into existing columns, inserted tokens open new columns (Ø in all
    earlier rows), deleted ones leave Ø. A hypothesis that occurred before takes over the row it had.

    The token-level embedding does not depend on which alignment is used: its sum over all T columns adds every
    word of Y_i and subtracts every word of Y_j under any of them.

    Args:
        token_lists: N token lists, best hypothesis first; any may be empty.

    Returns:
        N rows of one length T, at least that of the longest hypothesis. Row n without its Ø is
        `token_lists[n]`, no column holds only Ø, and equal hypotheses have equal rows.
    """
    from rapidfuzz.distance import Levenshtein

    rows: list[list[Token]] = []
    row_of: dict[tuple[str, ...], int] = {}
    backbone: list[Token] = []
    for tokens in map(tuple, token_lists):
        if tokens in row_of:
            continue
        # Per column of the widened table: its old index or None, and this hypothesis' token or None.
        sources: list[int | None] = []
        row: list[Token] = []
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


def edited_pairs(first: Sequence[str], second: Sequence[str]) -> list[Edit]:
    """The places where two hypotheses differ under their own Levenshtein alignment.

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
