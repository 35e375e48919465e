"""A list of exactly N hypotheses out of what a search found, as the paper's generator makes it.

What differs only in writing is one hypothesis: of those that the normalisers `whisper` and `number`, one after the
other, write alike, the best is kept. Whichever normaliser the list is written with later, its hypotheses then differ.
Where fewer than N are left, hypotheses sampled at temperature 1.2 fill the list up, and where those repeat what is
there, the last entry is repeated (method: RobustGER, arXiv 2401.10446, section 5.1 and the released generator).
"""

from __future__ import annotations

from collections.abc import Iterable

from robustger.hypotheses import Hypothesis
from robustger.text import get_normalizer

TEMPERATURE = 1.2


def as_spoken(text: str) -> str:
    """What two texts have in common that differ only in how the words are written."""
    return get_normalizer("number")(get_normalizer("whisper")(text))


def distinct(hypotheses: Iterable[Hypothesis], n: int | None = None) -> list[Hypothesis]:
    """The first `n` (None: all) that differ after normalising, in the order given.

    Blank texts count as one more hypothesis: that nothing was said.
    """
    kept: dict[str, Hypothesis] = {}
    for hypothesis in hypotheses:
        if n is not None and len(kept) == n:
            break
        kept.setdefault(as_spoken(hypothesis.text), hypothesis)
    return list(kept.values())


def fill_up(
    searched: Iterable[Hypothesis], n: int, sampled: Iterable[Hypothesis] = ()
) -> tuple[tuple[Hypothesis, ...], int]:
    """The N-best list and how many of its hypotheses are distinct.

    Args:
        searched: what the search found, best first; at least one.
        n: length of the list.
        sampled: what sampling gave, in order; looked at only where the search found fewer than `n` distinct ones.

    Returns:
        `n` hypotheses: distinct ones from the search, then distinct ones from the sampling, then the last of these as
        often as needed; and the number of distinct ones.
    """
    kept = distinct(searched, n)
    if len(kept) < n:
        kept = distinct([*kept, *sampled], n)
    return tuple(kept + kept[-1:] * (n - len(kept))), len(kept)
