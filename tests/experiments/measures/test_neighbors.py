"""The labels of nearest neighbors, against brute force and chance."""

from __future__ import annotations

import numpy as np
import pytest
from tests.experiments.conftest import in_rain_car_and_silence

from robustger.experiments.conditions import noise_kind
from robustger.experiments.measures.embeddings import same_by_chance, same_label


def test_neighbors_by_brute_force() -> None:
    lists = in_rain_car_and_silence(8)
    vectors = np.random.default_rng(0).normal(size=(24, 3))
    vectors[::3, 0] += 2  # rain
    shares = []
    for row in range(24):
        others = [other for other in range(24) if other // 3 != row // 3]
        nearest = sorted(others, key=lambda other: float(np.linalg.norm(vectors[other] - vectors[row])))[:4]
        shares.append(np.mean([other % 3 == row % 3 for other in nearest]))
    found = same_label(vectors, lists, noise_kind, neighbors=4)
    assert found.value == pytest.approx(np.mean(shares))
    assert found.interval is not None
    assert found.interval.low < found.value < found.interval.high


def test_sentences_alone_are_no_noise() -> None:
    """Lists of a sentence lie together, and the embedding knows nothing else, so that neighbors are random."""
    lists = in_rain_car_and_silence(60)
    random = np.random.default_rng(1)
    vectors = np.repeat(10 * random.normal(size=(60, 8)), 3, axis=0) + random.normal(size=(180, 8))
    found, chance = same_label(vectors, lists, noise_kind), same_by_chance(lists, noise_kind)
    assert chance == pytest.approx(1 / 3)
    assert found.interval is not None
    assert found.value == pytest.approx(chance, abs=0.05)


def test_chance_counts_lists_of_other_sentences() -> None:
    lists = in_rain_car_and_silence(3)[:-1]  # two in silence, three of each noise
    # Rain and car: 2 of 5, of the sentence with two lists 2 of 6. Silence: 1 of 5.
    assert same_by_chance(lists, noise_kind) == pytest.approx(
        np.mean([2 / 5] * 4 + [2 / 6] * 2 + [1 / 5] * 2)
    )
