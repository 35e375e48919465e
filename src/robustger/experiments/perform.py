"""Experiments from the names to the files: what they need is trained once for all, then each is done and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robustger.correction.checkpoint import checkpoint_folder
from robustger.errors import InputError, RobustGERError
from robustger.experiments.data import ExperimentData, load_data
from robustger.experiments.experiment import Context, Experiment, Finished, RunKey
from robustger.experiments.known_experiments import get_experiment
from robustger.experiments.record import Record, duration, spent, write
from robustger.experiments.runs.arms import Change
from robustger.experiments.runs.plan import Recipe, run_keys
from robustger.experiments.runs.scales import Scale, get_scale
from robustger.experiments.runs.trainings import (
    Trainings,
    costs,
    do_trainings,
    finished,
    how_far,
    plan_trainings,
)
from robustger.experiments.systems.baselines import BASELINES
from robustger.experiments.systems.kept import seconds_kept
from robustger.hypotheses import load_nbest

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for.

    Attributes:
        data: see `robustger.experiments.data.load_data`.
        output: folder of the results.
        scale: `lab` or `paper`.
        quick: whether a first look is enough.
        seeds: of the trainings; empty for those of the scale.
        changes: `KEY=VALUE` of the recipe.
        runs: folder of the trainings; None for one in `output`.
        jobs: trainings at a time, each on one core; None for those of the scale.
        cached: whether only what is trained already is used.
        checkpoints: further correctors to be measured, folders or presets.
        without: names of baselines that are left out.
        llms: further language models to be trained on.
        recipe: YAML in the place of the scale's.
        base: in the place of the scale's, see `robustger.experiments.runs.plan.Recipe`.
        lists: to train on, in the place of the scale's number.
        sentences: of the test to decode, in the place of the scale's number; 0 for all.
    """

    data: Path
    output: Path
    scale: str = "lab"
    quick: bool = False
    seeds: tuple[int, ...] = ()
    changes: tuple[str, ...] = ()
    runs: Path | None = None
    jobs: int | None = None
    cached: bool = False
    checkpoints: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    llms: tuple[str, ...] = ()
    recipe: Path | None = None
    base: str | None = None
    lists: int | None = None
    sentences: int | None = None


def perform(names: Sequence[str], options: Options, say: Say) -> tuple[list[Path], int]:
    """Does experiments and writes their folders.

    Args:
        names: of the experiments.
        options: what was asked for.
        say: prints a line of progress.

    Returns:
        the Markdown file of each experiment that was done, and how many trainings or experiments failed.

    Raises:
        InputError: an unknown name, or settings or data that nothing can be done with.
    """
    experiments = [get_experiment(name) for name in dict.fromkeys(names)]
    data = load_data(options.data)
    scale = _scale(options)
    seeds = options.seeds or scale.seeds
    _check_names(options)
    notes = data.without_reference()
    for line in notes:
        say(line)
    trainings = _planned(experiments, data, scale, options, say)
    failures = 0
    if not options.cached:
        trainings, failed = do_trainings(trainings, options.jobs or scale.jobs, say)
        failures = len(failed)
    if trainings.lists is not None:
        notes += trainings.lists.overlaps
    done = finished(trainings)
    decoded = _decoded(trainings) if done else ()
    written = []
    for experiment in experiments:
        try:
            written.append(_do(experiment, data, scale, seeds, options, trainings, done, decoded, notes, say))
        except RobustGERError as error:
            if len(experiments) == 1:
                raise
            say(f"{experiment.name}: {error}")
            failures += 1
    if done:
        say(_cost(costs(trainings)))
    if kept := seconds_kept(_cache(trainings)):
        say(f"baselines and the like that are kept took {duration(kept)} of processor time from nothing")
    return written, failures


def _cost(cost: dict[str, Any]) -> str:
    recorded = cost["runs"] - cost["not_recorded"]
    took = f"{recorded} trainings took {spent(cost)} from nothing"
    return f"{took}; {cost['not_recorded']} did not record theirs" if cost["not_recorded"] else took


def plan(names: Sequence[str], options: Options, say: Say) -> list[str]:
    """What would be trained, run by run, and how far each is; nothing is trained.

    Raises:
        InputError: as `perform`.
    """
    experiments = [get_experiment(name) for name in dict.fromkeys(names)]
    scale = _scale(options)
    _check_names(options)
    needed = _needed(experiments, options)
    if lacking := _lacking(scale, needed):
        keys = run_keys(needed, scale.changes, options.seeds or scale.seeds)
        return [*(f"{_named(key)}: to do" for key in keys), *(f"needed: {line}" for line in lacking)]
    trainings = _planned(experiments, load_data(options.data), scale, options, say)
    lines = [f"{run.folder.name}: {how_far(run)}" for run in trainings.runs]
    lines += [f"{_named(key)}: left out: {why}" for key, why in trainings.left_out.items()]
    known = costs(trainings)
    recorded = known["runs"] - known["not_recorded"]
    if recorded:
        mean = known["cpu_seconds"] / recorded / 60
        say(
            f"a run that is done took {mean:.1f} minutes of processor time on average ({recorded} recorded it)"
        )
    return lines


def _named(key: RunKey) -> str:
    return f"{key.arm}{f' ({key.change})' if key.change else ''}, seed {key.seed}"


def _runs(options: Options) -> Path:
    return options.runs or options.output / ("runs-quick" if options.quick else "runs")


def _cache(trainings: Trainings) -> Path:
    return trainings.recipe.runs / "texts"


def _check_names(options: Options) -> None:
    """Before anything is trained, and not after.

    Raises:
        InputError: a checkpoint or a baseline is not there.
    """
    for name in options.checkpoints:
        checkpoint_folder(name)
    known = [baseline.name for baseline in BASELINES]
    if unknown := [name for name in options.without if name not in known]:
        raise InputError(f"--without {unknown[0]}: no such baseline; choose among: {', '.join(known)}")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made a folder: {error.strerror}; name another with -o or --runs"
        ) from None


def _scale(options: Options) -> Scale:
    scale = get_scale(options.scale, options.quick)
    changes = " ".join([*scale.changes.split(), *options.changes])
    if options.recipe is not None:
        scale = replace(scale, recipe=options.recipe, needs_gpu=False)
    if options.lists is not None:
        scale = replace(scale, lists=options.lists)
    if options.sentences is not None:
        scale = replace(scale, sentences=options.sentences or None)
    return replace(scale, changes=changes, base=options.base or scale.base)


def _needed(experiments: Sequence[Experiment], options: Options) -> list[tuple[str, str]]:
    needed = (one.needed(options.scale, options.quick, options.llms) for one in experiments)
    return [pair for pairs in needed for pair in pairs]


def _planned(
    experiments: Sequence[Experiment], data: ExperimentData, scale: Scale, options: Options, say: Say
) -> Trainings:
    runs = _runs(options).absolute()
    recipe = Recipe(scale.recipe, scale.base, scale.base_recipe, scale.changes, runs, scale.lists)
    needed, seeds = _needed(experiments, options), options.seeds or scale.seeds
    if needed and data.train and (lacking := _lacking(scale, needed)):
        if not options.cached:
            raise InputError(f"--scale {scale.name}: cannot be trained here, needed: {'; '.join(lacking)}")
        keys = run_keys(needed, scale.changes, seeds)
        return Trainings(recipe, left_out=dict.fromkeys(keys, f"needed: {'; '.join(lacking)}"))
    for folder in (options.output, runs):
        _make(folder)
    return plan_trainings(data, scale, recipe, needed, seeds, say)


def _lacking(scale: Scale, needed: Iterable[tuple[str, str]]) -> list[str]:
    """What trainings need that is not here; nothing is downloaded to find out."""
    import torch

    from robustger.training.config import load_training_config

    lacking = []
    base = load_training_config(scale.recipe, scale.changes.split()).corrector.base if scale.needs_gpu else ""
    if scale.needs_gpu and not torch.cuda.is_available():
        lacking.append("a CUDA device (a model of 7 billion parameters has 14 GB of weights in bfloat16)")
    models = [base] if scale.needs_gpu else []
    models += [llm for _, change in needed if (llm := Change.parse(change).llm) is not None]
    lacking += [
        f"the model {name} (robustger models fetch {name})"
        for name in dict.fromkeys(models)
        if not model_is_here(name)
    ]
    return lacking


def model_is_here(name: str) -> bool:
    """Whether a model can be loaded without a download."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    from robustger.models import MODELS

    if Path(name).is_dir():
        return True
    if name in MODELS:
        return MODELS[name].source() is not None
    try:
        snapshot_download(name, local_files_only=True)
    except (OSError, HFValidationError):
        return False
    return True


def _decoded(trainings: Trainings) -> tuple[str, ...]:
    assert trainings.lists is not None  # something was trained on them
    return tuple(nbest.id for nbest in load_nbest(trainings.lists.decoded))


def _do(
    experiment: Experiment,
    data: ExperimentData,
    scale: Scale,
    seeds: tuple[int, ...],
    options: Options,
    trainings: Trainings,
    done: dict[RunKey, Finished],
    decoded: tuple[str, ...],
    notes: tuple[str, ...],
    say: Say,
) -> Path:
    folder, cache = options.output / experiment.name, _cache(trainings)
    for path in (folder, cache):
        _make(path)
    pairs = experiment.needed(options.scale, options.quick, options.llms)
    keys = set(run_keys(pairs, scale.changes, seeds))
    own = replace(trainings, arms=tuple(run for run in trainings.arms if run.key in keys))
    context = Context(
        data=data,
        folder=folder,
        cache=cache,
        scale=options.scale,
        quick=options.quick,
        seeds=seeds,
        finished={key: value for key, value in done.items() if key in keys},
        decoded=decoded if pairs else (),
        changes=scale.changes,
        left_out=trainings.left_out,
        checkpoints=options.checkpoints,
        without=options.without,
        llms=options.llms,
        notes=notes,
        say=lambda line: say(f"{experiment.name}: {line}"),
    )
    outcome = experiment.run(context)
    return write(experiment, context, outcome, Record.of(context, own, scale))
