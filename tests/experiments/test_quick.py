"""The quick form of every experiment, from its name to its files, on tiny models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.conftest import in_this_process

from robustger.experiments.experiment import UNTRAINED
from robustger.experiments.known_experiments import PLACES
from robustger.experiments.measures.published import published
from robustger.experiments.perform import Options, perform
from robustger.experiments.runs import scales, trainings
from robustger.text import NORMALIZERS

TRAININGS = {
    "table1": 5, "table2": 5, "table3": 6, "table4": 3, "table5": 5, "llms": 6, "extractors": 3, "distillation": 5,
    "diversity": 0, "embedding": 2, "controls": 7, "nbest-size": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def quick(
    lab_folder: Path, recipe_file: Path, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder that all experiments were written to."""
    out = tmp_path_factory.mktemp("quick")
    said: list[str] = []
    options = Options(lab_folder, out, quick=True, recipe=recipe_file, base="none", lists=20, sentences=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "execute", in_this_process)
        # In the place of its other language models, which are larger.
        patch.setitem(scales.EXPERIMENT_SCALES, "lab", replace(scales.LAB, llms=(str(tiny_base),)))
        written, failures = perform(list(PLACES), options, said.append)
    assert failures == 0, said
    assert written == [out / name / f"{name}.md" for name in PLACES]
    return out


def named(value: Any, key: str) -> list[Any]:
    """All values of a key, however deep."""
    if isinstance(value, list):
        return [found for one in value for found in named(one, key)]
    if not isinstance(value, dict):
        return []
    own = [value[key]] if key in value else []
    return own + [found for one in value.values() for found in named(one, key)]


@pytest.mark.parametrize("name", PLACES)
def test_every_experiment_leaves_its_page_its_figures_and_all_that_made_them(quick: Path, name: str) -> None:
    page = (quick / name / f"{name}.md").read_text(encoding="utf-8")
    assert "**A quick look" in page
    assert ("The paper's" in page) == (published(name) is not None)
    pictures = sorted(path.stem for path in (quick / name).glob("*.png"))
    assert pictures == sorted(path.stem for path in (quick / name).glob("*.svg"))
    assert all(f"![{picture}.png]({picture}.png)" in page for picture in pictures)
    assert pictures or name == "table5"  # which is a page
    assert "no results of seed" not in page

    results = json.loads((quick / name / "results.json").read_text(encoding="utf-8"))
    settings, figures = results["settings"], results["figures"]
    assert settings["seeds"] == [0]
    assert "max_steps=4" in settings["changes"]
    digests = settings["data"]["sha256"]
    parts = ("corrector-more", "test", "test-clean")
    kinds = (".jsonl", ".embeddings.safetensors")
    assert {Path(path).name for path in digests} == {part + kind for part in parts for kind in kinds}
    assert all(len(digest) == 64 for digest in digests.values())
    assert "commit" in settings
    assert results["intervals"]["level"] == 0.95
    if name not in ("embedding", "table5"):
        assert named(figures, "interval")
    normalizers = {*named(figures, "normalizer"), *figures.get("normalizers", {})}
    assert normalizers <= set(NORMALIZERS.names())
    assert normalizers or name == "embedding"  # where no text is compared
    if TRAININGS[name]:
        assert [run["done"] for run in settings["runs"].values()] == [True] * TRAININGS[name]
        assert "adapter_lr: 0.05" in settings["recipe"]


@pytest.mark.parametrize(
    "name", [name for name in PLACES if name not in ("diversity", "embedding", "table5")]
)
def test_oracles_stand_in_their_order(quick: Path, name: str) -> None:
    figures = json.loads((quick / name / "results.json").read_text(encoding="utf-8"))["figures"]
    if name == "nbest-size":
        conditions = [
            [one["wer"][key]["value"] for key in ("o_cp", "o_nb", "best")] for one in figures["sizes"]
        ]
    else:
        conditions = [
            [board[system]["wer"][group]["value"] for system in ("o_cp", "o_nb", "1-best")]
            for board in figures["normalizers"].values()
            for group in board["1-best"]["wer"]
        ]
    assert conditions
    assert all(rates == sorted(rates) for rates in conditions)


def test_the_case_study_is_there_as_html_and_as_text(quick: Path) -> None:
    text = (quick / "table5" / "table5.txt").read_text(encoding="utf-8")
    page = (quick / "table5" / "table5.html").read_text(encoding="utf-8")
    for system in ("1-best", "LM_rank, n-gram", "MBR", "ROVER", "GER", "GER + audio denoising", "RobustGER"):
        assert system in text
        assert system in page


def test_parameters_are_those_of_what_was_trained(quick: Path) -> None:
    figures = json.loads((quick / "controls" / "results.json").read_text(encoding="utf-8"))["figures"]
    sizes = {name: one.get("parameters") for name, one in figures["normalizers"]["number"].items()}
    assert sizes[UNTRAINED] == 0
    assert sizes["GER, parameters matched"] == pytest.approx(sizes["RobustGER, no distillation"], rel=0.05)
