"""`robustger models`: which models come without a model hub, where they lie, how to get them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="List the embedded models, or get the files of a model.")


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that need no model hub: name, size, and where the files lie."""
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
        typer.Argument(help="An embedded model's name, a hub name such as org/model, or large-v3, turbo..."),
    ],
) -> None:
    """Get the files of a model, and print the folder they are in."""
    from robustger.models import fetch_model

    typer.echo(fetch_model(name))


@app.command("convert-released")
def convert_released(
    adapter: Annotated[
        Path, typer.Argument(metavar="ADAPTER.pth", help="An adapter as the released code saves it.")
    ],
    base: Annotated[
        str, typer.Option(help="The language model it was trained on: a folder, or a name `fetch` takes.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The checkpoint folder to write.")],
) -> None:
    """Turn an adapter of the released code into a checkpoint, and print its folder."""
    from robustger.cli.quiet import quiet_libraries
    from robustger.correction import released

    quiet_libraries()
    typer.echo(released.convert_released(adapter, base, output))


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else (file for file in path.rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files)
