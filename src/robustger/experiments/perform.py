"""Runs experiments from their names to their files: trains what they need once for all, then makes and writes each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from robustger.correction.checkpoint import checkpoint_folder
from robustger.errors import InputError, RobustGERError
from robustger.experiments.data import ExperimentData, load_data
from robustger.experiments.experiment import Context, Experiment, RunKey, Scale, run_keys
from robustger.experiments.known_experiments import get_experiment
from robustger.experiments.record import Record, duration, spent, write
from robustger.experiments.runs.scales import get_scale
from robustger.experiments.runs.trainings import (
    Costs,
    Trainings,
    do_trainings,
    finished,
    how_far,
    missing,
    plan_trainings,
)
from robustger.experiments.systems.baselines import BASELINE_ROWS
from robustger.experiments.systems.kept import seconds_kept
from robustger.hypotheses import load_nbest

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command.

    Attributes:
        data: see `robustger.experiments.data.load_data`.
        output: folder of the results.
        scale: `lab` or `paper`.
        quick: whether a first look is enough.
        seeds: of the trainings; empty for those of the scale.
        changes: `KEY=VALUE` of the recipe.
        runs: folder of the trainings; None for one in `output`.
        jobs: how many trainings run at a time, each on one core; None for the scale's number.
        cached: whether nothing is trained, and only finished trainings are used.
        checkpoints: further correctors to measure, folders or presets.
        without: names of the baselines to leave out.
        llms: further language models to train on.
        recipe: YAML instead of the scale's.
        base: instead of the scale's, see `robustger.experiments.experiment.Scale`.
        lists: how many lists to train on, instead of the scale's number.
        sentences: how many test sentences to decode, instead of the scale's number; 0 for all.
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
    """Runs experiments and writes their folders.

    Args:
        names: of the experiments.
        options: of the command.
        say: prints a line of progress.

    Returns:
        the Markdown file of each experiment that was written, and how many trainings or experiments failed.

    Raises:
        InputError: an unknown name, or settings or data that do not allow any of the experiments.
    """
    call = _Call.of(names, options)
    data = load_data(options.data)
    notes = data.without_reference()
    for line in notes:
        say(line)

    trainings = call.plan(data, say)
    failures = 0
    if not options.cached:
        trainings, failed = do_trainings(trainings, options.jobs or call.scale.jobs, say)
        failures = len(failed)

    context = call.context(data, trainings, notes, say)
    written = []
    for experiment in call.experiments:
        try:
            written.append(_write_experiment(experiment, context, trainings))
        except RobustGERError as error:
            if len(call.experiments) == 1:
                raise
            say(f"{experiment.name}: {error}")
            failures += 1

    if context.finished:
        say(_cost_line(Costs.of(trainings)))
    if kept := seconds_kept(trainings.cache):
        say(f"kept answers of baselines and the like took {duration(kept)} of processor time from nothing")
    return written, failures


def plan(names: Sequence[str], options: Options, say: Say) -> list[str]:
    """The trainings that experiments need, one line each with its state; nothing is trained.

    Raises:
        InputError: see `perform`.
    """
    call = _Call.of(names, options)
    if lacking := missing(call.scale, call.needed):
        return [*(f"{_title(key)}: to do" for key in call.keys), *(f"needed: {line}" for line in lacking)]
    trainings = call.plan(load_data(options.data), say)
    costs = Costs.of(trainings)
    if costs.recorded:
        minutes = costs.cpu_seconds / costs.recorded / 60
        say(
            f"a finished run took {minutes:.1f} minutes of processor time on average ({costs.recorded} recorded it)"
        )
    lines = [f"{run.folder.name}: {how_far(run)}" for run in trainings.runs]
    return lines + [f"{_title(key)}: left out: {why}" for key, why in trainings.left_out.items()]


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of the command: which experiments to run, at which scale, with which options."""

    experiments: tuple[Experiment, ...]
    scale: Scale
    options: Options

    @classmethod
    def of(cls, names: Sequence[str], options: Options) -> _Call:
        """Checks names and options before anything is read or trained.

        Raises:
            InputError: an experiment, a scale, a checkpoint or a baseline is unknown.
        """
        experiments = tuple(get_experiment(name) for name in dict.fromkeys(names))
        for name in options.checkpoints:
            checkpoint_folder(name)
        known = [baseline.name for baseline in BASELINE_ROWS]
        if unknown := [name for name in options.without if name not in known]:
            raise InputError(f"--without {unknown[0]}: no such baseline; choose among: {', '.join(known)}")
        return cls(experiments, _changed_scale(options), options)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the trainings."""
        return self.options.seeds or self.scale.seeds

    @property
    def needed(self) -> list[tuple[str, str]]:
        """The pairs of arm and change that the experiments need."""
        return [pair for one in self.experiments for pair in one.needed(self.scale, self.options.llms)]

    @property
    def keys(self) -> list[RunKey]:
        """The keys of all trainings."""
        return run_keys(self.needed, self.scale.changes, self.seeds)

    def plan(self, data: ExperimentData, say: Say) -> Trainings:
        """Plans the trainings, and writes the lists that they learn from.

        Raises:
            InputError: the trainings need a device or a model that is missing, or a folder cannot be made.
        """
        options, needed = self.options, self.needed
        runs = (options.runs or options.output / ("runs-quick" if options.quick else "runs")).absolute()
        if needed and data.train and (lacking := missing(self.scale, needed)):
            reason = f"needed: {'; '.join(lacking)}"
            if not options.cached:
                raise InputError(f"--scale {self.scale.name}: cannot be trained here, {reason}")
            return Trainings(self.scale, runs, left_out=dict.fromkeys(self.keys, reason))
        for folder in (options.output, runs):
            _make_folder(folder)
        return plan_trainings(data, self.scale, runs, needed, self.seeds, say)

    def context(
        self, data: ExperimentData, trainings: Trainings, notes: tuple[str, ...], say: Say
    ) -> Context:
        """The context of all experiments together, with all trainings that are done."""
        done = finished(trainings)
        if trainings.lists is not None:
            notes += trainings.lists.overlaps
        return Context(
            data=data,
            folder=self.options.output,
            cache=trainings.cache,
            scale=self.scale,
            seeds=self.seeds,
            finished=done,
            decoded=_decoded_ids(trainings) if done else (),
            left_out=trainings.left_out,
            checkpoints=self.options.checkpoints,
            without=self.options.without,
            llms=self.options.llms,
            notes=notes,
            say=say,
        )


def _write_experiment(experiment: Experiment, context: Context, trainings: Trainings) -> Path:
    """Runs one experiment on the trainings that it needs, and writes its folder.

    Args:
        experiment: to run.
        context: of all experiments together.
        trainings: of all experiments together.
    """
    needed = experiment.needed(context.scale, context.llms)
    keys = run_keys(needed, context.scale.changes, context.seeds)
    own = replace(
        context,
        folder=context.folder / experiment.name,
        finished={key: value for key, value in context.finished.items() if key in keys},
        decoded=context.decoded if needed else (),
        spent={},
        say=lambda line: context.say(f"{experiment.name}: {line}"),
    )
    for folder in (own.folder, own.cache):
        _make_folder(folder)
    findings = experiment.run(own)
    return write(experiment, own, findings, Record.of(own, trainings.only(keys)))


def _changed_scale(options: Options) -> Scale:
    """The scale with everything that the options change in it."""
    scale = get_scale(options.scale, options.quick)
    if options.recipe is not None:
        scale = replace(scale, recipe=options.recipe, needs_gpu=False)
    if options.lists is not None:
        scale = replace(scale, lists=options.lists)
    if options.sentences is not None:
        scale = replace(scale, sentences=options.sentences or None)
    changes = " ".join([*scale.changes.split(), *options.changes])
    return replace(scale, changes=changes, base=options.base or scale.base)


def _decoded_ids(trainings: Trainings) -> tuple[str, ...]:
    assert trainings.lists is not None  # a training is done
    return tuple(nbest.id for nbest in load_nbest(trainings.lists.decoded))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made a folder: {error.strerror}; name another with -o or --runs"
        ) from None


def _title(key: RunKey) -> str:
    return f"{key.arm}{f' ({key.change})' if key.change else ''}, seed {key.seed}"


def _cost_line(costs: Costs) -> str:
    line = f"{costs.recorded} trainings took {spent(costs)} from nothing"
    return f"{line}; {costs.not_recorded} did not record theirs" if costs.not_recorded else line
