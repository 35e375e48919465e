"""The recipe that fits word confidences: it finds the model that made the data, and measures as written out by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from robustger.correction.confidence import ConfidenceModel, WordEvidence
from robustger.hypotheses import NBest, Transcript

SCRIPT = Path(__file__).parents[2] / "recipes" / "confidence" / "fit.py"


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("confidence_fit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


def test_it_finds_the_model_that_made_the_words(recipe: ModuleType) -> None:
    truth = ConfidenceModel(intercept=0.5, share_log_odds=0.7, edited=-0.6, log_probability=2.0)
    generator = np.random.default_rng(0)
    evidence = [
        WordEvidence(float(share), bool(edited), float(-log))
        for share, edited, log in zip(
            generator.random(40_000), generator.random(40_000) < 0.3, generator.random(40_000), strict=True
        )
    ]
    right = np.array([generator.random() < truth.probability(one) for one in evidence], float)
    words = recipe.JudgedWords(evidence, right, np.arange(len(right)), right)
    found = recipe.fit(words).model_dump()
    assert found == pytest.approx(truth.model_dump(), abs=0.12)


def test_measures_worked_out_by_hand(recipe: ModuleType) -> None:
    confidences = np.array([0.9, 0.95, 0.25, 0.21])
    right = np.array([1.0, 0.0, 0.0, 1.0])
    assert recipe.calibration_error(confidences, right) == pytest.approx(
        (abs(0.925 - 0.5) + abs(0.23 - 0.5)) / 2
    )
    assert recipe.auc(confidences, right) == 0.25  # of four pairs only (0.9, 0.25) is in order
    assert recipe.auc(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == 0.5
    assert recipe.calibration_error(right, right) == 0


def test_words_are_right_where_the_reference_holds_them_at_their_place(recipe: ModuleType) -> None:
    lists = [
        NBest.from_texts("a", ["what is the fair"], reference="what is the fare"),
        NBest.from_texts("b", ["left out"], reference="left out"),
    ]
    transcripts = [
        Transcript("a", "what is a fare", "what is the fair", "", "llm", "none", 0.5),
        Transcript("b", "left out", "left out", "", "too_long", "none", 0.0),
    ]
    words = recipe.judged_words(lists, transcripts)
    assert words.right.tolist() == [1, 1, 0, 1]
    assert [one.edited for one in words.evidence] == [False, False, True, True]
    assert words.before.tolist() == [0.5] * 4
