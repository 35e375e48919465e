"""The recipes: every file is a configuration, every documented command works, and the table lists every recipe."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from robustger.distillation import DISTILLATIONS, OUTPUTS
from robustger.training.config import TrainingConfig, load_training_config

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT / "recipes", ROOT / "lab")
RECIPES = sorted(path for folder in FOLDERS for path in folder.glob("**/*.yaml") if path.name != "data.yaml")
PAGES = [ROOT / "recipes" / "paper" / "README.md", ROOT / "docs" / "how-to" / "own-data.md"]
SUBSETS = ("chime4", "vb-demand", "noizeus", "ls-freesound", "rats")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def train_commands(page: Path) -> list[str]:
    return re.findall(r"^\$ (.*robustger train .+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


def configured(command: str) -> tuple[str, TrainingConfig]:
    """The subset that a command names, and the configuration it trains."""
    words = shlex.split(command)
    subset = words[0].removeprefix("SUBSET=") if "=" in words[0] else ""
    at = words.index("train")
    path, options = words[at + 1], words[at + 2 :]
    assert options[::2] == ["--set"] * (len(options) // 2)
    file = ROOT / path if "/" in path else ROOT / "recipes" / path
    return subset, load_training_config(file, options[1::2])


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_every_recipe_is_a_configuration(path: Path) -> None:
    config = load_training_config(path)
    assert config.distillation.objective in DISTILLATIONS.names()
    assert config.distillation.output in OUTPUTS.names()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_training_command_is_a_configuration(page: Path) -> None:
    commands = train_commands(page)
    assert commands
    for command in commands:
        configured(command)


def test_the_paper_s_values() -> None:
    runs = [configured(command) for command in train_commands(PAGES[0])]
    assert {subset for subset, _ in runs} == set(SUBSETS)
    for subset, config in runs:
        corrector, options, distillation = config.corrector, config.optimization, config.distillation
        assert options.adapter_lr == (1e-2 if subset == "chime4" else 5e-3), subset
        assert (options.weight_decay, options.epochs, options.warmup_epochs) == (0.02, 2, 0.2)
        assert (options.batch_size, options.micro_batch_size, options.final_lr_share) == (32, 4, 1.0)
        assert (distillation.lr_share, distillation.weight, distillation.output) == (0.1, 0.5, "sigmoid")
        assert distillation.objective == ("none" if corrector.variant == "ger" else corrector.variant)
        assert (corrector.n_best, corrector.prompt, corrector.max_new_tokens) == (5, "paper", 150)
        assert corrector.lora is None
        assert not corrector.skip_agreeing
        assert config.dtype == "bfloat16"


def test_every_subset_has_both_variants_and_no_two_runs_share_a_folder() -> None:
    runs = [configured(command) for command in train_commands(PAGES[0])]
    found = {
        (subset, config.corrector.variant) for subset, config in runs if "Llama-2-7b" in config.corrector.base
    }
    assert {(subset, variant) for subset in SUBSETS for variant in ("paper", "released")} <= found
    folders = [config.output.replace("$SUBSET", subset) for subset, config in runs]
    assert len(set(folders)) == len(folders)
    bases = {config.corrector.base for _, config in runs}
    assert any("13b" in base for base in bases)
    assert any("llama-7b" in base for base in bases)
    assert any("Falcon3" in base for base in bases)


def test_unclipped_gradients_survive_being_written(tmp_path: Path) -> None:
    """A run keeps its configuration beside its checkpoints; infinity must come back."""
    config = load_training_config(ROOT / "recipes" / "paper" / "recipe.yaml")
    written = yaml.safe_dump(config.model_dump(mode="json"))
    assert TrainingConfig.model_validate(yaml.safe_load(written)) == config
    assert config.optimization.max_grad_norm == float("inf")


def test_the_readme_lists_every_recipe() -> None:
    page = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "recipes").iterdir():
        if path.name != "README.md":
            assert f"](../recipes/{path.name}" in page or f"]({path.name}" in page, path.name


@pytest.mark.parametrize("folder", [ROOT / "lab" / "records", *sorted((ROOT / "recipes").glob("*/records"))])
def test_records_name_the_commit_and_the_settings_that_made_them(folder: Path) -> None:
    records = sorted(folder.glob("*.json"))
    assert records
    for path in records:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["settings"]["commit"], path.name
        assert content["figures"], path.name
        if folder.parent.name == "lab":
            assert content["experiment"] == path.stem
