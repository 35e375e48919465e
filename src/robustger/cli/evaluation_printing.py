"""Prints an evaluation: as JSON, as a table on a terminal, or as Markdown into a file or a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from robustger.cli.progress import say

if TYPE_CHECKING:
    from robustger.evaluation.changes import WordChanges
    from robustger.evaluation.results import DomainReport, EvaluationReport

SHOWN = 3  # of the things that are named as examples


def print_report(
    result: EvaluationReport | DomainReport, changes: WordChanges | None, count: int, *, as_json: bool
) -> None:
    """Prints the rates to stdout.

    Args:
        result: the rates.
        changes: the words that corrections changed, or None.
        count: the number of words to show.
        as_json: whether programs read it.
    """
    if as_json:
        report = result.to_json_dict()
        if changes is not None:
            report["word_changes"] = changes.to_json_dict(count)
        typer.echo(json.dumps(report, indent=2, allow_nan=False))
    elif sys.stdout.isatty():
        from rich.console import Console

        console = Console()
        console.print(result.to_rich_table())
        if changes is not None:
            console.print(changes.table(count).to_rich())
    else:
        typer.echo(result.to_markdown())  # a file or a pipe has no width to fit a table into
        if changes is not None:
            typer.echo(changes.table(count).to_markdown())


def report_left_out(total: EvaluationReport, problems: Sequence[str], *, written: bool) -> None:
    """Says on stderr which lists and recordings are not part of the rates, or count in an odd way.

    Args:
        total: the rates over all domains.
        problems: recordings that could not be put on the page.
        written: whether written forms were compared.
    """
    for name, report in total.normalizers.items():
        if report.empty_references:
            shown = _examples(list(map(repr, report.empty_references)), ", ")
            say(
                f"{len(report.empty_references)} references are empty under the normalizer {name} ({shown}): all that "
                "is written for them is counted as inserted"
            )
    for problem in problems:
        say(f"{problem} (no player on the page)")
    if total.without_reference:
        lacking = "written form of hypotheses and reference" if written else "reference"
        say(f"{total.without_reference} lists have no {lacking} and were left out")
    if total.incomplete:
        say(
            f"{len(total.incomplete)} recordings lack windows ({_examples(total.incomplete, '; ')}) and were left out; "
            "give the whole file that `robustger nbest` wrote"
        )


def _examples(names: Sequence[str], separator: str) -> str:
    return separator.join([*names[:SHOWN], *(["..."] if len(names) > SHOWN else [])])
