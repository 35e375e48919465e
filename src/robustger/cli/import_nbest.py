"""`robustger import-nbest`: lists made by other recognisers in, N-best JSONL out."""

from __future__ import annotations

from typing import Annotated

import typer


def import_nbest(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A file, or a folder of ESPnet's or Kaldi's; - for stdin.")
    ],
    format: Annotated[str, typer.Option("--format", "-f", help="espnet, kaldi, nemo or hyporadise.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="LISTS.jsonl", help="N-best JSONL. - for stdout.")
    ] = "-",
    references: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What was said: Kaldi's text, or JSON Lines with id and text. For nemo: the manifest evaluated.",
        ),
    ] = None,
    beams: Annotated[
        int | None, typer.Option(min=1, help="nemo: candidates per utterance, where no manifest tells.")
    ] = None,
    acoustic_scale: Annotated[
        float | None, typer.Option(min=0, help="kaldi: weight of the acoustic costs. Default: 1/12.")
    ] = None,
) -> None:
    """Read N-best lists that other programs wrote.

    What cannot be read is reported and left out, and makes the exit code 1.
    """
    import sys

    from tqdm import tqdm

    from robustger.hypotheses.foreign import import_lists

    with tqdm(desc="importing", unit=" lists", disable=None) as bar:
        summary = import_lists(
            source,
            output,
            format=format,
            references=references,
            beams=beams,
            acoustic_scale=acoustic_scale,
            on_problem=lambda place, message: bar.write(f"robustger: {place}: {message}", file=sys.stderr),
            on_progress=bar.update,
        )
    missing = f", {summary.without_reference} without a reference" if summary.without_reference else ""
    unused = f", {summary.unused_references} references without a list" if summary.unused_references else ""
    typer.echo(f"robustger: {summary.lists} lists, {summary.problems} problems{missing}{unused}", err=True)
    if summary.problems or summary.without_reference:
        raise typer.Exit(1)
