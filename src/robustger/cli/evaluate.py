"""`robustger evaluate`: N-best lists and corrections in, word error rates out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from robustger.cli import options
from robustger.cli.evaluation_printing import print_report, report_left_out
from robustger.cli.progress import say
from robustger.errors import InputError
from robustger.files import check_readable, refuse_overwriting

if TYPE_CHECKING:
    from robustger.evaluation.page import PageUtterance
    from robustger.evaluation.results import DomainReport, EvaluationReport
    from robustger.hypotheses import NBest
    from robustger.manifest import Utterance


COUNTING_PANEL = "How errors are counted"
GROUPS_PANEL = "What is shown"


def evaluate(
    lists: Annotated[
        list[str],
        typer.Argument(
            metavar="LISTS...",
            help="N-best lists with references, as JSON Lines; - means standard input. Each of several files is a "
            "domain of its own.",
        ),
    ],
    corrections: Annotated[
        list[str] | None,
        typer.Option(
            "--corrections",
            "-c",
            metavar="FILE",
            help="Measure these corrections too, written by `robustger correct`. With several LISTS: once for each, in "
            "the same order.",
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Compare --corrections with these corrections of another system. As often as --corrections.",
        ),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option(
            metavar="PAGE.html",
            help="Also write one HTML page with everything: tables, plots, texts and recordings.",
        ),
    ] = None,
    as_json: options.JsonOption = False,
    normalizers: Annotated[
        list[str] | None,
        typer.Option(
            "--normalizer",
            metavar="NAME",
            help="Bring both sides into this form before counting: raw, released, whisper, number or hyporadise. "
            "Repeatable. Default: raw and number.",
            rich_help_panel=COUNTING_PANEL,
        ),
    ] = None,
    unit: Annotated[
        Literal["word", "char"],
        typer.Option(
            help="Count words, or characters for languages that are written without spaces (CER).",
            rich_help_panel=COUNTING_PANEL,
        ),
    ] = "word",
    written: Annotated[
        bool,
        typer.Option(
            "--written",
            help="Compare the texts as they are written, with capitals and punctuation, which --normalizer raw then "
            "counts.",
            rich_help_panel=COUNTING_PANEL,
        ),
    ] = False,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD[:EDGES]",
            help="Also give the rates for groups of recordings: by length, snr_db, noise, speaker, or any key in the "
            "lists' meta. Numbers can be put into classes, as in seconds:2,5,10. Repeatable.",
            rich_help_panel=GROUPS_PANEL,
        ),
    ] = None,
    top_words: Annotated[
        int,
        typer.Option(
            "--top-words",
            min=0,
            metavar="N",
            help="Also show the N words that were most often fixed, and the N most often broken.",
            rich_help_panel=GROUPS_PANEL,
        ),
    ] = 0,
    manifest: Annotated[
        str | None,
        typer.Option(
            metavar="MANIFEST",
            help="Add the fields and recordings of this manifest to the lists of the same id.",
            rich_help_panel=GROUPS_PANEL,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Resample all recordings that share a value of this field together, such as those of a speaker.",
            rich_help_panel=options.RARE,
        ),
    ] = None,
    resamples: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Resample this often to get the intervals (bootstrap).",
            rich_help_panel=options.RARE,
        ),
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Resample with this seed.", rich_help_panel=options.RARE)] = 0,
    audio: Annotated[
        Literal["link", "embed", "none"],
        typer.Option(
            help="Let the page play recordings where they lie, carry a copy of them, or do without.",
            rich_help_panel=options.RARE,
        ),
    ] = "link",
) -> None:
    """Measure word error rates: of the 1-best, of the oracles, and of corrections if they are given.

    Windows of one recording are joined to one utterance. The exit code is 1 if lists were left out because they have no
    reference or lack a window, or if recordings could not be put on the page.
    """
    inputs = [*lists, *(corrections or []), *(against or [])]
    for option, files in (("corrections", corrections), ("against", against)):
        if files and len(files) != len(lists):
            raise InputError(
                f"{len(lists)} files of lists but {len(files)} of {option}; "
                f"give --{option} once for each file of lists, in the same order"
            )
    if inputs.count("-") > 1:
        raise InputError("- means standard input, which can be read only once")
    if len(set(lists)) < len(lists):
        raise InputError("the same file of lists is given twice")
    if top_words and not corrections:
        raise InputError("--top-words counts what corrections change; give --corrections")
    names = _domain_names(lists)
    check_readable(*inputs)
    if html is not None:
        refuse_overwriting(html, *inputs, manifest)

    from robustger.evaluation import report as reports
    from robustger.evaluation.corrections import load_corrections
    from robustger.hypotheses import stream_nbest
    from robustger.text import DEFAULT_NORMALIZERS

    systems = [
        {name: load_corrections(path, written=written) for name, path in zip(names, files, strict=True)}
        if files
        else None
        for files in (corrections, against)
    ]
    rows = _rows(manifest) if manifest is not None else None
    domains: dict[str, Any] = {
        name: stream_nbest(path) if rows is None else _with_manifest(stream_nbest(path), rows)
        for name, path in zip(names, lists, strict=True)
    }
    if html or top_words:  # these need the texts once more
        domains = {name: list(stream) for name, stream in domains.items()}
    settings: dict[str, Any] = {
        "unit": unit,
        "by": by or (),
        "cluster": cluster,
        "seed": seed,
        "resamples": resamples,
        "written": written,
    }
    chosen = normalizers or DEFAULT_NORMALIZERS
    result: EvaluationReport | DomainReport
    if len(lists) == 1:
        [name] = names
        own, other = (None if texts is None else texts[name] for texts in systems)
        result = total = reports.evaluate(domains[name], own, chosen, against=other, **settings)
    else:
        result = reports.evaluate_domains(domains, systems[0], chosen, against=systems[1], **settings)
        total = result.total
    changes, problems = None, ()
    if top_words:
        from robustger.evaluation.changes import word_changes

        pairs = (
            (one.nbest, one.corrected or "") for one in _utterances(domains, systems[0], systems[1], written)
        )
        changes = word_changes(pairs, normalizer=chosen[-1], unit=unit)
    if html is not None:
        from robustger.evaluation.page import write_page

        page = write_page(
            html,
            result,
            _utterances(domains, systems[0], systems[1], written),
            title=f"Evaluation of {', '.join(names)}",
            by=by or (),
            players=_players(audio, html, dict(zip(names, lists, strict=True))),
        )
        problems = page.problems
    for warning in total.warnings:  # before the figures that they are about
        say(warning)
    print_report(result, changes, top_words, as_json=as_json)
    report_left_out(total, problems, written=written)
    if total.without_reference or total.incomplete or problems:
        raise typer.Exit(1)


def _domain_names(paths: list[str]) -> list[str]:
    """File names without folder and suffix, or the paths as given if two of the names are the same."""
    names = ["stdin" if path == "-" else Path(path).stem for path in paths]
    return names if len(set(names)) == len(names) else paths


def _rows(path: str) -> dict[str, Utterance]:
    from robustger.manifest import load_manifest

    return {utterance.id: utterance for utterance in load_manifest(path)}


def _with_manifest(lists: Iterator[NBest], rows: dict[str, Utterance]) -> Iterator[NBest]:
    """Adds facts to the lists that only the manifest states."""
    from dataclasses import replace

    from robustger.evaluation.recordings import add_reference, window_of

    for nbest in lists:
        row = rows.get(window_of(nbest) or nbest.id)
        if row is None:
            yield nbest
            continue
        fields = {"noise": row.noise, "snr_db": row.snr_db}
        known = {key: value for key, value in fields.items() if value is not None}
        changes: dict[str, Any] = {"meta": {**row.meta, **known, **nbest.meta}}
        if nbest.audio is None:
            changes |= {"audio": str(row.audio.absolute()), "start": row.start, "end": row.end}
        changed = replace(nbest, **changes)
        yield changed if row.text is None else add_reference(changed, row.text, row.text)


def _utterances(
    domains: dict[str, list[NBest]],
    corrections: dict[str, dict[str, str]] | None,
    against: dict[str, dict[str, str]] | None,
    written: bool,
) -> Iterator[PageUtterance]:
    """The recordings that were scored, with their texts."""
    from robustger.evaluation.page import PageUtterance
    from robustger.evaluation.recordings import scorable_recordings, written_form

    for name, lists in domains.items():
        for one in scorable_recordings(map(written_form, lists) if written else lists):
            own, other = (
                None if texts is None else one.corrected(texts[name]) for texts in (corrections, against)
            )
            yield PageUtterance(one.whole, own, other, name)


def _players(audio: Literal["link", "embed", "none"], page: str, lists: dict[str, str]) -> dict[str, Any]:
    from robustger.evaluation.page import embedded, linked

    if audio == "none":
        return {}
    folders = {name: Path() if path == "-" else Path(path).parent for name, path in lists.items()}
    if audio == "link":
        return {name: linked(page, folder) for name, folder in folders.items()}
    from robustger.audio import read_audio

    return {name: embedded(folder, read_audio) for name, folder in folders.items()}
