"""`robustger import-nbest`: lists made by other recognizers in, N-best JSONL out."""

from __future__ import annotations

from typing import Annotated

import typer


def import_nbest(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A file, or a folder of ESPnet's, Kaldi's or RobustHP's; - for stdin."
        ),
    ],
    format: Annotated[
        str, typer.Option("--format", "-f", help="espnet, kaldi, nemo, hyporadise or robusthp.")
    ],
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
    keep_repeats: Annotated[
        bool,
        typer.Option(
            "--keep-repeats",
            help="Keep hypotheses that differ from a better one in case and punctuation alone. robusthp keeps them.",
        ),
    ] = False,
    acoustic_scale: Annotated[
        float | None, typer.Option(min=0, help="kaldi: weight of the acoustic costs. Default: 1/12.")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="robusthp: folder or name of the model whose tokenizer made the tokens, for items without texts.",
        ),
    ] = None,
    embeddings: Annotated[
        bool | None,
        typer.Option(
            "--embeddings/--no-embeddings",
            help="robusthp: store time-means of the audio features, noisy and clean, beside the lists. Default: yes.",
        ),
    ] = None,
    noise_embeddings: Annotated[
        bool | None,
        typer.Option(
            "--noise-embeddings",
            help="robusthp: store emb_diff, turned into E_LN, in LISTS.noise.safetensors.",
        ),
    ] = None,
) -> None:
    """Read N-best lists that other programs wrote.

    Hypotheses that say the same are merged, and decoder tokens put together to words. What cannot be read is reported
    and left out, and makes the exit code 1.
    """
    import sys
    from functools import partial

    from tqdm import tqdm

    from robustger.corpora.import_robusthp import import_robusthp
    from robustger.hypotheses.foreign import import_lists

    options = {
        "references": references,
        "beams": beams,
        "acoustic_scale": acoustic_scale,
        "tokenizer": tokenizer,
        "embeddings": embeddings,
        "noise_embeddings": noise_embeddings,
    }
    kept = {"same": None} if keep_repeats else {}
    run = import_robusthp if format == "robusthp" else partial(import_lists, format=format, **kept)
    with tqdm(desc="importing", unit=" lists", disable=None) as bar:
        summary = run(
            source,
            output,
            on_problem=lambda place, message: bar.write(f"robustger: {place}: {message}", file=sys.stderr),
            on_progress=bar.update,
            **{name: value for name, value in options.items() if value is not None},
        )
    missing = f", {summary.without_reference} without a reference" if summary.without_reference else ""
    unused = f", {summary.unused_references} references without a list" if summary.unused_references else ""
    merged = f", {summary.merged} repeated hypotheses merged" if summary.merged else ""
    joined = f", {summary.joined} lists of decoder tokens put together to words" if summary.joined else ""
    typer.echo(
        f"robustger: {summary.lists} lists, {summary.problems} problems{missing}{unused}{merged}{joined}",
        err=True,
    )
    if summary.problems or summary.without_reference:
        raise typer.Exit(1)
