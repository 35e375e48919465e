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

    Checkpoints go to OUTPUT/best (lowest dev loss) and OUTPUT/last; the same command resumes an interrupted run.
    """
    from robustger.cli.quiet import quiet_libraries
    from robustger.training.config import load_training_config

    settings = load_training_config(config, overrides or [])
    quiet_libraries()
    from robustger.training.loop import Trainer

    typer.echo(Trainer(settings).run())
