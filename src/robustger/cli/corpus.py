"""`robustger corpus`: the folder of a known corpus in, its manifest and a list of missing parts out."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robustger.cli import options
from robustger.cli.inputs import refuse_overwriting_within
from robustger.cli.progress import progress, say
from robustger.errors import InputError

if TYPE_CHECKING:
    from robustger.corpora import SplitCheck

SHOWN_NAMES = 5  # of the things that are missing


def corpus(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of the corpus; --list shows all.")
    ] = None,
    folder: Annotated[
        str | None, typer.Argument(metavar="FOLDER", help="Folder into which the corpus was unpacked.")
    ] = None,
    output: options.ManifestFileOption = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            "-s",
            metavar="NAME",
            help="Read only this part of the corpus. Repeatable. Default: the parts that --list marks.",
        ),
    ] = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="Show the corpora with their parts, and exit.")
    ] = False,
    as_json: options.JsonOption = False,
    companion: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of a second corpus that the first needs: for ls-freesound LibriSpeech, which has its "
            "transcripts and clean partners.",
            rich_help_panel=options.RARE,
        ),
    ] = None,
    max_words: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Leave out rows of more than this many words, and rows without a transcript.",
            rich_help_panel=options.RARE,
        ),
    ] = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Open every recording, and check that it is audio and as long as its clean partner.",
            rich_help_panel=options.RARE,
        ),
    ] = False,
) -> None:
    """Make the manifest of a corpus from its folder, and compare the numbers of recordings with the published ones.

    If recordings are missing, the manifest holds all others, and the exit code is 1.
    """
    from robustger.corpora import corpus_manifest

    if show_list:
        _show(as_json)
        return
    if name is None or folder is None:
        raise InputError(
            "name a corpus and its folder, such as: robustger corpus noizeus FOLDER; --list shows the corpora"
        )
    if as_json and output == "-":
        raise InputError("--json and -o - would both write to standard output; name a file for the manifest")
    if output is not None:
        refuse_overwriting_within(output, (folder, companion), is_own=lambda path: _made_before(path, name))
    with progress("reading", "rows") as bar:
        check = corpus_manifest(
            name,
            folder,
            output,
            splits=split or (),
            companion=companion,
            max_words=max_words,
            probe=probe,
            on_problem=lambda place, message: say(f"{place}: {message}"),
            on_progress=bar.update,
        )
    if as_json:
        typer.echo(json.dumps(asdict(check) | {"complete": check.complete}, indent=2))
    else:
        lines = [f"{name} {line}" for one in check.splits for line in _lines(one)]
        for line in lines:  # if nothing is written, the check is the result
            typer.echo(line) if output is None else say(line)
    filtered = f", {check.filtered} left out by --max-words" if max_words is not None else ""
    written = "would be written" if output is None else f"in {output}"
    say(f"{check.rows} rows {written}{filtered}, {check.problems} problems")
    if not check.complete:
        raise typer.Exit(1)


def _made_before(path: str, corpus: str) -> bool:
    """Whether a file is a manifest that this command wrote of the corpus; it may be written again."""
    try:
        with open(path, "rb") as file:
            return json.loads(file.readline())["meta"]["corpus"] == corpus
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _lines(check: SplitCheck) -> list[str]:
    """The lines about a split: one with counts, and one for each kind of thing that is missing."""
    of = f" of {check.expected:,}" if check.expected is not None else ""
    partners = f", {check.with_clean:,} with a clean partner" if check.with_clean else ""
    lines = [
        f"{check.name}: {check.found:,}{of} rows, {check.found - len(check.without_text):,} with a transcript{partners}"
    ]
    without_clean = check.without_clean if check.with_clean else []
    for names, what in (
        (check.missing, "missing"),
        (check.without_text, "without a transcript"),
        (without_clean, "without a clean partner"),
    ):
        if names:
            more = f" and {len(names) - SHOWN_NAMES:,} more" if len(names) > SHOWN_NAMES else ""
            lines.append(f"{check.name}: {len(names):,} {what}: {', '.join(names[:SHOWN_NAMES])}{more}")
    return lines


def _show(as_json: bool) -> None:
    from robustger.corpora import CORPORA

    if as_json:
        typer.echo(json.dumps([_described(name) for name in CORPORA.names()], indent=2))
        return
    for name in CORPORA.names():
        known = CORPORA.get(name)
        second = f"; --companion {known.companion}" if known.companion else ""
        typer.echo(f"{name}: {known.title}{', N-best lists' if known.lists else ''}{second}")
        for split in known.splits:
            count = "?" if split.expected is None else f"{split.expected:,}"
            recipes = f"; mix --recipe {' or '.join(split.recipes)}" if split.recipes else ""
            mark = "*" if split.default else " "
            typer.echo(f"  {split.name:<24}{count:>8}  {mark} {split.description}{recipes}")
    typer.echo("* read if no --split is given")


def _described(name: str) -> dict[str, Any]:
    from robustger.corpora import CORPORA

    known = CORPORA.get(name)
    return {
        "name": name,
        "title": known.title,
        "lists": known.lists,
        "companion": known.companion,
        "splits": [
            {
                "name": split.name,
                "description": split.description,
                "expected": split.expected,
                "default": split.default,
                "recipes": list(split.recipes),
            }
            for split in known.splits
        ],
    }
