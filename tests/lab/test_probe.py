"""The probe of an embedding finds information that is there, and finds none where there is none."""

from __future__ import annotations

import numpy as np

from lab import probe

COUNT, WIDTH = 400, 6


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors, and a number of which two thirds are a linear function of them."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(COUNT, WIDTH))
    told = vectors @ np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    return vectors, told + random.normal(size=COUNT)


def r_squared(cell: str) -> tuple[float, float, float]:
    value, low, high = cell.replace("[", "").replace("]", "").replace(",", "").split()
    return float(value), float(low), float(high)


def test_it_finds_as_much_as_is_there() -> None:
    train, target = drawn(0)
    test, truth = drawn(1)
    known = probe.reduced(train, test)
    assert known["train"].shape == known["test"].shape == (COUNT, WIDTH)
    assert np.allclose(known["train"].std(0), 1)
    said = probe.predicted(known["train"], target, known["test"])
    value, low, high = r_squared(probe.explained(said, truth, [f"{n}" for n in range(COUNT)]))
    assert low < value < high
    assert low < 2 / 3 < high


def test_it_finds_nothing_where_nothing_is() -> None:
    train, _ = drawn(0)
    test, _ = drawn(1)
    targets = np.random.default_rng(2).normal(size=(2, COUNT))
    known = probe.reduced(train, test)
    said = probe.predicted(known["train"], targets[0], known["test"])
    value, _, _ = r_squared(probe.explained(said, targets[1], [f"{n}" for n in range(COUNT)]))
    assert value < 0.02


def test_sentences_that_come_again_widen_the_interval() -> None:
    said, truth = np.repeat(drawn(3)[1], 8), np.repeat(drawn(3)[0].sum(1), 8)
    alone = r_squared(probe.explained(said, truth, [f"{n}" for n in range(8 * COUNT)]))
    together = r_squared(probe.explained(said, truth, [f"{n // 8}" for n in range(8 * COUNT)]))
    assert together[0] == alone[0]
    assert together[2] - together[1] > 2 * (alone[2] - alone[1])
