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
) -> None:
    """Finetune the noise prompt, and LoRA if asked for, on N-best lists with references.

    Checkpoints go to OUTPUT/best (lowest dev loss) and OUTPUT/last, measurements to OUTPUT/log.jsonl; the same command
    resumes an interrupted run.
    """
    import logging

    from tqdm.contrib.logging import logging_redirect_tqdm

    from robustger.cli.quiet import quiet_libraries
    from robustger.training.config import load_training_config

    settings = load_training_config(config, overrides or [])
    quiet_libraries()
    logging.getLogger("robustger").setLevel(logging.INFO)
    from robustger.training.loop import Trainer

    with logging_redirect_tqdm():  # log lines go above the progress bar
        best = Trainer(settings).run()
    typer.echo(best)
