"""Plans all trainings of a command together, runs them as processes, and finds them again when they are done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.experiments.data import ExperimentData
from robustger.experiments.experiment import ARMS, Finished, RunKey, Scale, run_keys
from robustger.experiments.runs.arms import Change
from robustger.experiments.runs.plan import GUARD, TRAIN_BASE, list_count, on_base, plan_arms, plan_base
from robustger.experiments.runs.run import (
    LOG_FILE,
    PLAN_FILE,
    ArmPlan,
    BasePlan,
    TrainingRun,
    guard_to_dict,
    read_arm_results,
    read_seconds,
)
from robustger.experiments.runs.selection import ListFiles, check_embeddings, write_lists

WORKER = ("-m", "robustger.experiments.runs.worker")
AnyRun = TrainingRun[BasePlan] | TrainingRun[ArmPlan]


@dataclass(frozen=True, slots=True)
class Trainings:
    """All trainings of a command, done or not.

    Attributes:
        scale: their common settings.
        folder: of their runs.
        lists: the files they learn from; None where no training is needed or possible.
        base: the run of the shared language model; None where there is none.
        arms: the other runs, in their order.
        left_out: why a needed training is not among them.
    """

    scale: Scale
    folder: Path
    lists: ListFiles | None = None
    base: TrainingRun[BasePlan] | None = None
    arms: tuple[TrainingRun[ArmPlan], ...] = ()
    left_out: Mapping[RunKey, str] = field(default_factory=dict)

    @property
    def runs(self) -> list[AnyRun]:
        """The base, where there is one, and the arms."""
        return [*([self.base] if self.base else []), *self.arms]

    @property
    def guard(self) -> dict[str, Any]:
        """The settings of the guard of all guarded corrections."""
        return guard_to_dict(GUARD)

    @property
    def cache(self) -> Path:
        """The folder of answers that experiments on these trainings share."""
        return self.folder / "texts"

    def only(self, keys: Iterable[RunKey]) -> Trainings:
        """The trainings with these keys, and the base."""
        wanted = set(keys)
        return replace(self, arms=tuple(run for run in self.arms if run.plan.key in wanted))


@dataclass(frozen=True, slots=True)
class Costs:
    """The time that runs took.

    Attributes:
        runs: number of runs that are done.
        cpu_seconds: of processors, over the runs that recorded it.
        gpu_seconds: of GPUs.
        not_recorded: number of runs that did not record their time.
    """

    runs: int
    cpu_seconds: float
    gpu_seconds: float
    not_recorded: int

    @property
    def recorded(self) -> int:
        """The number of runs that recorded their time."""
        return self.runs - self.not_recorded

    @classmethod
    def of(cls, trainings: Trainings) -> Costs:
        """The costs of the trainings that are done."""
        times = [read_seconds(run.folder) for run in trainings.runs if run.done]
        known = [seconds for seconds, _ in times if seconds is not None]
        gpu_seconds = sum(seconds for _, seconds in times)
        return cls(len(times), sum(known), gpu_seconds, len(times) - len(known))


def missing(scale: Scale, needed: Iterable[tuple[str, str]]) -> list[str]:
    """The devices and models that trainings need and this machine lacks. Nothing is downloaded to find out.

    Args:
        scale: names the recipe.
        needed: pairs of arm and change.
    """
    import torch

    from robustger.training.config import load_training_config

    lacking, models = [], []
    if scale.needs_gpu:
        models.append(load_training_config(scale.recipe, scale.changes.split()).corrector.base)
        if not torch.cuda.is_available():
            lacking.append("a CUDA device (a model of 7 billion parameters has 14 GB of weights in bfloat16)")
    models += [llm for _, change in needed if (llm := Change.parse(change).llm) is not None]
    lacking += [
        f"the model {name} (robustger models fetch {name})"
        for name in dict.fromkeys(models)
        if not _model_is_here(name)
    ]
    return lacking


def _model_is_here(name: str) -> bool:
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


def plan_trainings(
    data: ExperimentData,
    scale: Scale,
    folder: Path,
    needed: Iterable[tuple[str, str]],
    seeds: Sequence[int],
    say: Callable[[str], None],
) -> Trainings:
    """Plans the trainings of pairs of arm and change: checks everything and writes the lists, but trains nothing.

    Trainings that the data does not allow are left out with the reason: all of them without lists to train on, and
    those that need audio without embeddings of it.

    Args:
        data: the lists.
        scale: the common settings of the trainings.
        folder: of their runs.
        needed: pairs of arm and change.
        seeds: of the trainings.
        say: prints a line of progress.

    Raises:
        InputError: a setting is wrong, or see `write_lists`.
    """
    keys = run_keys(needed, scale.changes, seeds)
    if not keys:
        return Trainings(scale, folder)
    if not data.train:
        return Trainings(scale, folder, left_out=dict.fromkeys(keys, "the data has no lists to train on"))
    whole = list_count(scale)
    counts = {Change.parse(key.change).lists or whole for key in keys}
    lists = write_lists(
        data,
        folder,
        [*counts, whole],
        scale.sentences,
        halved=scale.base == TRAIN_BASE,
        quick=scale.quick,
        say=say,
    )
    left_out = {key: reason for key in keys if (reason := _impossible(key, lists))}
    base = plan_base(scale, folder, lists)
    arms = plan_arms(scale, folder, [key for key in keys if key not in left_out], lists, base)
    if base is None or base.done:
        arms = on_base(arms, scale, folder, base)
    return Trainings(scale, folder, lists, base, tuple(arms), left_out)


def _impossible(key: RunKey, lists: ListFiles) -> str | None:
    change = Change.parse(key.change)
    if ARMS[key.arm].needs_audio and not lists.heard:
        return "the lists have no embeddings of the audio"
    if change.lists is not None and change.lists not in lists.arms:
        return f"there are only {lists.available} lists to train on"
    return None


def do_trainings(
    trainings: Trainings, jobs: int, say: Callable[[str], None]
) -> tuple[Trainings, Sequence[AnyRun]]:
    """Does the trainings that are not done yet.

    Returns:
        the trainings, whose arms know the base's weights by then, and the runs that failed.

    Raises:
        InputError: embeddings are missing that a training needs.
    """
    base = trainings.base
    if base is not None and not base.done:
        if failed := execute([base], 1, say, threads=jobs):
            return trainings, failed
        arms = on_base(trainings.arms, trainings.scale, trainings.folder, base)
        trainings = replace(trainings, arms=tuple(arms))
    waiting = [run for run in trainings.arms if not run.done]
    say(f"{len(waiting)} of {len(trainings.arms)} runs to do")
    _check_embeddings(waiting)
    return trainings, execute(waiting, jobs, say)


def _check_embeddings(waiting: Sequence[TrainingRun[ArmPlan]]) -> None:
    """Checks, before anything is trained, that the embeddings which trainings need are there."""
    trained_on: dict[str, list[str]] = {}
    for run in waiting:
        if ARMS[run.plan.key.arm].needs_audio and run.config is not None:
            for file in run.config.data.train:
                trained_on.setdefault(file, []).append(run.folder.name)
    for file, names in trained_on.items():
        check_embeddings(Path(file), f"{len(names)} trainings ({names[0]}, ...) need")


def finished(trainings: Trainings) -> dict[RunKey, Finished]:
    """The trainings that are done, with their results.

    Raises:
        InputError: a training was tested on other lists than the rest.
    """
    from robustger.correction.llm.adapter import ADAPTERS

    found: dict[RunKey, Finished] = {}
    tested = None
    for run in trainings.arms:
        if not run.done:
            continue
        results = read_arm_results(run.folder)
        ids = results.ids, results.losses.ids
        if ids != (tested or ids):
            raise InputError(f"{run.folder}: was tested on other lists than the runs beside it; remove it")
        tested = ids
        assert run.config is not None  # every arm has a configuration
        count = Path(run.config.data.train[0]).stem.removeprefix("arms-")
        corrector = run.config.corrector
        first = ADAPTERS.get(corrector.variant).first_layer
        found[run.plan.key] = Finished(
            run.folder,
            results.key.seed,
            results.parameters,
            results.losses.by_list(),
            results.log,
            int(count),
            first if corrector.first_layer is None else corrector.first_layer,
            corrector.slots or corrector.n_best * (corrector.n_best - 1),
        )
    return found


def execute(
    runs: Sequence[AnyRun],
    jobs: int,
    say: Callable[[str], None],
    threads: int = 1,
    command: Sequence[str] = WORKER,
) -> list[AnyRun]:
    """Does runs in their order, each in a process, and leaves no process behind.

    Args:
        runs: to do.
        jobs: how many processes run at a time.
        say: prints a line of progress.
        threads: of each process.
        command: arguments of Python; the folder of the run and the id of this process are added behind them.

    Returns:
        the runs that failed.
    """
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    waiting, failed = list(runs), []
    running: dict[subprocess.Popen[bytes], tuple[AnyRun, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                run = waiting.pop(0)
                running[start(run, environment, command)] = run, time.monotonic()
            time.sleep(0.1)
            for process in [process for process in running if process.poll() is not None]:
                run, since = running.pop(process)
                minutes = (time.monotonic() - since) / 60
                if process.returncode or not run.done:
                    failed.append(run)
                    say(f"{run.folder.name}: failed, see {run.folder / 'output.log'}")
                else:
                    left = len(waiting) + len(running)
                    say(f"{run.folder.name}: {minutes:.1f} minutes, {left} runs left")
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    return failed


def start(
    run: AnyRun, environment: Mapping[str, str], command: Sequence[str] = WORKER
) -> subprocess.Popen[bytes]:
    """Writes the files that the process of a run reads, and starts the process."""
    run.write()
    with (run.folder / "output.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *command, str(run.folder), str(os.getpid())],
            env=dict(environment),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )


def how_far(run: AnyRun) -> str:
    """`done`, `begun` or `to do`; a training that has begun also says at which step its last checkpoint was."""
    if run.done:
        return "done"
    if not (run.folder / PLAN_FILE).exists():
        return "to do"
    log = run.folder / LOG_FILE
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return f"begun, {json.loads(lines[-1])['step']} steps" if lines else "begun"
