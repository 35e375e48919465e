"""`robustger train`: finetune an adapter from a YAML."""

from __future__ import annotations

from typing import Annotated

import typer


def train(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG.yaml", help="What to train; see docs/how-to/train.md.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=VALUE", help="Override one key of the YAML; repeatable."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print sizes, an estimate of the memory and the first batch; write nothing."
        ),
    ] = False,
) -> None:
    """Finetune the noise prompt, and LoRA if asked for, on N-best lists with references.

    Checkpoints go to OUTPUT/best (lowest loss of the dev lists, or lowest WER with evaluation.best_by=wer) and
    OUTPUT/last, measurements to OUTPUT/log.jsonl; the same command resumes an interrupted run. torchrun and
    `accelerate launch` run it in several processes.
    """
    import logging
    import os

    from tqdm.contrib.logging import logging_redirect_tqdm

    from robustger.cli.quiet import quiet_libraries
    from robustger.training.config import load_training_config

    settings = load_training_config(config, overrides or [])
    quiet_libraries()
    main_process = os.environ.get("RANK", "0") == "0"  # of those that torchrun has started
    logging.getLogger("robustger").setLevel(logging.INFO if main_process else logging.ERROR)
    if dry_run:
        from robustger.training.dry_run import dry_run as rehearse

        for line in rehearse(settings):
            if main_process:
                typer.echo(line)
        return
    from robustger.training.loop import Trainer

    with logging_redirect_tqdm():  # log lines go above the progress bar
        best = Trainer(settings).run()
    if main_process:
        typer.echo(best)
