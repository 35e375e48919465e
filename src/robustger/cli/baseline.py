"""`robustger baseline`: N-best lists in, a baseline's transcripts out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Any

import typer

from robustger.errors import InputError


def baseline(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="format-only, lm-rank, ngram-rank, mbr, rover, zero-shot or few-shot."
        ),
    ],
    lists: Annotated[str, typer.Argument(metavar="LISTS", help="N-best JSONL, - for stdin.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Transcript JSONL: one line per input line. - for stdout.")
    ] = "-",
    train: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LISTS",
            help="Lists with references: the text of ngram-rank, the examples of few-shot. Repeatable.",
        ),
    ] = None,
    dev: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LISTS",
            help="Lists with references that the weight of lm-rank and ngram-rank is tuned on. Repeatable.",
        ),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Instead of --dev: 0 is the 1-best, 1 the language model alone."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Language model of lm-rank, zero-shot and few-shot. Default: smollm2-135m."),
    ] = None,
    order: Annotated[
        int | None, typer.Option(min=1, help="Words of the n-grams of ngram-rank. Default: 3.")
    ] = None,
    shots: Annotated[int | None, typer.Option(min=1, help="Examples of few-shot. Default: 4.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of few-shot's choice of examples. Default: 0.")] = None,
    normalizer: Annotated[
        str | None,
        typer.Option(help="How format-only writes; under which a weight is tuned. Default: number."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda. Default: the GPU where there is one.")
    ] = None,
) -> None:
    """Transcribe N-best lists with a baseline, to be measured beside `robustger correct`.

    Lines that cannot be read are reported, get an empty text in the output, and make the exit code 1.
    """
    if [lists, *(train or []), *(dev or [])].count("-") > 1:
        raise InputError("- stands for stdin, which can be read only once")
    import logging
    import sys

    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from robustger.cli.quiet import quiet_libraries
    from robustger.correction.baselines import BASELINES, load_baseline
    from robustger.correction.files import correct_file
    from robustger.hypotheses import load_nbest

    quiet_libraries()
    logging.getLogger("robustger").setLevel(logging.INFO)  # the weight that was tuned
    BASELINES.get(name)
    given = {"weight": weight, "model": model, "order": order, "shots": shots, "seed": seed}
    given |= {"normalizer": normalizer, "device": device}
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}

    def load() -> Any:
        for key, paths in (("train", train), ("dev", dev)):
            if paths:
                options[key] = [nbest for path in paths for nbest in load_nbest(path)]
        chosen = load_baseline(name, **options)
        return SimpleNamespace(correct=lambda lists: list(chosen.transcribe(lists)))

    source = "stdin" if lists == "-" else lists
    with logging_redirect_tqdm(), tqdm(desc=name, unit=" lists", disable=None) as bar:
        summary = correct_file(
            load,
            lists,
            output,
            on_problem=lambda line, message: bar.write(
                f"robustger: {source}:{line}: {message}", file=sys.stderr
            ),
            on_progress=bar.update,
        )
    typer.echo(
        f"robustger: {summary.lists} lists, {summary.changed} changed, {summary.agreeing} passed through in agreement, "
        f"{summary.too_long} too long, {summary.problems} problems",
        err=True,
    )
    if summary.problems:
        raise typer.Exit(1)
