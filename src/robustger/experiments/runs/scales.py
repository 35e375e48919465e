"""The scales of experiments: on the laboratory, as in the paper, and a first look at either."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

from robustger.errors import InputError
from robustger.experiments.experiment import Scale
from robustger.experiments.runs.plan import NO_BASE, TRAIN_BASE


def _recipe(name: str) -> Path:
    """A training configuration that comes with the package; it lies beside this file."""
    return Path(str(resources.files("robustger.experiments.runs"))) / name


LAB = Scale(
    "lab",
    _recipe("lab_trainings.yaml"),
    NO_BASE,
    _recipe("lab_base_training.yaml"),
    lists=3000,
    fewer_lists=(375, 750, 1500),
    sentences=300,
    seeds=(0, 1, 2),
    llms=(),
)
PAPER = Scale(
    "paper",
    _recipe("paper_trainings.yaml"),
    NO_BASE,
    None,
    lists=None,
    fewer_lists=(1000, 2000, 5000, 8000),
    sentences=None,
    seeds=(0,),
    llms=("huggyllama/llama-7b", "tiiuae/Falcon3-7B-Base", "meta-llama/Llama-2-13b-hf"),
    ger_first_layer=1,  # all but the first, as RobustGER: so only the noise differs
    needs_gpu=True,
    jobs=1,
)
EXPERIMENT_SCALES = {"lab": LAB, "paper": PAPER}


def get_scale(name: str, quick: bool = False) -> Scale:
    """The scale with that name.

    Args:
        name: `lab` or `paper`.
        quick: whether few lists, steps and sentences are enough, on a base that need not be trained.

    Raises:
        InputError: there is no such scale.
    """
    if name not in EXPERIMENT_SCALES:
        raise InputError(f"--scale {name}: choose one of: {', '.join(EXPERIMENT_SCALES)}")
    scale = EXPERIMENT_SCALES[name]
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
