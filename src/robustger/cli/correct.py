"""`robustger correct`: N-best lists in, transcripts out."""

from __future__ import annotations

from typing import Annotated

import typer

from robustger.errors import InputError


def correct(
    lists: Annotated[str, typer.Argument(metavar="LISTS", help="N-best JSONL, - for stdin.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Transcript JSONL: one line per input line. - for stdout.")
    ] = "-",
    preset: Annotated[str | None, typer.Option(help="A preset of the package. Default: whisper.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="A checkpoint folder instead of a preset.")] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="The language model from elsewhere: a folder, or a name. Default: the checkpoint's own."
        ),
    ] = None,
    quantization: Annotated[
        str | None,
        typer.Option(
            help="Of the language model's weights: none, nf4 or int8. Default: the checkpoint's own."
        ),
    ] = None,
    guard: Annotated[
        str | None,
        typer.Option(help="none, words, edits or margin. Default: the checkpoint's own."),
    ] = None,
    max_edit_rate: Annotated[
        float | None,
        typer.Option(min=0, help="For the guards edits and margin: edits per word that are let through."),
    ] = None,
    beams: Annotated[int, typer.Option(min=1, max=50, help="1 decodes greedily.")] = 1,
    batch_size: Annotated[
        str, typer.Option(metavar="N|auto", help="Lists per batch; auto takes as many as memory holds.")
    ] = "16",
    skip_agreeing: Annotated[
        bool | None,
        typer.Option(
            "--skip-agreeing/--no-skip-agreeing",
            help="Pass lists whose hypotheses all agree through without the language model. Default: the checkpoint's.",
        ),
    ] = None,
) -> None:
    """Correct N-best lists with a language model conditioned on their noise.

    Lines that cannot be read are reported, get an empty text in the output, and make the exit code 1.
    """
    if preset and checkpoint:
        raise InputError("--preset and --checkpoint exclude each other")
    if batch_size != "auto" and not (batch_size.isdecimal() and int(batch_size)):
        raise InputError(f"--batch-size {batch_size}: give a number of lists, at least 1, or auto")
    import sys
    from pathlib import Path
    from typing import Any

    from tqdm import tqdm

    from robustger.cli.quiet import quiet_libraries
    from robustger.correction.files import correct_file
    from robustger.correction.model import Corrector
    from robustger.hypotheses.audio_embeddings import AudioEmbeddings

    quiet_libraries()
    name = "stdin" if lists == "-" else lists
    changes = {} if max_edit_rate is None else {"max_edit_rate": max_edit_rate}
    model: dict[str, Any] = {"base": base, "quantization": quantization}
    with tqdm(desc="correcting", unit=" lists", disable=None) as bar:
        summary = correct_file(
            lambda: Corrector.from_pretrained(checkpoint or preset or "whisper", **model),
            lists,
            output,
            on_problem=lambda line, message: bar.write(
                f"robustger: {name}:{line}: {message}", file=sys.stderr
            ),
            on_progress=bar.update,
            guard=guard,
            guard_changes=changes,
            num_beams=beams,
            batch_size="auto" if batch_size == "auto" else int(batch_size),
            skip_agreeing=skip_agreeing,
            heard=AudioEmbeddings(Path(lists).parent).get,  # asked by checkpoints that hear the audio alone
        )
    if summary.foreign:
        typer.echo(
            f"robustger: {summary.foreign} lists are not in a language that this corrector knows "
            f"({', '.join(summary.languages)}); they keep the recognizer's text",
            err=True,
        )
    typer.echo(
        f"robustger: {summary.lists} lists, {summary.changed} changed, {summary.agreeing} passed through in agreement, "
        f"{summary.guarded} held back by the guard, {summary.too_long} too long, {summary.problems} problems",
        err=True,
    )
    if summary.problems:
        raise typer.Exit(1)
