"""The first N hypotheses of a list that say different things."""

from __future__ import annotations

from collections.abc import Sequence


def first_distinct(texts: Sequence[str], n: int) -> list[str]:
    """At most `n` hypotheses without repeats, best first.

    A list of `n` or fewer is not touched: its repeats push nothing out, and correctors were trained on such lists.

    Args:
        texts: the hypotheses, best first.
        n: how many are read.

    Example:
        >>> first_distinct(["a fair", "a fair", "the fair", "a fare"], 3)
        ['a fair', 'the fair', 'a fare']
        >>> first_distinct(["a fair", "a fair", "the fair"], 3)
        ['a fair', 'a fair', 'the fair']
    """
    return list(texts) if len(texts) <= n else list(dict.fromkeys(texts))[:n]
