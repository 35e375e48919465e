"""The experiment on diversity: measures against figures by hand, and the experiment on a small laboratory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.experiments.conftest import context_of
from tests.experiments.readable import check_readable

from robustger.experiments.tables.diversity import (
    DIVERSITY,
    EVERY_NOISE,
    MeasuredLists,
    by_condition,
    by_snr,
    differing_words,
    measure_lists,
    rank_correlation,
)
from robustger.hypotheses import NBest, save_nbest


def embed(lists: Sequence[Sequence[str]]) -> torch.Tensor:
    """Rows of length 1 on the utterance level, and of length 3 on the token level."""
    rows = torch.zeros(len(lists), 20, 2)
    rows[:, :10, 0], rows[:, 10:, 1] = 1, 3
    return rows


def of(number: int, texts: Sequence[str], noise: str | None = None, snr_db: float | None = None) -> NBest:
    meta = {key: value for key, value in (("noise", noise), ("snr_db", snr_db)) if value is not None}
    return NBest.from_texts(f"u{number}", texts, reference="a b c d", meta=meta)


def test_words_that_differ_by_hand() -> None:
    assert differing_words([("a", "b"), ("a", "b"), ("a", "b")]) == 0
    # a b / a c: 1 of 2; a b / nothing: 2 of 2; a c / nothing: 2 of 2
    assert differing_words([("a", "b"), ("a", "c"), ()]) == pytest.approx((0.5 + 1 + 1) / 3)
    assert differing_words([("a", "b", "c"), ("b", "c")]) == pytest.approx(1 / 3)
    assert differing_words([("a",)]) == 0
    assert differing_words([(), ()]) == 0


def test_measures_of_a_list() -> None:
    """Typography does not count as a difference, and the sixth hypothesis is ignored."""
    lists = [of(0, ["a b, c d", "A b c d", "a b c", "a b c", "a b c", "z"])]
    found = measure_lists({"test": lists}, [], embed)
    assert found.measures["distinct"].tolist() == [2]
    assert found.measures["differing"][0] == pytest.approx(6 / 10 * 1 / 4)
    assert found.measures["utterance"].tolist() == [1]
    assert found.measures["token"].tolist() == [3]
    assert found.errors["best"].tolist() == [0]


def test_conditions_are_in_order_and_clean_speech_is_last() -> None:
    lists = [
        of(0, ["a"], "rain-1", 10),
        of(1, ["a"], "rain-2", -5),
        of(2, ["a"], "babble", 0),
        of(3, ["a"], "ac/vacuum-cleaner", 0),
    ]
    found = measure_lists({"noisy": lists, "chime4": [of(4, ["a"])]}, [of(5, ["a"])], embed)
    assert list(by_condition(found)) == [
        ("ac/vacuum-cleaner", 0),
        ("babble", 0),
        ("chime4", None),  # of which nothing is known is not clean
        ("rain", -5),
        ("rain", 10),
        ("clean", None),
    ]
    groups = by_snr(found)
    assert groups[EVERY_NOISE, 0] == [2, 3]
    assert next(iter(groups)) == (EVERY_NOISE, -5)
    assert list(groups)[-1] == ("clean", None)


def test_correlation_with_errors() -> None:
    texts = [["a b c d"] * 3, ["a b c e", "a b c d", "a b c f"], ["x y z w", "a b", "q"]]
    found = measure_lists({"t": [of(number, one) for number, one in enumerate(texts)]}, [], embed)
    assert rank_correlation(found, "differing") == pytest.approx(1)
    assert np.isnan(rank_correlation(found, "token"))  # the same for all


@pytest.mark.parametrize("seed", range(5))
def test_correlation_is_spearmans(seed: int) -> None:
    """The lists have many ties, and lists with an empty reference are left out."""
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(seed)
    values, errors, words = (
        random.integers(0, 6, 60).astype(float),
        random.integers(0, 4, 60),
        random.integers(0, 3, 60),
    )
    found = MeasuredLists([], [], {"token": values}, {"best": errors}, words)
    known = words > 0
    expected = stats.spearmanr(values[known], errors[known] / words[known]).statistic
    assert rank_correlation(found, "token") == pytest.approx(expected)


def test_the_experiment(lab_folder: Path, tmp_path: Path) -> None:
    context = context_of(lab_folder, tmp_path)
    outcome = DIVERSITY.run(context)
    by_name = outcome.results["conditions"]
    assert [(one["noise"], one["snr_db"]) for one in by_name["by SNR"]] == [
        *((EVERY_NOISE, snr) for snr in (-5, 0, 5, 10)),
        ("clean", None),
    ]
    assert sum(one["lists"] for one in by_name["by noise and SNR"]) == 25 + 7
    for one in by_name["by noise and SNR"]:
        assert 0 < one["differing"]["value"] < 1
        assert one["o_cp"]["value"] <= one["o_nb"]["value"] <= one["best"]["value"]
    json.dumps(outcome.results, allow_nan=False)
    assert [len(table.rows) for table in outcome.tables] == [5, 9]
    assert set(outcome.figures) == {"", "-map", "-wer"}
    for end, said in (
        ("", {"brown", "rain", "clean", "all noises"}),
        ("-map", {"brown", "rain", "SNR (dB)"}),
    ):
        assert check_readable(outcome.figures[end]()) >= said
    assert check_readable(outcome.figures["-wer"]()) >= {"brown", "rain", "clean", "SNR (dB)"}


def test_lists_that_name_no_noise(tmp_path: Path) -> None:
    for name in ("chime4", "wsj"):
        lists = [NBest.from_texts(f"{name}-{n}", ["a b", "a c", "b"], reference="a b") for n in range(3)]
        save_nbest(lists, tmp_path / f"{name}.jsonl")
    outcome = DIVERSITY.run(context_of(tmp_path, tmp_path))
    (table,) = outcome.tables
    assert [row[0] for row in table.rows] == ["chime4", "wsj"]
    assert set(outcome.figures) == {"-wer"}
    assert check_readable(outcome.figures["-wer"]()) >= {"chime4", "wsj", "lists"}
