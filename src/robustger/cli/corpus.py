"""`robustger corpus`: the folder of a known corpus in, a manifest out, and what is missing from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from robustger.errors import InputError

if TYPE_CHECKING:
    from robustger.corpora import SplitCheck

SHOWN_NAMES = 5  # of what is missing


def corpus(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The corpus; --list shows them.")] = None,
    folder: Annotated[
        str | None, typer.Argument(metavar="FOLDER", help="Where the corpus was unpacked.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="MANIFEST.jsonl",
            help="The manifest, or N-best JSONL for corpora of lists. - for stdout. Without it: check only.",
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option("--split", "-s", help="Which part; repeatable. Default: see --list."),
    ] = None,
    companion: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="ls-freesound: LibriSpeech, for transcripts and clean partners."),
    ] = None,
    max_words: Annotated[
        int | None, typer.Option(min=1, help="Leave out rows of more words, or without a transcript.")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Open every recording: is it audio, as long as its clean partner?")
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Show corpora and splits, and exit.")] = False,
) -> None:
    """Make the manifest of a corpus from its folder, and count what is there against what should be.

    Where something is missing the manifest is written with what there is, and the exit code is 1.
    """
    import sys

    from tqdm import tqdm

    from robustger.corpora import corpus_manifest

    if show_list:
        _show()
        return
    if name is None or folder is None:
        raise InputError(
            "name a corpus and its folder, such as: robustger corpus noizeus FOLDER; --list shows the corpora"
        )
    with tqdm(desc="reading", unit=" rows", disable=None) as bar:
        check = corpus_manifest(
            name,
            folder,
            output,
            splits=split or (),
            companion=companion,
            max_words=max_words,
            probe=probe,
            on_problem=lambda place, message: bar.write(f"robustger: {place}: {message}", file=sys.stderr),
            on_progress=bar.update,
        )
    checked_only = output is None  # then the check is the result
    for one in check.splits:
        for line in _lines(one):
            typer.echo(
                f"{name} {line}" if checked_only else f"robustger: {name} {line}", err=not checked_only
            )
    filtered = f", {check.filtered} left out by --max-words" if max_words is not None else ""
    written = "would be written" if checked_only else f"in {output}"
    typer.echo(f"robustger: {check.rows} rows {written}{filtered}, {check.problems} problems", err=True)
    if not check.complete:
        raise typer.Exit(1)


def _lines(check: SplitCheck) -> list[str]:
    """What to say of a split: a line of counts, and one for everything that is missing."""
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


def _show() -> None:
    from robustger.corpora import CORPORA

    for name in CORPORA.names():
        known = CORPORA.get(name)
        second = f"; --companion {known.companion}" if known.companion else ""
        typer.echo(f"{name}: {known.title}{', N-best lists' if known.lists else ''}{second}")
        for split in known.splits:
            count = "?" if split.expected is None else f"{split.expected:,}"
            recipes = f"; mix --recipe {' or '.join(split.recipes)}" if split.recipes else ""
            mark = "*" if split.default else " "
            typer.echo(f"  {split.name:<24}{count:>8}  {mark} {split.description}{recipes}")
    typer.echo("* read when no --split is given")
