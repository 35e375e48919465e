"""How large an experiment is: on the laboratory, as in the paper, or only for a first look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from robustger.errors import InputError
from robustger.experiments.runs.plan import NO_BASE, TRAIN_BASE


@dataclass(frozen=True, slots=True)
class Scale:
    """What the trainings of a scale have in common.

    Attributes:
        name: `lab` or `paper`.
        recipe: YAML of the trainings.
        base: what they stand on, see `robustger.experiments.runs.plan.Recipe`.
        base_recipe: YAML of the base's training.
        lists: that every training learns from; None for all.
        fewer_lists: of the experiment on data efficiency, beside `lists`.
        sentences: of the test that are decoded; None for all.
        seeds: of the trainings.
        changes: of the recipe.
        llms: language models that are tried in the place of the base.
        needs_gpu: whether a CPU could not do it.
        quick: whether a first look is enough.
        jobs: trainings at a time.
    """

    name: str
    recipe: Path
    base: str
    base_recipe: Path | None
    lists: int | None
    fewer_lists: tuple[int, ...]
    sentences: int | None
    seeds: tuple[int, ...]
    llms: tuple[str, ...]
    changes: str = ""
    needs_gpu: bool = False
    quick: bool = False
    jobs: int = 2


def recipe_file(name: str) -> Path:
    """A recipe that comes with the package."""
    return Path(str(resources.files("robustger.experiments"))) / "recipes" / name


SCALES = {
    "lab": Scale(
        "lab",
        recipe_file("lab.yaml"),
        NO_BASE,
        recipe_file("lab_base.yaml"),
        lists=3000,
        fewer_lists=(375, 750, 1500),
        sentences=300,
        seeds=(0, 1, 2),
        llms=(),
    ),
    "paper": Scale(
        "paper",
        recipe_file("paper.yaml"),
        NO_BASE,
        None,
        lists=None,
        fewer_lists=(1000, 2000, 5000, 8000),
        sentences=None,
        seeds=(0,),
        llms=("huggyllama/llama-7b", "tiiuae/Falcon3-7B-Base", "meta-llama/Llama-2-13b-hf"),
        needs_gpu=True,
        jobs=1,
    ),
}


def get_scale(name: str, quick: bool = False) -> Scale:
    """The scale of that name; for a first look with few lists, steps and sentences, and on a base that is there.

    Raises:
        InputError: no such scale.
    """
    if name not in SCALES:
        raise InputError(f"--scale {name}: choose one of: {', '.join(SCALES)}")
    scale = SCALES[name]
    if not quick:
        return scale
    return replace(
        scale,
        base="whisper" if scale.base == TRAIN_BASE else scale.base,
        lists=32,
        fewer_lists=(8, 16),
        sentences=8,
        seeds=scale.seeds[:1],
        changes="optimization.max_steps=4 optimization.batch_size=8",
        quick=True,
    )
