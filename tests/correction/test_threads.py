"""Several threads share one corrector and get what they would get one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from robustger.correction import Corrector
from robustger.hypotheses import NBest, Transcript

THREADS = 6
WORDS = [
    *("the", "fare", "fair", "to", "denver", "night", "train", "light", "off", "of"),
    *("at", "nine", "wine", "half", "past", "ten"),
]


def lists_of(thread: int) -> list[NBest]:
    draw = random.Random(thread)
    return [
        NBest.from_texts(
            f"{thread}-{number}", [" ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(3)]
        )
        for number in range(8)
    ]


@pytest.mark.parametrize(
    ("guard", "num_beams"), [("none", 1), ("margin", 1), ("heard", 1), ("words", 1), ("none", 2)]
)
def test_threads_get_what_one_after_the_other_gets(
    tiny_corrector: Callable[..., Corrector], guard: str, num_beams: int
) -> None:
    corrector = tiny_corrector(n_best=3)
    fresh = tiny_corrector(n_best=3)  # its tokenizer and its encoder's memo are still unused
    parts = [lists_of(thread) for thread in range(THREADS)]

    def correct(shared: Corrector, lists: Sequence[NBest]) -> list[Transcript]:
        return shared.correct(lists, guard=guard, num_beams=num_beams, batch_size=3)

    expected = [correct(corrector, lists) for lists in parts]
    started = Barrier(THREADS)

    def together(lists: Sequence[NBest]) -> list[Transcript]:
        started.wait()
        return correct(fresh, lists)

    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(together, parts))
    for ours, theirs in zip(found, expected, strict=True):
        assert [(each.id, each.text, each.passes) for each in ours] == [
            (each.id, each.text, each.passes) for each in theirs
        ]
        assert [each.confidence for each in ours] == pytest.approx(
            [each.confidence for each in theirs], abs=1e-4
        )
