"""`robustger experiment`: N-best lists in, tables and figures of the paper out."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from robustger.cli import options
from robustger.cli.inputs import refuse_output_around
from robustger.cli.progress import say
from robustger.errors import InputError
from robustger.files import check_readable

TRAININGS_PANEL = "Trainings"
COMPARED_PANEL = "What is compared"


def experiment(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...", help="Experiments to make; all makes every one, and --list shows them."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Lists to train and test on: a YAML file with the keys train, dev, tests and clean, or a folder of "
            "lists, or the folder of the laboratory.",
        ),
    ] = None,
    output: options.OptionalFolderOption = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Take a first look in minutes, with few lists and steps; the results are marked as such.",
        ),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Train nothing: print the trainings that are needed and how far each is."
        ),
    ] = False,
    cached: Annotated[
        bool,
        typer.Option(
            "--cached", help="Train nothing: make what can be made from the trainings that are there."
        ),
    ] = False,
    list_names: Annotated[bool, typer.Option("--list", help="Show the experiments, and exit.")] = False,
    as_json: options.JsonOption = False,
    scale: Annotated[
        str,
        typer.Option(
            metavar="lab|paper",
            help="Size of the trainings: lab has a small language model and runs on a CPU, paper has LLaMA-2-7b and "
            "needs a GPU.",
            rich_help_panel=TRAININGS_PANEL,
        ),
    ] = "lab",
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Train with each of these seeds, separated by commas. Default: the seeds of the scale.",
            rich_help_panel=TRAININGS_PANEL,
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yaml",
            help="Train with this configuration instead of the scale's.",
            rich_help_panel=TRAININGS_PANEL,
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one key in the configuration of all trainings. Repeatable.",
            rich_help_panel=TRAININGS_PANEL,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="train|none|NAME",
            help="Language model below all trainings: train trains one first, none takes it as it was published, and a "
            "preset or checkpoint adds the LoRA weights it has.",
            rich_help_panel=TRAININGS_PANEL,
        ),
    ] = None,
    lists: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Train on this many lists.", rich_help_panel=TRAININGS_PANEL),
    ] = None,
    sentences: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Correct this many sentences of the test; 0 means all.",
            rich_help_panel=TRAININGS_PANEL,
        ),
    ] = None,
    checkpoints: Annotated[
        list[str] | None,
        typer.Option(
            "--checkpoint",
            metavar="FOLDER|NAME",
            help="Also measure this checkpoint folder, or the corrector of this preset, in table1, table2 and table5. "
            "Repeatable.",
            rich_help_panel=COMPARED_PANEL,
        ),
    ] = None,
    llms: Annotated[
        list[str] | None,
        typer.Option(
            "--llm",
            metavar="NAME",
            help="Also train on this language model, in llms. Repeatable.",
            rich_help_panel=COMPARED_PANEL,
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Leave out this baseline, such as few-shot, which takes long. Repeatable.",
            rich_help_panel=COMPARED_PANEL,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Run this many trainings at the same time, each on one core. Default: 2, or 1 for the scale paper.",
            rich_help_panel=options.SPEED,
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep the trainings in this folder, and find them again there. Default: OUTPUT/runs.",
            rich_help_panel=options.RARE,
        ),
    ] = None,
) -> None:
    """Make tables and figures of the paper on your data, with baselines, controls and intervals.

    OUTPUT/NAME gets results.json with everything that led to the results, NAME.md and the figures. Trainings are kept
    and used again. If a run is interrupted, the same command goes on from there.
    """
    from robustger.experiments.data import load_data
    from robustger.experiments.known_experiments import PLACES, get_experiment

    if list_names and as_json:
        typer.echo(
            json.dumps([{"name": name, "about": get_experiment(name).about} for name in PLACES], indent=2)
        )
        return
    if list_names:
        for name in PLACES:
            typer.echo(f"{name:13}{get_experiment(name).about}")
        return
    if not names or data is None or output is None:
        raise InputError(
            "give an experiment, its data and a folder: robustger experiment NAME --data DATA -o FOLDER; --list shows "
            "the names"
        )
    if as_json and not plan:
        raise InputError("--json goes with --list and --plan; an experiment itself writes results.json")
    wanted = list(PLACES) if names == ["all"] else names
    inputs = [data, recipe]
    if not plan or data.exists():  # a plan may come before the data
        found = load_data(data)
        inputs += [*found.train, *found.dev, *found.clean, *chain.from_iterable(found.tests.values())]
    check_readable(recipe)
    for name in wanted:
        get_experiment(name)
        refuse_output_around(Path(output) / name, *inputs)

    import signal
    import sys

    from robustger.cli.quiet import quiet_libraries
    from robustger.experiments import perform

    # An exception ends the trainings, so that none is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    quiet_libraries()
    settings = perform.Options(
        data=data,
        output=Path(output),
        scale=scale,
        quick=quick,
        seeds=_seeds(seeds),
        changes=tuple(changes or ()),
        runs=runs,
        jobs=jobs,
        cached=cached,
        checkpoints=tuple(checkpoints or ()),
        without=tuple(without or ()),
        llms=tuple(llms or ()),
        recipe=recipe,
        base=base,
        lists=lists,
        sentences=sentences,
    )
    if plan:
        lines = perform.plan(wanted, settings, say)
        for line in [json.dumps(lines, indent=2)] if as_json else lines:
            typer.echo(line)
        return
    written, failures = perform.perform(wanted, settings, say)
    for path in written:
        typer.echo(path)
    if failures:
        raise typer.Exit(1)


def _seeds(text: str | None) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        seeds = (-1,)
    if any(seed < 0 for seed in seeds):
        raise InputError(f"--seeds {text}: write whole numbers with commas between them, as in 0,1,2")
    return tuple(dict.fromkeys(seeds))
