"""`robustger evaluate`: word error rates of the lists, of their oracles and of corrections."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robustger.errors import InputError

if TYPE_CHECKING:
    from robustger.evaluation.report import DomainReport, EvaluationReport


def evaluate(
    lists: Annotated[
        list[str],
        typer.Argument(
            metavar="LISTS",
            help="N-best JSONL with references, - for stdin. Several files are one domain each.",
        ),
    ],
    corrections: Annotated[
        list[str] | None,
        typer.Option(
            "--corrections",
            "-c",
            help="Corrections JSONL as `robustger correct` writes it. With several LISTS: once for each, in order.",
        ),
    ] = None,
    normalizers: Annotated[
        list[str] | None,
        typer.Option(
            "--normalizer",
            "-n",
            help="Normaliser, repeatable: raw, released, whisper, number. Default: raw and number.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, rates as fractions.")] = False,
) -> None:
    """Measure word error rates: 1-best, oracles, and corrections if given.

    Exits with 1 when lists were left out because they have no reference.
    """
    from robustger.evaluation import report as reports
    from robustger.evaluation.corrections import load_corrections
    from robustger.hypotheses import stream_nbest
    from robustger.text import DEFAULT_NORMALIZERS

    if corrections and len(corrections) != len(lists):
        raise InputError(
            f"{len(lists)} files of lists but {len(corrections)} of corrections; "
            "give --corrections once for each file of lists, in the same order"
        )
    if [*lists, *(corrections or [])].count("-") > 1:
        raise InputError("- stands for stdin, which can be read only once")
    if len(set(lists)) < len(lists):
        raise InputError("the same file of lists is given twice")
    chosen = normalizers or DEFAULT_NORMALIZERS
    corrected = [load_corrections(path) for path in corrections] if corrections else None
    result: EvaluationReport | DomainReport
    if len(lists) == 1:
        result = total = reports.evaluate(stream_nbest(lists[0]), corrected[0] if corrected else None, chosen)
    else:
        names = _domain_names(lists)
        result = reports.evaluate_domains(
            dict(zip(names, map(stream_nbest, lists), strict=True)),
            dict(zip(names, corrected, strict=True)) if corrected else None,
            chosen,
        )
        total = result.total
    if as_json:
        typer.echo(json.dumps(result.to_json_dict(), indent=2, allow_nan=False))
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(result.to_rich_table())
    else:
        typer.echo(result.to_markdown())  # a file or a pipe has no width to fit a table into
    if total.without_reference:
        typer.echo(
            f"robustger: {total.without_reference} lists have no reference and were left out", err=True
        )
        raise typer.Exit(1)


def _domain_names(paths: list[str]) -> list[str]:
    """File names without folder and suffix, or the paths as given where those would not be distinct."""
    names = ["stdin" if path == "-" else Path(path).stem for path in paths]
    return names if len(set(names)) == len(names) else paths
