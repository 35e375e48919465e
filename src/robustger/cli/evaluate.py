"""`robustger evaluate`: word error rates of the lists, of their oracles and of corrections."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from robustger.errors import InputError

if TYPE_CHECKING:
    from robustger.evaluation.changes import WordChanges
    from robustger.evaluation.page import PageUtterance
    from robustger.evaluation.results import DomainReport, EvaluationReport
    from robustger.hypotheses import NBest
    from robustger.manifest import Utterance


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
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Another system's corrections of the same lists, to compare with. As often as --corrections."
        ),
    ] = None,
    normalizers: Annotated[
        list[str] | None,
        typer.Option(
            "--normalizer",
            "-n",
            help="Normalizer, repeatable: raw, released, whisper, number, hyporadise. Default: raw and number.",
        ),
    ] = None,
    unit: Annotated[
        Literal["word", "char"],
        typer.Option(help="What is counted; char, for languages written without spaces, gives the CER."),
    ] = "word",
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD[:EDGES]",
            help="Also the rates of groups, repeatable: length, snr_db, noise, speaker, any key of the lists' meta; "
            "numbers in classes as in seconds:2,5,10.",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD", help="Resample values of this field whole, such as speaker or reference."
        ),
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option(help="Manifest whose fields and recordings are joined to the lists by id."),
    ] = None,
    written: Annotated[
        bool,
        typer.Option(
            "--written",
            help="Score the written forms, with case and punctuation, which -n raw then counts.",
        ),
    ] = False,
    words: Annotated[
        int, typer.Option(min=0, help="Also the so many words most often fixed and most often broken.")
    ] = 0,
    html: Annotated[
        str | None, typer.Option(metavar="PAGE.html", help="Also write everything as one HTML page.")
    ] = None,
    audio: Annotated[
        Literal["link", "embed", "none"],
        typer.Option(help="Recordings of the page: where they lie, copied into the page, or none."),
    ] = "link",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    resamples: Annotated[int, typer.Option(help="Resamples of the bootstrap.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, rates as fractions.")] = False,
) -> None:
    """Measure word error rates: 1-best, oracles, and corrections if given.

    Windows of one recording are joined to one utterance. Exits with 1 when lists were left out because they have no
    reference or a window is missing, or recordings got no player on the page.
    """
    from robustger.evaluation import report as reports
    from robustger.evaluation.corrections import load_corrections
    from robustger.hypotheses import refuse_overwriting, stream_nbest
    from robustger.text import DEFAULT_NORMALIZERS

    for option, files in (("corrections", corrections), ("against", against)):
        if files and len(files) != len(lists):
            raise InputError(
                f"{len(lists)} files of lists but {len(files)} of {option}; "
                f"give --{option} once for each file of lists, in the same order"
            )
    if [*lists, *(corrections or []), *(against or [])].count("-") > 1:
        raise InputError("- stands for stdin, which can be read only once")
    if len(set(lists)) < len(lists):
        raise InputError("the same file of lists is given twice")
    if words and not corrections:
        raise InputError("--words counts what corrections change; give --corrections")
    if html is not None:
        refuse_overwriting(html, *lists, *(corrections or []), *(against or []), manifest)
    names = _domain_names(lists)
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
    if html or words:  # these need the texts once more
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
    if words:
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
    for warning in total.warnings:  # before the figures, which they are about
        typer.echo(f"robustger: {warning}", err=True)
    _print(result, changes, words, as_json)
    for name, report in total.normalizers.items():
        if report.empty_references:
            shown = ", ".join(map(repr, report.empty_references[:3]))
            typer.echo(
                f"robustger: {len(report.empty_references)} references are empty under the normalizer {name} "
                f"({shown}{', ...' if len(report.empty_references) > 3 else ''}): all that is written for them is "
                "counted as inserted",
                err=True,
            )
    for problem in problems:
        typer.echo(f"robustger: {problem} (no player on the page)", err=True)
    if total.without_reference:
        lacking = "written form of hypotheses and reference" if written else "reference"
        typer.echo(
            f"robustger: {total.without_reference} lists have no {lacking} and were left out", err=True
        )
    if total.incomplete:
        shown = "; ".join(total.incomplete[:3]) + ("; ..." if len(total.incomplete) > 3 else "")
        typer.echo(
            f"robustger: {len(total.incomplete)} recordings lack windows ({shown}) and were left out; give the whole "
            "file that `robustger nbest` wrote",
            err=True,
        )
    if total.without_reference or total.incomplete or problems:
        raise typer.Exit(1)


def _domain_names(paths: list[str]) -> list[str]:
    """File names without folder and suffix, or the paths as given where those would not be distinct."""
    names = ["stdin" if path == "-" else Path(path).stem for path in paths]
    return names if len(set(names)) == len(names) else paths


def _rows(path: str) -> dict[str, Utterance]:
    from robustger.manifest import load_manifest

    return {utterance.id: utterance for utterance in load_manifest(path)}


def _with_manifest(lists: Iterator[NBest], rows: dict[str, Utterance]) -> Iterator[NBest]:
    """The lists, completed with what the manifest says of them and they do not."""
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
    """What was scored, with the texts."""
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


def _print(
    result: EvaluationReport | DomainReport, changes: WordChanges | None, count: int, as_json: bool
) -> None:
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
