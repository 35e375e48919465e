"""The distances of noise from clean speech, against figures by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from robustger.errors import InputError
from robustger.evaluation.intervals import Interval
from robustger.evaluation.measured import Measured
from robustger.experiments.measures.embeddings import (
    EVERY_KIND,
    MEAN_OF_KINDS,
    Moved,
    averaged,
    clean_spread,
    distances,
    pairs,
)
from robustger.hypotheses import NBest


def noisy(number: int, noise: str = "rain-1", snr_db: float = 0.0) -> NBest:
    meta = {"noise": noise, "snr_db": snr_db, "mix": {"source_id": f"s{number}"}}
    return NBest.from_texts(f"s{number}-{noise}-{snr_db}", ["a"], meta=meta)


def clean(number: int) -> NBest:
    return NBest.from_texts(f"s{number}", ["a"])


def test_two_sentences_by_hand() -> None:
    moved = Moved(np.array([[3.0], [5.0]]), ["a", "b"])
    assert moved.length() == pytest.approx(np.sqrt(15))
    assert Moved(np.array([[3.0], [-5.0]]), ["a", "b"]).length() == 0
    # (1, 0) and (3, 0) of one sentence, (2, 2) of another: the pairs are 1*2 and 3*2.
    values = np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 2.0]])
    assert Moved(values, ["a", "a", "b"]).length() == pytest.approx(2.0)
    with pytest.raises(ValueError, match="two sentences"):
        Moved(values, ["a", "a", "a"])


def test_clean_speech_that_spreads_by_one() -> None:
    assert clean_spread(np.array([[0.0, 1.0], [2.0, 1.0]])) == pytest.approx(np.sqrt(2))


def test_noise_that_moves_nothing_has_no_distance() -> None:
    """The changes are random and have no direction; the plain mean would be far from 0."""
    values = np.random.default_rng(0).normal(size=(10, 4000))
    names = [str(n) for n in range(10)]
    assert np.linalg.norm(values.mean(0)) > 15
    assert Moved(values, names).length() < 5
    shifted = Moved(values + 1.0, names)
    assert shifted.length() == pytest.approx(np.sqrt(4000), rel=0.05)
    ends = shifted.interval()
    assert ends.low < shifted.length() < ends.high


def test_bootstrap_repeats_are_no_pairs() -> None:
    """Sentences may be drawn twice: the value equals brute force over the pairs of different sentences."""
    values = np.random.default_rng(1).normal(1.0, 1.0, size=(4, 3))
    times = np.array([2.0, 0.0, 1.0, 1.0])
    drawn = [0, 0, 2, 3]
    products = [
        values[a] @ values[b] for i, a in enumerate(drawn) for j, b in enumerate(drawn) if i != j and a != b
    ]
    apart = sum(1 for i, a in enumerate(drawn) for j, b in enumerate(drawn) if a != b)
    found = Moved(values, ["a", "b", "c", "d"]).length(times)
    assert found == pytest.approx(np.sqrt(sum(products) / apart))


def test_kinds_of_noise_by_brute_force() -> None:
    random = np.random.default_rng(2)
    lists = [noisy(number, noise) for noise in ("rain-1", "rain-2", "car-0") for number in range(5)]
    found = pairs([clean(number) for number in range(5)], [*lists, noisy(0, "siren-1")], None)
    vectors, clean_vectors = random.normal(1.0, 1.0, size=(16, 4)), random.normal(size=(5, 4))
    partners = [int(partner.id[1:]) for _, partner in found]
    result = distances(found, vectors, clean_vectors, partners)
    assert list(result) == ["car", "rain", EVERY_KIND, MEAN_OF_KINDS]  # of siren there is one sentence only
    moved = vectors - clean_vectors[partners]
    spread = clean_spread(clean_vectors)
    rain = [row for row, (nbest, _) in enumerate(found) if "rain" in nbest.id]
    products = [moved[a] @ moved[b] for a in rain for b in rain if partners[a] != partners[b]]
    assert result["rain"].value == pytest.approx(np.sqrt(np.mean(products)) / spread)
    assert result[MEAN_OF_KINDS].value == pytest.approx((result["rain"].value + result["car"].value) / 2)
    longer = distances(found, 10 * vectors + 7, 10 * clean_vectors + 7, partners)
    assert longer["rain"].value == pytest.approx(result["rain"].value)


def test_lists_are_paired_by_what_was_said() -> None:
    lists = [noisy(0), noisy(1), noisy(1, snr_db=5.0), noisy(7)]
    found = pairs([clean(0), clean(1), clean(2)], lists, (0, 5))
    assert [(a.id, b.id) for a, b in found] == [
        ("s0-rain-1-0.0", "s0"),
        ("s1-rain-1-0.0", "s1"),
        ("s1-rain-1-5.0", "s1"),
    ]
    assert len(pairs([clean(0), clean(1)], lists, (0,))) == 2
    with pytest.raises(InputError, match="no two sentences at 5 dB"):
        pairs([clean(0), clean(1)], lists, (5,))
    with pytest.raises(InputError, match="no two sentences have clean partners"):
        pairs([clean(0)], lists, None)


def test_seeds_are_averaged() -> None:
    one = {"rain": Measured(1.0, Interval(0.5, 1.5))}
    assert averaged([one]) == one
    assert averaged([one, {"rain": Measured(3.0)}]) == {"rain": Measured(2.0)}
