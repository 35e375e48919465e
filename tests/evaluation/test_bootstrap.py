from __future__ import annotations

import math

import numpy as np
import pytest

from robustger.errors import InputError
from robustger.evaluation import bootstrap, paired_bootstrap
from robustger.evaluation.bootstrap import Drawing, cluster_sums, compare, draw_counts, resampled_sums
from robustger.evaluation.intervals import percentile_interval
from robustger.evaluation.wer import error_rates, relative_reductions


def test_sums_match_explicit_resampling():
    columns = np.random.default_rng(1).integers(0, 9, size=(17, 3))
    rows = np.random.default_rng(5).integers(17, size=(40, 17))
    expected = columns[rows].sum(axis=1)
    assert np.array_equal(resampled_sums(columns, resamples=40, seed=5), expected)


def test_block_size_does_not_change_the_draws(monkeypatch: pytest.MonkeyPatch):
    columns = np.arange(22).reshape(11, 2)
    whole = resampled_sums(columns, resamples=50, seed=3)
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 25)  # two resamples at a time
    assert np.array_equal(whole, resampled_sums(columns, resamples=50, seed=3))
    assert not np.array_equal(whole, resampled_sums(columns, resamples=50, seed=4))


def test_multinomial_draws_are_counts_of_the_same_generator():
    columns = np.random.default_rng(1).normal(size=(17, 3))
    times = np.random.default_rng(5).multinomial(17, np.full(17, 1 / 17), size=40).astype(float)
    found = resampled_sums(columns, resamples=40, seed=5, drawing="multinomial")
    assert np.array_equal(found, times @ columns)
    assert np.array_equal(next(draw_counts(17, resamples=40, seed=5, drawing="multinomial")), times)


@pytest.mark.parametrize("drawing", ["rows", "multinomial"])
def test_every_resample_draws_as_many_rows_as_there_are(drawing: Drawing):
    counts = np.concatenate(list(draw_counts(23, resamples=300, seed=2, drawing=drawing)))
    assert counts.shape == (300, 23)
    assert (counts.sum(axis=1) == 23).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(23), abs=0.25)


def test_one_utterance_has_no_spread():
    result = paired_bootstrap([4], [1], [10])
    assert result.absolute_interval.low == result.absolute_interval.high == pytest.approx(0.3)
    assert result.relative_reduction == pytest.approx(0.75)
    assert result.share_not_better == 0


def test_equal_systems_are_never_better():
    errors = np.arange(50) % 3
    result = paired_bootstrap(errors, errors, np.full(50, 10))
    assert result.absolute_reduction == result.relative_reduction == 0
    assert (result.relative_interval.low, result.relative_interval.high) == (0, 0)
    assert result.share_not_better == 1


def test_pairing_makes_a_steady_gain_certain():
    """One error fewer everywhere: the WERs spread widely, their difference hardly."""
    base = np.random.default_rng(0).integers(1, 9, size=200)
    words = np.full(200, 10)
    result = paired_bootstrap(base, base - 1, words)
    assert result.absolute_interval.low == result.absolute_interval.high == pytest.approx(0.1)
    interval = percentile_interval(
        error_rates(*resampled_sums(np.stack([base, words], 1), resamples=500, seed=0).T)
    )
    assert interval.high - interval.low > 0.03


def coverage(simulations: int, clusters: int, size: int, *, clustered: bool, seed: int) -> dict[str, float]:
    """How often 95 % intervals hold the truth, WER 0.15 less a fifth, over simulated corpora.

    Args:
        simulations: number of corpora.
        clusters: speakers in each.
        size: utterances of each speaker, all as difficult as the speaker.
        clustered: whether speakers are resampled, or utterances.
        seed: of the corpora.
    """
    random = np.random.default_rng(seed)
    speakers = np.repeat(np.arange(clusters), size)
    covered = {"wer": 0, "relative": 0, "absolute": 0}
    for number in range(simulations):
        words = random.integers(3, 20, size=clusters * size)
        base = random.binomial(words, random.beta(1.5, 8.5, size=clusters)[speakers])
        table = np.stack([base, random.binomial(base, 0.8), words], axis=1)
        rows = cluster_sums(table, speakers) if clustered else table
        base_samples, new_samples, word_samples = resampled_sums(rows, resamples=500, seed=number).T
        base_errors, new_errors, all_words = map(int, table.sum(axis=0))
        result = compare(base_errors, new_errors, all_words, base_samples, new_samples, word_samples)
        interval = percentile_interval(error_rates(base_samples, word_samples))
        covered["wer"] += interval.low <= 0.15 <= interval.high
        covered["relative"] += result.relative_interval.low <= 0.2 <= result.relative_interval.high
        covered["absolute"] += result.absolute_interval.low <= 0.03 <= result.absolute_interval.high
    return {quantity: count / simulations for quantity, count in covered.items()}


@pytest.mark.parametrize(("clusters", "size"), [(400, 1), pytest.param(300, 4, marks=pytest.mark.slow)])
def test_intervals_cover_at_the_nominal_rate(clusters: int, size: int):
    for quantity, rate in coverage(1500, clusters, size, clustered=True, seed=size).items():
        assert 0.93 <= rate <= 0.97, (quantity, rate)


def test_utterances_that_depend_on_each_other_need_clusters():
    """Twelve utterances of each of 60 speakers: resampling utterances misses the truth several times as often."""
    plain = coverage(100, 60, 12, clustered=False, seed=0)["wer"]
    assert plain < 0.75 < 0.87 < coverage(100, 60, 12, clustered=True, seed=0)["wer"]


def test_cluster_sums():
    columns = [[1, 10], [2, 20], [3, 30], [4, 40]]
    assert cluster_sums(columns, ["b", "a", "b", "c"]).tolist() == [[2, 20], [4, 40], [4, 40]]
    result = paired_bootstrap([3, 1, 2], [1, 1, 0], [9, 9, 9], clusters=[0, 0, 0])
    assert result.absolute_interval.low == result.absolute_interval.high == pytest.approx(4 / 27)


def test_values_without_denominator():
    assert np.isnan(error_rates([1], [0])).all()
    assert relative_reductions([0, 0, 4], [0, 2, 3]).tolist() == [0, -math.inf, 0.25]


def test_a_base_without_errors_in_some_resamples():
    """Infinite samples stay infinite ends and never become NaN."""
    result = paired_bootstrap([1, 0, 0], [0, 1, 0], [5, 5, 5])
    assert result.relative_interval.low == -math.inf
    assert result.relative_interval.high == 1


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (([1], [1, 2], [1]), {}, "one equal, non-zero length"),
        (([], [], []), {}, "one equal, non-zero length"),
        (([1, 2], [1, 2], [5, 5]), {"clusters": ["a"]}, "one cluster for each of 2 utterances"),
        (([1], [1], [1]), {"resamples": 0}, "resamples must be at least 1"),
        (([1], [1], [1]), {"seed": -1}, "seed must be 0 or greater"),
    ],
)
def test_wrong_arguments_are_refused(arguments, settings, message: str):
    with pytest.raises(InputError, match=message):
        paired_bootstrap(*arguments, **settings)
