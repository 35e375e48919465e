"""The laboratory's grid: does the noise embedding help, and does distilling audio noise into it?

    python grid.py LAB_FOLDER -o FOLDER [--arms ...] [--seeds 0 1 2] [--lists N] [--jobs 2] [--set KEY=VALUE]
    python grid.py LAB_FOLDER -o FOLDER [...] --plan     # check all that is needed, say what would be run, run nothing
    python grid.py LAB_FOLDER -o FOLDER [...] --table    # the tables of what is there

Every arm is trained on the same lists, from the same frozen language model, with the same recipe and steps, and tested
on the same lists (docs/results/distillation.md says why so). The first seed of all arms comes first, so that what is
there when time runs out is a smaller table and not half of one. Each run is a process on one core, with a folder of
its own, FOLDER/ARM-SEED, with its checkpoints. A second call does what is missing, and goes on with what was
interrupted. What is there from other lists, another recipe or another base is refused, and left as it is.

`--set` adds, to each arm that is named, an arm with this change; several changes in one quoted argument go together.
Beside the keys of grid.yaml it takes `lists=N`, `start.noise_gate=X` and `start.tuner_scale=X` (grid_base.py).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml
from grid_lists import PARTS, write_lists
from grid_plan import ARMS, Change, Run, check_folders, on_base, plan_arms, plan_base, run_keys
from grid_process import PLAN
from grid_table import write_table

from robustger.errors import RobustGERError
from robustger.hypotheses import atomic_writer

HERE = Path(__file__).parent


def execute(runs: Sequence[Run], jobs: int, threads: int = 1) -> list[Run]:
    """Does runs in their order, `jobs` at a time; returns those that failed. Leaves no process behind."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    waiting, failed = list(runs), []
    running: dict[subprocess.Popen[bytes], tuple[Run, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                run = waiting.pop(0)
                running[_started(run, environment)] = run, time.monotonic()
            time.sleep(0.1)
            for process in [process for process in running if process.poll() is not None]:
                run, since = running.pop(process)
                minutes = (time.monotonic() - since) / 60
                if process.returncode or not run.done:
                    failed.append(run)
                    print(f"{run.folder.name}: failed, see {run.folder / 'output.log'}", file=sys.stderr)
                else:
                    left = len(waiting) + len(running)
                    print(f"{run.folder.name}: {minutes:.1f} minutes, {left} runs left", file=sys.stderr)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    return failed


def _started(run: Run, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    run.folder.mkdir(parents=True, exist_ok=True)
    if run.config is not None:
        with atomic_writer(run.folder / "training.yaml") as file:
            yaml.safe_dump(run.config, file, sort_keys=False)
    with atomic_writer(run.folder / PLAN) as file:
        file.write(json.dumps(run.plan, indent=1) + "\n")
    command = [sys.executable, str(HERE / run.script), str(run.folder)]
    with (run.folder / "output.log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def how_far(run: Run) -> str:
    """`done`, `begun` or `to do`; of what is in training also the steps of its last checkpoint."""
    if run.done:
        return "done"
    if not (run.folder / PLAN).exists():
        return "to do"
    log = run.folder / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return f"begun, {json.loads(lines[-1])['step']} steps" if lines else "begun"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lab", type=Path, help="the laboratory's folder, with lists/")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the grid")
    parser.add_argument(
        "--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM", help=", ".join(ARMS)
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--lists", type=int, default=2048, help="lists that every arm learns from")
    parser.add_argument(
        "--parts",
        nargs="+",
        default=list(PARTS),
        metavar="PART",
        help="PART.jsonl of LAB_FOLDER/lists, that base and arms learn from; default: " + " ".join(PARTS),
    )
    parser.add_argument("--sentences", type=int, default=100, help="test sentences decoded, each at 3 SNRs")
    parser.add_argument("--all", action="store_true", help="decode all test sentences")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, each on one core")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a change; repeatable"
    )
    parser.add_argument(
        "--base", default="train", help="train; none; or a preset or checkpoint whose LoRA part is folded in"
    )
    parser.add_argument("--config", default=HERE / "grid.yaml", help="what the arms have in common")
    parser.add_argument("--base-config", default=HERE / "grid_base.yaml", help="how the base is trained")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--table", action="store_true", help="run nothing, print the table of what is there")
    only.add_argument(
        "--plan", action="store_true", help="run nothing, print the runs in their order and how far they are"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    arguments.output = arguments.output.absolute()
    failed: list[Run] = []
    if not arguments.table:
        counts = {
            arguments.lists,
            *(change.lists for change in map(Change.parse, arguments.set) if change.lists),
        }
        sentences = None if arguments.all else arguments.sentences
        lists = write_lists(
            arguments.lab,
            arguments.output / "lists",
            sorted(counts),
            sentences,
            arguments.parts,
        )
        base = plan_base(arguments, lists)
        arms = plan_arms(arguments, lists, base)
        # Before the base is trained too: what is wrong with the arms is told before anything slow is begun.
        check_folders([*([base] if base else []), *arms])
        if base is not None and not base.done and not arguments.plan:
            failed = execute([base], 1, threads=arguments.jobs)
        if base is None or base.done:
            arms = on_base(arms, arguments, base)
            check_folders(arms)
        missing = [run for run in arms if not run.done]
        print(f"{len(missing)} of {len(arms)} runs to do", file=sys.stderr)
        if arguments.plan:
            print(
                "\n".join(f"{run.folder.name}: {how_far(run)}" for run in [*([base] if base else []), *arms])
            )
            return 0
        if not failed:
            failed = execute(missing, arguments.jobs)
    print(write_table(arguments.output, run_keys(arguments)))
    return 1 if failed else 0


if __name__ == "__main__":
    # As an exception, so that `execute` ends its processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main())
    except RobustGERError as error:
        sys.exit(f"grid: {error}")
