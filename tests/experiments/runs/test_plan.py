"""Plans of trainings: their configurations, folders and digests."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from robustger.correction import Corrector
from robustger.errors import InputError
from robustger.experiments.data import load_data
from robustger.experiments.experiment import ARMS, RunKey, run_keys
from robustger.experiments.runs.arms import Change
from robustger.experiments.runs.plan import _layers_of_ger, _resolved, _settings
from robustger.experiments.runs.run import ArmPlan, TrainingRun
from robustger.experiments.runs.scales import EXPERIMENT_SCALES, LAB, PAPER, get_scale
from robustger.experiments.runs.start import StartChange
from robustger.experiments.runs.trainings import Trainings, how_far, plan_trainings
from robustger.training.config import TrainingConfig

Planned = Callable[..., Trainings]


@pytest.fixture
def planned(lab_folder: Path, recipe_file: Path, tmp_path: Path) -> Planned:
    """Plans trainings of a small laboratory in a folder of the test's own."""

    def make(
        arms: Any = tuple(ARMS),
        seeds: tuple[int, ...] = (0,),
        config: Path = recipe_file,
        changes: str = "",
        added: tuple[str, ...] = ("",),
        source: Path = lab_folder,
        lists: int = 12,
        sentences: int = 2,
    ) -> Trainings:
        small = replace(LAB, recipe=config, changes=changes, lists=lists, sentences=sentences)
        needed = [(arm, change) for change in added for arm in arms]
        return plan_trainings(load_data(source), small, tmp_path / "runs", needed, seeds, lambda line: None)

    return make


def config_of(run: TrainingRun[ArmPlan]) -> TrainingConfig:
    assert run.config is not None
    return run.config


def stored(run: TrainingRun[ArmPlan], name: str = "run.json") -> None:
    run.folder.mkdir(exist_ok=True)
    (run.folder / name).write_text(json.dumps(run.plan.to_dict()), encoding="utf-8")


def test_the_first_seed_of_all_arms_comes_first(planned: Planned) -> None:
    runs = planned(seeds=(4, 5)).arms
    expected = [(4, arm) for arm in ARMS] + [(5, arm) for arm in ARMS if arm != "untrained"]
    assert [(run.plan.key.seed, run.plan.key.arm) for run in runs] == expected
    assert len({run.folder for run in runs}) == len({run.plan.digest for run in runs}) == len(runs)
    steps = {str([config_of(run).optimization, config_of(run).data.train]) for run in runs}
    assert len(steps) == 1
    assert len({arm.title for arm in ARMS.values()}) == len(ARMS)


def test_a_training_that_two_experiments_need_is_there_once() -> None:
    keys = run_keys([("ger", ""), ("robustger", "lists=4"), ("ger", "")], "a=1", (0, 1))
    assert keys == [
        RunKey("ger", "a=1", 0),
        RunKey("robustger", "a=1 lists=4", 0),
        RunKey("ger", "a=1", 1),
        RunKey("robustger", "a=1 lists=4", 1),
    ]


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_matched_has_as_many_parameters(
    planned: Planned, recipe_file: Path, tmp_path: Path, variant: str
) -> None:
    content = yaml.safe_load(recipe_file.read_text(encoding="utf-8"))
    content["corrector"]["variant"] = variant
    config = tmp_path / "variant.yaml"
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    runs = planned(("robustger", "ger-matched", "ger"), config=config).arms
    correctors = {run.plan.key.arm: Corrector.create(config_of(run).corrector, device="cpu") for run in runs}
    counts = {
        arm: sum(value.numel() for value in one.llm.adapter.parameters()) for arm, one in correctors.items()
    }
    assert correctors["robustger"].llm.variant == variant
    shape = correctors["ger-matched"].llm.shape
    assert abs(counts["ger-matched"] - counts["robustger"]) <= shape.layers * shape.width / 2
    assert counts["ger"] < counts["ger-matched"]
    assert correctors["ger-matched"].llm.layers == correctors["robustger"].llm.layers


def test_arms_that_need_it_know_the_lists_and_the_model(planned: Planned, tiny_base: Path) -> None:
    runs = planned(("audio-denoising", "token-embedding", "ngrams", "robustger")).arms
    audio, tokens, ngrams, plain = (config_of(run).corrector for run in runs)
    assert (audio.noise, audio.noise_dimension) == ("audio", 6)
    assert (tokens.extractor, tokens.encoder) == ("llm", str(tiny_base))
    width = json.loads((tiny_base / "config.json").read_text())["hidden_size"]
    assert tokens.noise_dimension == width
    assert (ngrams.encoder, ngrams.noise_dimension) == ("hashed-16", 16)
    assert plain.extractor == "sbert"


def test_changes_are_trainings_of_their_own(planned: Planned, tiny_base: Path) -> None:
    changes = ("optimization.adapter_lr=0.5 start.noise_gate=0.1", "lists=4", f"llm={tiny_base}")
    runs = planned(("robustger",), added=("", *changes)).arms
    assert [run.plan.key.change for run in runs] == ["", *changes]
    assert [config_of(run).optimization.adapter_lr for run in runs] == [0.05, 0.5, 0.05, 0.05]
    names = ["arms-12.jsonl", "arms-12.jsonl", "arms-4.jsonl", "arms-12.jsonl"]
    assert [Path(config_of(run).data.train[0]).name for run in runs] == names
    assert runs[1].plan.start == StartChange(noise_gate=0.1)
    assert config_of(runs[1]).initial == str(runs[1].folder / "start")
    assert config_of(runs[3]).corrector.base == str(tiny_base)
    with pytest.raises(InputError, match="a number is needed"):
        Change.parse("lists=many")


def test_a_change_to_more_lists_leaves_the_others_with_theirs(planned: Planned) -> None:
    few, more = planned(("ger",), lists=8, added=("", "lists=12")).arms
    names = [Path(config_of(run).data.train[0]).name for run in (few, more)]
    assert names == ["arms-8.jsonl", "arms-12.jsonl"]
    (alone,) = planned(("ger",), lists=8).arms
    assert alone == few
    (changed,) = planned(("ger",), lists=12, changes="lists=8").arms
    assert changed.plan.digest == few.plan.digest


def test_other_content_gets_a_folder_beside_what_is_there(planned: Planned) -> None:
    (run,) = planned(("ger",)).arms
    stored(run)
    assert planned(("ger",)).arms == (run,)
    (other,) = planned(("ger",), lists=8).arms
    assert other.folder != run.folder
    assert other.folder.name.startswith("ger-0-")
    assert config_of(other).output == str(other.folder)
    stored(other, "results.json")
    assert planned(("ger",), lists=8).arms == (other,)
    assert other.done
    assert planned(("ger",)).arms == (run,)


def test_a_start_moves_with_its_run_and_is_none_where_there_is_no_noise(planned: Planned) -> None:
    gate = "start.noise_gate=1.0"
    first, plain = planned(("robustger", "ger"), changes=gate).arms
    assert (first.plan.start, plain.plan.start) == (StartChange(noise_gate=1.0), StartChange())
    assert config_of(plain).initial is None
    stored(first)
    (moved, _) = planned(("robustger", "ger"), changes=gate, lists=8).arms
    assert moved.folder != first.folder
    assert config_of(moved).initial == str(moved.folder / "start")


@pytest.mark.parametrize("file", ["run.json", "results.json"])
def test_what_was_made_on_other_weights_is_not_taken(
    planned: Planned, recipe_file: Path, tiny_base: Path, tmp_path: Path, file: str
) -> None:
    """The other weights have the same name and settings."""
    base = tmp_path / "llm"
    shutil.copytree(tiny_base, base)
    content = yaml.safe_load(recipe_file.read_text(encoding="utf-8"))
    content["corrector"]["base"] = str(base)
    config = tmp_path / "recipe.yaml"
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    (run,) = planned(("ger",), config=config).arms
    stored(run, file)
    assert planned(("ger",), config=config).arms == (run,)
    weights = base / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (other,) = planned(("ger",), config=config).arms
    assert other.folder != run.folder
    assert other.plan.digest == run.plan.digest
    assert other.plan.shared["base"] != run.plan.shared["base"]


def test_what_all_arms_share_has_no_arm_change_or_seed_in_it(planned: Planned) -> None:
    runs = planned(seeds=(4, 5), added=("", "lists=4 optimization.adapter_lr=0.5")).arms
    assert len({json.dumps(run.plan.shared, sort_keys=True) for run in runs}) == 1
    parts = {"base", "guard", "lists", "recipe", "sentence encoder", "test lists"}
    assert runs[0].plan.shared.keys() == parts
    (fewer, *_) = planned(sentences=1).arms
    assert {part for part in parts if fewer.plan.shared[part] != runs[0].plan.shared[part]} == {"test lists"}


def test_digests_stay_those_of_results_that_are_there(tmp_path: Path) -> None:
    """Results are hours of work: a change of the code must not change their digests unnoticed."""
    from robustger.experiments.runs import plan

    lab = plan._resolved(LAB.recipe, ["distillation.objective=paper", "seed=1", "output=x"])
    assert plan._digest(plan._settings(lab)) == "45d66ae5afe66e0b"
    moved = plan._resolved(LAB.recipe, ["distillation.objective=paper", "seed=1", f"output={tmp_path}"])
    assert plan._settings(moved) == plan._settings(lab)
    other = plan._resolved(LAB.recipe, ["distillation.objective=paper", "seed=2"])
    assert plan._settings(other) != plan._settings(lab)


def test_what_the_data_does_not_allow_is_left_out_with_the_reason(planned: Planned, tmp_path: Path) -> None:
    from robustger.hypotheses import NBest, save_nbest

    lists = [NBest.from_texts(f"u{n}", ["a b", f"a {n}"], reference=f"a {n}") for n in range(6)]
    save_nbest(lists, tmp_path / "train.jsonl")
    save_nbest([NBest.from_texts("t", ["c", "d"], reference="c")], tmp_path / "test.jsonl")
    found = planned(("ger", "mine-paper"), source=tmp_path, added=("", "lists=4", "lists=99"))
    assert [run.plan.key for run in found.arms] == [RunKey("ger", "", 0), RunKey("ger", "lists=4", 0)]
    assert found.left_out[RunKey("mine-paper", "", 0)] == "the lists have no embeddings of the audio"
    assert found.left_out[RunKey("ger", "lists=99", 0)] == "there are only 6 lists to train on"
    own = found.only([RunKey("ger", "lists=4", 0)])
    assert [run.plan.key for run in own.arms] == [RunKey("ger", "lists=4", 0)]
    (tmp_path / "train.jsonl").unlink()
    nothing = planned(("ger",), source=tmp_path)
    assert (nothing.arms, list(nothing.left_out.values())) == ((), ["the data has no lists to train on"])


def test_how_far_a_run_is(planned: Planned) -> None:
    one, two, three, four = planned(("untrained", "ger", "robustger", "zero")).arms
    for run in (one, two, three):
        stored(run)
    stored(one, "results.json")
    (two.folder / "log.jsonl").write_text('{"step": 1}\n{"step": 2}\n', encoding="utf-8")
    assert [how_far(run) for run in (one, two, three, four)] == ["done", "begun, 2 steps", "begun", "to do"]
    assert not four.folder.exists()


@pytest.mark.parametrize("name", ["lab", "paper"])
def test_every_scale_has_recipes_that_are_configurations(name: str) -> None:
    from robustger.training.config import load_training_config

    scale = EXPERIMENT_SCALES[name]
    load_training_config(scale.recipe)
    assert scale.base_recipe is None or load_training_config(scale.base_recipe).corrector.lora is not None
    quick = get_scale(name, quick=True)
    changed = load_training_config(quick.recipe, quick.changes.split()).optimization
    assert changed.max_steps == 4
    assert quick.sentences is not None
    with pytest.raises(InputError, match="--scale phone: choose one of: lab, paper"):
        get_scale("phone")


def test_the_paper_s_scale_has_the_paper_s_recipe() -> None:
    from robustger.training.config import load_training_config

    root = Path(__file__).parents[3]
    recipe = load_training_config(root / "recipes" / "paper" / "recipe.yaml")
    ours = load_training_config(PAPER.recipe, ["distillation.objective=paper"])
    for section in ("corrector", "optimization", "distillation", "evaluation", "dtype"):
        assert getattr(ours, section) == getattr(recipe, section)
    assert ours.data.max_tokens == recipe.data.max_tokens


def test_ger_adapts_the_layers_of_robustger_at_the_papers_scale() -> None:
    """The released baseline leaves out one layer more, so that not only the noise would differ."""
    assert _layers_of_ger("ger", PAPER) == ["corrector.first_layer=1"]
    assert _layers_of_ger("robustger", PAPER) == _layers_of_ger("ger", LAB) == []


def test_a_changed_default_leaves_the_digests_of_kept_runs_alone() -> None:
    """Gradient clipping was 1.0 by default when trainings were kept, and a digest leaves the defaults out."""
    recipe = _settings(_resolved(LAB.recipe, ["output=x"]))
    assert recipe["optimization"]["max_grad_norm"] == math.inf
    clipped = _settings(_resolved(LAB.recipe, ["output=x", "optimization.max_grad_norm=1.0"]))
    assert "max_grad_norm" not in clipped["optimization"]
