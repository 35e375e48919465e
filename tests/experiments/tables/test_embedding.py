"""The experiment on embeddings: t-SNE planes by brute force, and the experiment on a small laboratory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.experiments.conftest import context_of, in_rain_car_and_silence
from tests.experiments.readable import check_readable

from robustger.correction import Corrector
from robustger.errors import InputError, MissingExtraError
from robustger.experiments.data import ExperimentData
from robustger.experiments.experiment import Finished, RunKey
from robustger.experiments.measures.embeddings import pairs
from robustger.experiments.tables.embedding import (
    AUDIO_EMBEDDING,
    EMBEDDING,
    STORED,
    TUNED,
    CleanPairs,
    findings_of,
    frequent_kinds,
    t_sne,
    tuned_embeddings,
)
from robustger.hypotheses import NBest, load_nbest, save_nbest


def test_what_lies_apart_lies_apart_on_the_plane() -> None:
    random = np.random.default_rng(2)
    vectors = random.normal(size=(60, 80))
    vectors[30:] += 3
    plane = t_sne(vectors)
    assert plane.shape == (60, 2)
    for row in range(60):
        apart = np.linalg.norm(plane - plane[row], axis=1)
        apart[row] = np.inf
        assert (apart.argmin() < 30) == (row < 30)
    assert np.array_equal(plane, t_sne(vectors))


def test_the_kinds_of_the_figure() -> None:
    lists = [n for n in in_rain_car_and_silence(4) if n.id != "s0_car-2"]
    assert frequent_kinds(lists) == ["rain", "car"]
    assert frequent_kinds(in_rain_car_and_silence(4)) == ["car", "rain"]
    assert frequent_kinds(lists, 1) == ["rain"]


def test_a_missing_scikit_learn_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(MissingExtraError, match="scikit-learn"):
        t_sne(np.zeros((4, 2)))


@pytest.fixture(scope="module")
def trained(
    tiny_corrector: Callable[..., Corrector], tmp_path_factory: pytest.TempPathFactory
) -> dict[RunKey, Finished]:
    """Two trainings without distillation, the second with distances ten times as large, and one with distillation."""
    folder = tmp_path_factory.mktemp("trained")
    finished = {}
    for arm, seed in (("robustger", 0), ("robustger", 1), ("mine-paper", 0)):
        corrector = tiny_corrector(n_best=3)
        if seed:
            with torch.no_grad():
                corrector.llm.adapter.get_parameter("tuner.weight").mul_(10)
        corrector.save_pretrained(folder / f"{arm}-{seed}" / "best")
        finished[RunKey(arm, "", seed)] = Finished(folder / f"{arm}-{seed}", seed)
    return finished


def test_the_experiment(lab_folder: Path, tmp_path: Path, trained: dict[RunKey, Finished]) -> None:
    context = context_of(lab_folder, tmp_path, seeds=(0, 1), finished=trained)
    found = EMBEDDING.run(context)
    distances = found.results["distances"]
    assert list(distances) == [AUDIO_EMBEDDING, STORED, *TUNED.values()]
    assert list(distances[STORED]) == ["brown", "rain", "all kinds", "mean of kinds"]
    # A seed with everything ten times as far has the same distances, so the mean of both is that of the first.
    bare, distilled = (distances[name] for name in TUNED.values())
    for kind, one in distilled.items():
        assert bare[kind]["value"] == pytest.approx(one["value"], rel=1e-3)
    assert bare["rain"]["interval"] is None
    assert distilled["rain"]["interval"] is not None
    json.dumps(found.results, allow_nan=False)
    assert found.notes == ()
    said = check_readable(found.figures[""]())
    letters = dict(zip("abcd", [AUDIO_EMBEDDING, STORED, *TUNED.values()], strict=True))
    assert said >= {f"({letter}) {name}" for letter, name in letters.items()}
    assert said >= {"brown", "rain", "clean", "0 dB", "5 dB", "10 dB"}
    assert "-5 dB" not in said  # trainings are not tested there


def test_distances_are_those_of_what_the_adapter_makes(
    lab_folder: Path, trained: dict[RunKey, Finished]
) -> None:
    corrector = Corrector.from_pretrained(trained[RunKey("mine-paper", "", 0)].checkpoint)
    lists = load_nbest(lab_folder / "lists" / "test.jsonl")[:5]
    with torch.no_grad():
        rows = corrector.noise_embedding([nbest.texts for nbest in lists])
        expected = torch.cat(corrector.llm.adapter.tuned_noise(rows), -1).flatten(1)
    assert np.allclose(tuned_embeddings(corrector, lists), expected.float().numpy(), atol=1e-6)


def test_a_corrector_without_noise_is_refused(tiny_corrector: Callable[..., Corrector]) -> None:
    with pytest.raises(InputError, match="ger has no noise embedding"):
        tuned_embeddings(tiny_corrector(n_best=3, variant="ger"), in_rain_car_and_silence(1))


def test_what_is_not_trained_is_named(lab_folder: Path, tmp_path: Path) -> None:
    found = EMBEDDING.run(context_of(lab_folder, tmp_path, quick=True))
    assert list(found.results["distances"]) == [AUDIO_EMBEDDING, STORED]
    assert found.notes == (f"Missing, because it was not trained: {', '.join(TUNED.values())}.",)
    assert check_readable(found.figures[""]()) >= {"(a) audio", "(b) E_LN"}


def test_without_clean_speech_there_is_nothing_to_move_from(tmp_path: Path) -> None:
    save_nbest([NBest.from_texts("a", ["b"], reference="b")], tmp_path / "some.jsonl")
    with pytest.raises(InputError, match="no lists of the same sentences in clean speech"):
        EMBEDDING.run(context_of(tmp_path, tmp_path))


def test_what_noise_changes_is_seen_when_the_sentence_is_taken_away(tmp_path: Path) -> None:
    lists = in_rain_car_and_silence(12)
    random = np.random.default_rng(3)
    vectors = np.repeat(10 * random.normal(size=(12, 4)), 3, axis=0) + 0.1 * random.normal(size=(36, 4))
    vectors[::3, 0] += 1  # rain
    order = [row for row in range(36) if row % 3 < 2] + [row for row in range(36) if row % 3 == 2]
    found = pairs(lists[2::3], lists, None)
    paired = CleanPairs.of([pair for pair in found if pair[0] is not pair[1]])
    assert [nbest.id for nbest in paired.lists] == [lists[row].id for row in order]
    moved = paired.moved(vectors[order])
    assert np.allclose(moved[0], vectors[0] - vectors[2])
    nothing = ExperimentData(tmp_path, (), (), {})
    context = context_of(nothing, tmp_path)
    result = findings_of(context, paired, {STORED: vectors[order]}, {STORED: {}})
    near = result.results["neighbors"]
    assert result.notes[0].startswith("No embedding of the audio")
    assert near[STORED]["same noise, less clean"]["value"] == 1
    assert near[STORED]["same noise"]["value"] < 0.6
    assert near["by chance"]["same noise, less clean"]["value"] == pytest.approx(0.5)
    assert near["by chance"]["same noise"]["value"] == pytest.approx(1 / 3)
    assert near["by chance"]["same SNR"]["value"] == pytest.approx((24 * 22 + 12 * 11) / 36 / 33)
    assert [row[0] for row in result.tables[1].rows] == [STORED, "by chance"]
    assert check_readable(result.figures[""]()) >= {"(a) E_LN", "rain", "car", "clean", "5 dB"}
    assert "clean" not in check_readable(result.figures["-moved"]())
