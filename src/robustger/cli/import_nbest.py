"""`robustger import-nbest`: N-best lists of other programs in, N-best lists as JSON Lines out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from robustger.cli import options
from robustger.cli.inputs import refuse_overwriting_within
from robustger.cli.progress import progress, say
from robustger.files import check_readable

FORMATS_PANEL = "For one format"


def import_nbest(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="File to read, or a folder of ESPnet, Kaldi or RobustHP; - means standard input.",
        ),
    ],
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="Format of SOURCE: espnet, kaldi, nemo, hyporadise or robusthp.",
        ),
    ],
    output: options.OutputFileOption = "-",
    references: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Read what was really said from this file: Kaldi's text, or JSON Lines with id and text. For nemo: "
            "the manifest that NeMo evaluated.",
        ),
    ] = None,
    beams: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="nemo: width of the beam search that made the file, if no manifest is given.",
            rich_help_panel=FORMATS_PANEL,
        ),
    ] = None,
    acoustic_scale: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="WEIGHT",
            help="kaldi: weight of the acoustic costs in the scores. Default: 1/12.",
            rich_help_panel=FORMATS_PANEL,
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="robusthp: model whose tokenizer made the tokens, for items that hold tokens instead of text.",
            rich_help_panel=FORMATS_PANEL,
        ),
    ] = None,
    embeddings: Annotated[
        bool | None,
        typer.Option(
            "--embeddings/--no-embeddings",
            help="robusthp: store the embeddings of the noisy and the clean audio beside the lists. Default: yes.",
            rich_help_panel=FORMATS_PANEL,
        ),
    ] = None,
    noise_embeddings: Annotated[
        bool | None,
        typer.Option(
            "--noise-embeddings",
            help="robusthp: store the noise embeddings of the file in LISTS.noise.safetensors.",
            rich_help_panel=FORMATS_PANEL,
        ),
    ] = None,
    keep_repeats: Annotated[
        bool,
        typer.Option(
            "--keep-repeats",
            help="Keep hypotheses that differ from a better one only in case and punctuation. For robusthp they are "
            "always kept.",
            rich_help_panel=options.RARE,
        ),
    ] = False,
) -> None:
    """Read N-best lists that other programs wrote.

    Hypotheses that say the same are merged, and decoder tokens are put together to words. What cannot be read is
    reported and left out, and makes the exit code 1.
    """
    check_readable(references, *([] if Path(source).is_dir() else [source]))
    refuse_overwriting_within(output, (source,))

    from functools import partial

    from robustger.corpora.import_robusthp import import_robusthp
    from robustger.hypotheses.foreign import import_lists

    given = {
        "references": references,
        "beams": beams,
        "acoustic_scale": acoustic_scale,
        "tokenizer": tokenizer,
        "embeddings": embeddings,
        "noise_embeddings": noise_embeddings,
    }
    kept = {"same": None} if keep_repeats else {}
    run = import_robusthp if format == "robusthp" else partial(import_lists, format=format, **kept)
    with progress("importing", "lists") as bar:
        summary = run(
            source,
            output,
            on_problem=lambda place, message: say(f"{place}: {message}"),
            on_progress=bar.update,
            **{name: value for name, value in given.items() if value is not None},
        )
    missing = f", {summary.without_reference} without a reference" if summary.without_reference else ""
    unused = f", {summary.unused_references} references without a list" if summary.unused_references else ""
    merged = f", {summary.merged} repeated hypotheses merged" if summary.merged else ""
    joined = f", {summary.joined} lists of decoder tokens put together to words" if summary.joined else ""
    say(f"{summary.lists} lists, {summary.problems} problems{missing}{unused}{merged}{joined}")
    if summary.problems or summary.without_reference:
        raise typer.Exit(1)
