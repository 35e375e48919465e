"""Defines the protocol of a baseline, and functions that several baselines share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar

from robustger.hypotheses import NBest, Transcript
from robustger.text.normalizers import collapse_spaces

T = TypeVar("T")


class Baseline(Protocol):
    """Makes transcripts from N-best lists without training on the errors of such lists."""

    def transcribe(self, lists: Iterable[NBest]) -> Iterator[Transcript]:
        """One transcript a list, in their order; the lists may stream."""
        ...


def baseline_transcript(nbest: NBest, text: str, confidence: float) -> Transcript:
    """The transcript of a baseline whose text no language model wrote."""
    return Transcript(nbest.id, text, collapse_spaces(nbest.best), text, "baseline", "none", confidence)


def softmax(scores: Sequence[float]) -> list[float]:
    """exp(score) over their sum, for scores of any size; uniform where all are minus infinity."""
    top = max(scores)
    if top == -math.inf:
        return [1 / len(scores)] * len(scores)
    weights = [math.exp(score - top) for score in scores]
    total = sum(weights)
    return [weight / total for weight in weights]


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, `size` at a time."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
