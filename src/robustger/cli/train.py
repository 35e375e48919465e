"""`robustger train`: a configuration in YAML in, a trained corrector out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from robustger.training.config import TrainingConfig


def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG.yaml", help="File that says what to train and how; see docs/how-to/train.md."
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one key of the file, such as optimization.epochs=3. Repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Train nothing and write nothing: print sizes, an estimate of the memory, and the first batch.",
        ),
    ] = False,
) -> None:
    """Train a corrector on N-best lists with references.

    The best checkpoint goes to OUTPUT/best, the latest one to OUTPUT/last, and measurements go to OUTPUT/log.jsonl,
    where OUTPUT is the key `output` of the file. If a run is interrupted, the same command goes on from there.
    `torchrun` and `accelerate launch` run the command in several processes.
    """
    import logging

    from tqdm.contrib.logging import logging_redirect_tqdm

    from robustger.cli.quiet import quiet_libraries
    from robustger.training.config import load_training_config
    from robustger.training.run_folder import in_main_process

    settings = load_training_config(config, overrides or [])
    _refuse_overwriting(settings, config)
    quiet_libraries()
    main_process = in_main_process()
    logging.getLogger("robustger").setLevel(logging.INFO if main_process else logging.ERROR)
    if dry_run:
        from robustger.training.dry_run import dry_run as rehearse

        for line in rehearse(settings):
            if main_process:
                typer.echo(line)
        return
    from robustger.training.loop import finetune

    with logging_redirect_tqdm():  # log lines go above the progress bar
        best = finetune(settings)
    if main_process:
        typer.echo(best)


def _refuse_overwriting(settings: TrainingConfig, config: str) -> None:
    """Keeps a training from replacing what it reads: its configuration, its lists, and the checkpoint it starts from.

    Raises:
        InputError: one of them lies in a folder that the training replaces, or is its log.
    """
    from robustger.cli.inputs import refuse_output_around
    from robustger.files import refuse_overwriting
    from robustger.training.lists import expanded, list_files

    output = expanded(settings.output)
    inputs = [config, *list_files([*settings.data.train, *settings.data.dev])]
    initial = expanded(settings.initial) if settings.initial else None
    refuse_overwriting(os.path.join(output, "log.jsonl"), *inputs)
    for name in ("best", "last"):
        refuse_output_around(os.path.join(output, name), initial, *inputs)
