"""Weights and thresholds follow the lists they are fitted to, and the risk is bounded."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from robustger.correction.calibration import JudgedList, calibrate, upper_bound
from robustger.correction.weighing import CandidateText
from robustger.errors import InputError

BOTH = ("recognizer", "language_model")


def simulated(count: int, seed: int, informative: str) -> list[JudgedList]:
    """Lists of two texts, of which the second is right in two of five; one kind of evidence tells which."""
    draw = random.Random(seed)
    lists = []
    for number in range(count):
        better = draw.random() < 0.4
        said = "we saw the red boat" if better else "we saw the red coat"
        for_second = (3.0 if better else -3.0) + draw.gauss(0, 1.5)
        noise = draw.gauss(0, 3)
        recognizer, language_model = (
            (for_second, noise) if informative == "recognizer" else (noise, for_second)
        )
        lists.append(
            JudgedList(
                [
                    CandidateText("we saw the red coat", -10.0, -10.0),
                    CandidateText("we saw the red boat", -10.0 + recognizer, -10.0 + language_model),
                ],
                said,
                f"speaker {number % 10}",
            )
        )
    return lists


@pytest.mark.parametrize("informative", ["recognizer", "language_model"])
def test_the_evidence_that_tells_gets_the_weight(informative: str):
    result = calibrate(simulated(300, 1, informative), evidence=BOTH, normalize=str)
    weights = result.weights
    other = {"recognizer": "language_model", "language_model": "recognizer"}[informative]
    assert getattr(weights, informative) > 4 * abs(getattr(weights, other))
    assert result.chosen.errors < 0.4 * result.chosen.errors_before
    assert result.chosen.errors_before == sum(
        one.reference.endswith("boat") for one in simulated(300, 1, "recognizer")
    )


def test_a_second_recognizer_that_tells_gets_the_weight():
    lists = [
        replace(
            one,
            candidates=[
                replace(text, recognizer=text.language_model, second=text.recognizer, language_model=None)
                for text in one.candidates
            ],
        )
        for one in simulated(300, 1, "recognizer")
    ]
    weights = calibrate(lists, evidence=("recognizer", "second"), normalize=str).weights
    assert weights.second > 4 * weights.recognizer


def test_evidence_that_does_not_take_part_has_no_weight():
    assert (
        calibrate(
            simulated(60, 2, "language_model"), evidence=("language_model",), normalize=str
        ).weights.recognizer
        == 0
    )


def test_the_risk_is_kept_and_a_lower_risk_is_stricter():
    lists = simulated(800, 3, "recognizer")
    strict = calibrate(lists, evidence=BOTH, normalize=str, risk=0.04)
    loose = calibrate(lists, evidence=BOTH, normalize=str, risk=0.2)
    assert strict.weights.min_gain > loose.weights.min_gain
    for result, risk in ((strict, 0.04), (loose, 0.2)):
        assert result.chosen.harmful_bound <= risk
        assert result.chosen.harmful + result.chosen.helpful <= result.chosen.edits


def test_a_risk_that_cannot_be_kept_is_refused():
    with pytest.raises(InputError, match=r"no threshold keeps the share of harmful edits below 0\.001"):
        calibrate(simulated(40, 5, "recognizer"), evidence=BOTH, normalize=str, risk=0.001)
    with pytest.raises(InputError, match="at least two speakers"):
        calibrate(simulated(1, 5, "recognizer"), evidence=BOTH, normalize=str)


def test_the_bound_is_that_of_clopper_and_pearson():
    assert upper_bound(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59), abs=1e-9)
    assert upper_bound(3, 100) == pytest.approx(0.0757, abs=2e-4)
    assert upper_bound(5, 5) == 1.0
