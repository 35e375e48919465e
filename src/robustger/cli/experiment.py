"""`robustger experiment`: the paper's tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from robustger.errors import InputError


def experiment(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME ...", help="Which; --list prints them. all: every one."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data file (YAML: train, dev, tests, clean), a laboratory's folder, or a folder of N-best lists."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; every experiment gets a folder in it.")
    ] = None,
    scale: Annotated[
        str, typer.Option(help="lab: a small language model, on a CPU. paper: LLaMA-2-7b, on a GPU.")
    ] = "lab",
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look: few lists and steps, marked as such.")
    ] = False,
    seeds: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Seeds of the trainings. Default: the scale's.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe of all trainings; repeatable."),
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="Folder of the trainings, found again there. Default: OUTPUT/runs.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Trainings at a time, each on one core. Default: 2; of the scale paper 1."),
    ] = None,
    cached: Annotated[
        bool, typer.Option("--cached", help="Train nothing: make what can be made of what is there.")
    ] = False,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Train nothing: print which trainings are needed and how far they are."),
    ] = False,
    checkpoints: Annotated[
        list[str] | None,
        typer.Option(
            "--checkpoint",
            metavar="NAME",
            help="Also a preset or checkpoint, in table1, table2 and table5; repeatable.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Leave a baseline out, as few-shot, which takes long; repeatable."),
    ] = None,
    llms: Annotated[
        list[str] | None,
        typer.Option("--llm", metavar="NAME", help="Also this language model, in llms; repeatable."),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="YAML", help="Training configuration in the place of the scale's.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="train, none, or a preset or checkpoint whose LoRA part is folded into the language model."
        ),
    ] = None,
    lists: Annotated[int | None, typer.Option(min=1, help="Lists to train on.")] = None,
    sentences: Annotated[int | None, typer.Option(min=0, help="Test sentences to correct; 0: all.")] = None,
    list_names: Annotated[bool, typer.Option("--list", help="Print the experiments and exit.")] = False,
) -> None:
    """Make tables and figures of the paper on your data, with baselines, controls and intervals.

    OUTPUT/NAME gets results.json (with all that made it), NAME.md and the figures. Trainings are kept and found again
    by what they are made of; interrupted ones go on where they were. The same command does what is missing.
    """
    from robustger.experiments.known_experiments import PLACES, get_experiment

    if list_names:
        for name in PLACES:
            typer.echo(f"{name:13}{get_experiment(name).about}")
        return
    if not names or data is None or output is None:
        raise InputError("robustger experiment NAME ... --data DATA -o FOLDER; --list prints the names")
    import signal
    import sys

    from robustger.cli.quiet import quiet_libraries
    from robustger.experiments import perform

    # As an exception, so that no training is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    quiet_libraries()
    options = perform.Options(
        data=data,
        output=output,
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
    wanted = list(PLACES) if names == ["all"] else names

    def say(line: str) -> None:
        typer.echo(f"robustger: {line}", err=True)

    if plan:
        for line in perform.plan(wanted, options, say):
            typer.echo(line)
        return
    written, failures = perform.perform(wanted, options, say)
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
