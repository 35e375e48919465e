"""Gives the benchmarks N-best lists: the development lists of HyPoradise, or those of the demo if they are missing."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from robustger.hypotheses import Hypothesis, NBest, load_nbest


def source_lists(path: str | Path | None = None) -> list[NBest]:
    """All lists of a file; without one, the dev lists of all sets of HyPoradise in `$ROBUSTGER_DATA`, or the demo's.

    The sets are mixed by a fixed seed, so that the first few hundred lists are of all of them.
    """
    if path is not None:
        return list(load_nbest(path))
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        return list(load_nbest(str(files("robustger.presets") / "demo.jsonl")))
    lists = [
        replace(nbest, id=f"{file.name.partition('.')[0]}-{nbest.id}")
        for file in sorted((Path(data) / "hyporadise").glob("*.dev.jsonl"))
        for nbest in load_nbest(file)
    ]
    random.Random(0).shuffle(lists)
    return lists


def distinct_lists(count: int, path: str | Path | None = None) -> list[NBest]:
    """`count` lists of `source_lists`; where there are fewer, they come again with their words in another order.

    A list that came again as it was would be remembered, and cost less.
    """
    lists = source_lists(path)
    turned = (
        replace(
            nbest,
            id=f"{nbest.id}-{turn}" if turn else nbest.id,
            hypotheses=tuple(Hypothesis(_turned(text, turn)) for text in nbest.texts),
        )
        for turn in itertools.count()
        for nbest in lists
    )
    return list(itertools.islice(turned, count))


def spoken_words(lists: Sequence[NBest]) -> float:
    """Words of the 1-best, on average."""
    return sum(len(nbest.best.split()) for nbest in lists) / len(lists)


def _turned(text: str, turn: int) -> str:
    words = text.split()
    start = turn % len(words) if words else 0
    return " ".join(words[start:] + words[:start])
