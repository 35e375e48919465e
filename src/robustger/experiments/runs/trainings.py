"""All trainings of some experiments: planned together, done in processes of their own, found again when done."""

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

import yaml

from robustger.errors import InputError
from robustger.experiments.runs.arms import NEED_AUDIO, Change
from robustger.experiments.experiment import Finished, RunKey
from robustger.experiments.data import ExperimentData, embedding_files
from robustger.experiments.kept_embeddings import refuse_unkept
from robustger.experiments.runs.plan import (
    TRAIN_BASE,
    Recipe,
    Run,
    on_base,
    plan_arms,
    plan_base,
    run_keys,
)
from robustger.experiments.runs.process import PLAN, RESULTS
from robustger.experiments.runs.scales import Scale
from robustger.experiments.runs.selection import ListFiles, write_lists
from robustger.hypotheses import atomic_writer, load_nbest

WORKER = ("-m", "robustger.experiments.runs.worker")


@dataclass(frozen=True, slots=True)
class Trainings:
    """What is to be trained, or is.

    Attributes:
        recipe: how.
        lists: on what; None where nothing is needed or possible.
        base: the run of the shared language model; None where there is none.
        arms: the others, in their order.
        left_out: why a training that was asked for is not among them.
    """

    recipe: Recipe
    lists: ListFiles | None = None
    base: Run | None = None
    arms: tuple[Run, ...] = ()
    left_out: Mapping[RunKey, str] = field(default_factory=dict)

    @property
    def runs(self) -> list[Run]:
        """The base, where there is one, and the arms."""
        return [*([self.base] if self.base else []), *self.arms]


def plan_trainings(
    data: ExperimentData,
    scale: Scale,
    recipe: Recipe,
    needed: Iterable[tuple[str, str]],
    seeds: Sequence[int],
    say: Callable[[str], None],
) -> Trainings:
    """Plans the trainings of pairs of arm and change; everything is checked, the lists are written, nothing is trained.

    What the data does not allow is left out, with the reason: without lists to train on all, without embeddings of the
    audio those that listen to it.

    Raises:
        InputError: a setting is wrong, or what `write_lists` raises.
    """
    keys = run_keys(needed, recipe.changes, seeds)
    if not keys:
        return Trainings(recipe)
    if not data.train:
        return Trainings(recipe, left_out=dict.fromkeys(keys, "the data has no lists to train on"))
    counts = {Change.parse(key.change).lists or recipe.count for key in keys}
    lists = write_lists(
        data,
        recipe.runs,
        [*counts, recipe.count],
        scale.sentences,
        halved=recipe.base == TRAIN_BASE,
        quick=scale.quick,
        say=say,
    )
    left_out = {key: reason for key in keys if (reason := _impossible(key, lists))}
    base = plan_base(recipe, lists)
    arms = plan_arms(recipe, [key for key in keys if key not in left_out], lists, base)
    if base is None or base.done:
        arms = on_base(arms, recipe, base)
    return Trainings(recipe, lists, base, tuple(arms), left_out)


def _impossible(key: RunKey, lists: ListFiles) -> str | None:
    change = Change.parse(key.change)
    if key.arm in NEED_AUDIO and not lists.heard:
        return "the lists have no embeddings of the audio"
    if change.lists is not None and change.lists not in lists.arms:
        return f"there are only {lists.available} lists to train on"
    return None


def do_trainings(trainings: Trainings, jobs: int, say: Callable[[str], None]) -> tuple[Trainings, list[Run]]:
    """Does what is missing; returns the trainings as they are then, and the runs that failed."""
    base = trainings.base
    if base is not None and not base.done:
        if failed := execute([base], 1, say, threads=jobs):
            return trainings, failed
        trainings = replace(trainings, arms=tuple(on_base(trainings.arms, trainings.recipe, base)))
    missing = [run for run in trainings.arms if not run.done]
    say(f"{len(missing)} of {len(trainings.arms)} runs to do")
    _check_embeddings(missing)
    return trainings, execute(missing, jobs, say)


def _check_embeddings(missing: Sequence[Run]) -> None:
    """Raises an error before anything is trained if embeddings are needed of which only the digest is kept.

    Raises:
        InputError: the message says which command makes them.
    """
    trained_on: dict[Path, list[Run]] = {}
    for run in missing:
        if run.key.arm in NEED_AUDIO and run.config is not None:
            for file in run.config["data"]["train"]:
                trained_on.setdefault(Path(file), []).append(run)
    for file, runs in trained_on.items():
        for name in embedding_files(load_nbest(file)):
            refuse_unkept(file.parent / name, f"{len(runs)} trainings ({runs[0].folder.name}, ...) need")


def finished(trainings: Trainings) -> dict[RunKey, Finished]:
    """Those that are done.

    Raises:
        InputError: one was tested on other lists than the others.
    """
    found: dict[RunKey, Finished] = {}
    tested = None
    for run in trainings.arms:
        if not run.done:
            continue
        results = json.loads((run.folder / RESULTS).read_text(encoding="utf-8"))
        ids = results["ids"], results["losses"]["ids"]
        if ids != (tested or ids):
            raise InputError(f"{run.folder}: was tested on other lists than the runs beside it; remove it")
        tested = ids
        assert run.config is not None  # arms have one
        count = Path(run.config["data"]["train"][0]).stem.removeprefix("arms-")
        found[run.key] = Finished(run.folder, results, run.plan["trained"], int(count))
    return found


def execute(
    runs: Sequence[Run],
    jobs: int,
    say: Callable[[str], None],
    threads: int = 1,
    command: Sequence[str] = WORKER,
) -> list[Run]:
    """Does runs in their order, `jobs` at a time; returns those that failed. Leaves no process behind.

    Args:
        runs: what is to be done.
        jobs: processes at a time.
        say: prints a line.
        threads: of each process.
        command: what Python runs, with the folder of the run behind it.
    """
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    waiting, failed = list(runs), []
    running: dict[subprocess.Popen[bytes], tuple[Run, float]] = {}
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
    run: Run, environment: Mapping[str, str], command: Sequence[str] = WORKER
) -> subprocess.Popen[bytes]:
    """Writes what the process of a run reads, and starts it."""
    write_plan(run)
    with (run.folder / "output.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *command, str(run.folder)],
            env=dict(environment),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )


def write_plan(run: Run) -> None:
    """Writes what `robustger.experiments.runs.worker` reads."""
    run.folder.mkdir(parents=True, exist_ok=True)
    if run.config is not None:
        with atomic_writer(run.folder / "training.yaml") as file:
            yaml.safe_dump(run.config, file, sort_keys=False)
    with atomic_writer(run.folder / PLAN) as file:
        file.write(json.dumps(run.plan, indent=1) + "\n")


def how_far(run: Run) -> str:
    """`done`, `begun` or `to do`; of what is in training also the steps of its last checkpoint."""
    if run.done:
        return "done"
    if not (run.folder / PLAN).exists():
        return "to do"
    log = run.folder / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return f"begun, {json.loads(lines[-1])['step']} steps" if lines else "begun"


def costs(trainings: Trainings) -> dict[str, Any]:
    """Seconds of processors and GPUs of the runs that are done and recorded them, and how many did not."""
    done = [run.folder / RESULTS for run in trainings.runs if run.done]
    results = [json.loads(path.read_text(encoding="utf-8")) for path in done]
    known = [one["seconds"] for one in results if one.get("seconds") is not None]
    return {
        "runs": len(results),
        "cpu_seconds": sum(known),
        "gpu_seconds": sum(one.get("gpu_seconds", 0.0) for one in results),
        "not_recorded": len(results) - len(known),
    }
