"""`robustger models`: lists the models that come without a model hub, and gets the files of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from robustger.cli import options
from robustger.cli.inputs import refuse_output_around
from robustger.files import check_readable

app = typer.Typer(
    help="List the models that need no model hub, or get the files of a model.",
    invoke_without_command=True,
    rich_markup_mode="markdown",
)


@app.callback()
def models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_models(
    as_json: options.JsonOption = False,
) -> None:
    """List the models that need no model hub, each with its size and its files."""
    from robustger.models import MODELS

    rows = [
        {
            "name": model.alias,
            "description": model.description,
            "path": str(source) if (source := model.source()) else None,
            "bytes": sum(_size(path) for path in model.sources() or []) or None,
            "install": f"robustger models fetch {model.alias}",
        }
        for model in MODELS.values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        size = f"{row['bytes'] / 1e6:.0f} MB" if row["bytes"] else "-"
        where = row["path"] or f"not installed; get it with: {row['install']}"
        typer.echo(f"{row['name']:<15} {size:>7}  {row['description']}\n{'':25}{where}")


@app.command()
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Name of a model in `robustger models list`, a name on the Hugging Face hub such as org/model, or a "
            "short name of a Whisper such as large-v3.",
        ),
    ],
) -> None:
    """Get the files of a model, and print the folder that holds them."""
    from robustger.models import fetch_model

    typer.echo(fetch_model(name))


@app.command("convert-released")
def convert_released(
    adapter: Annotated[
        Path,
        typer.Argument(metavar="ADAPTER.pth", help="Adapter file that the released code of the paper saved."),
    ],
    base: Annotated[
        str,
        typer.Option(
            metavar="FOLDER|NAME",
            help="Language model that the adapter was trained on: a folder, or a name that `fetch` takes.",
        ),
    ],
    output: options.OutputFolderOption,
) -> None:
    """Turn an adapter of the released code into a checkpoint, and print its folder."""
    check_readable(*([] if adapter.is_dir() else [adapter]))
    refuse_output_around(output, adapter, base)

    from robustger.cli.quiet import quiet_libraries
    from robustger.correction import released

    quiet_libraries()
    typer.echo(released.convert_released(adapter, base, output))


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else (file for file in path.rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files)
