"""Writes the page: one HTML file that loads nothing from outside and is safe to open, whatever texts it holds.

Every text is escaped. In addition, the content security policy lets the browser run only the page's own script, and
load only the page itself and recordings beside it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from robustger.errors import InputError
from robustger.evaluation.changes import WordChanges
from robustger.evaluation.fields import Grouping
from robustger.evaluation.page.markup import Markup, element, escaped, join_markup, table_element
from robustger.evaluation.page.players import Player
from robustger.evaluation.page.plots import changes_plot, groups_plot, rates_plot
from robustger.evaluation.page.utterances import AlignedUtterance, PageUtterance, UtteranceTable, aligned
from robustger.evaluation.results import DomainReport, EvaluationReport, parts_table
from robustger.evaluation.units import ERROR_UNITS
from robustger.files import atomic_writer
from robustger.text import normalizer_for

UTTERANCES_SHOWN = 2000  # with more, browsers get slow
_TOP_WORDS = 20
_GROUPS_PLOTTED = 40  # more groups get a table but no plot


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """The outcome of writing a page.

    Attributes:
        shown: number of utterances in its table.
        utterances: number of all utterances.
        problems: recordings without a player, each with the reason.
    """

    shown: int
    utterances: int
    problems: tuple[str, ...]


def write_page(
    path: str | Path,
    report: EvaluationReport | DomainReport,
    utterances: Iterable[PageUtterance],
    *,
    title: str,
    by: Sequence[str] = (),
    players: Mapping[str, Player] | None = None,
    shown: int = UTTERANCES_SHOWN,
) -> WrittenPage:
    """Writes an evaluation as one HTML file, whole or not at all.

    Texts are compared under the last of the report's normalizers. Where there are more utterances than `shown`, the
    table has those that the corrections changed most, then those with most errors, in their order.

    Args:
        path: the file to write.
        report: the figures.
        utterances: the evaluated utterances; those without a reference are left out.
        title: the name of the evaluated lists or systems.
        by: the fields the report is grouped by, as they were given to `evaluate`; each gets a column.
        players: of the recordings, by domain (see `robustger.evaluation.page.players`).
        shown: utterances in the table.

    Raises:
        InputError: the file cannot be written, or is "-".
        MissingExtraError: matplotlib is not installed.
    """
    if str(path) == "-":
        raise InputError("a page cannot go to stdout, where the figures go; name a file")
    total = report.total if isinstance(report, DomainReport) else report
    normalizer, unit = list(total.normalizers)[-1], ERROR_UNITS.get(total.unit)
    rows = [
        aligned(one, normalizer_for(normalizer, one.nbest.language), unit)
        for one in utterances
        if one.nbest.reference is not None
    ]
    table = UtteranceTable(
        unit, [Grouping.parse(text) for text in by], players or {}, isinstance(report, DomainReport)
    )
    chosen = _chosen(rows, shown)
    markup, problems = table.markup(chosen)
    parts = [
        element("h1", title),
        _figures(report, total),
        *_changed_words(rows, normalizer, total.unit),
        element("h2", "Utterances"),
        _explanation(len(chosen), len(rows), normalizer, "corrected" in total.normalizers[normalizer].wer),
        _controls("corrected" in total.normalizers[normalizer].wer),
        markup,
    ]
    page = _page(title, join_markup(parts, "\n"))
    with atomic_writer(path) as file:
        file.write(page)
    return WrittenPage(len(chosen), len(rows), tuple(problems))


def _figures(report: EvaluationReport | DomainReport, total: EvaluationReport) -> Markup:
    unit = ERROR_UNITS.get(total.unit)
    parts = [
        element("h2", "Error rates"),
        table_element(total.table()),
        _picture(
            rates_plot(total.normalizers, unit.rate), f"{unit.rate} of every system with its 95 % interval"
        ),
    ]
    splits = list(total.by.items())
    if isinstance(report, DomainReport):
        splits.insert(0, ("domain", report.domains))
    for field, groups in splits:
        parts.append(element("h2", f"By {field}"))
        for name in total.normalizers:
            parts.append(table_element(parts_table(field, name, groups, ("all", total))))
        if len(groups) <= _GROUPS_PLOTTED:
            plot = groups_plot(field, groups, list(total.normalizers)[-1], unit.rate)
            parts.append(_picture(plot, f"{unit.rate} of every system by {field}"))
    return join_markup(parts, "\n")


def _changed_words(rows: Sequence[AlignedUtterance], normalizer: str, unit: str) -> list[Markup]:
    corrected = [row for row in rows if "corrected" in row.systems]
    if not corrected:
        return []
    changes = WordChanges(normalizer=normalizer, unit=unit)
    for row in corrected:
        changes.add(row.systems["1-best"], row.systems["corrected"])
    plural = ERROR_UNITS.get(unit).plural
    plot = changes_plot([row.change for row in corrected], plural)
    return [
        element("h2", "What the corrections change"),
        _picture(plot, f"utterances by the change in the number of wrong {plural}"),
        table_element(changes.table(_TOP_WORDS)),
    ]


def _chosen(rows: Sequence[AlignedUtterance], shown: int) -> list[AlignedUtterance]:
    order = sorted(
        range(len(rows)), key=lambda row: (-abs(rows[row].change), -max(rows[row].errors.values()))
    )
    return [rows[row] for row in sorted(order[:shown])]


def _explanation(chosen: int, utterances: int, normalizer: str, corrected: bool) -> Markup:
    text = (
        f"{utterances:,} utterances" if chosen == utterances else f"{chosen:,} of {utterances:,} utterances: "
    )
    if chosen < utterances:
        text += (
            "those that were changed most, then those with most errors"
            if corrected
            else "those with most errors"
        )
    text += f". Texts as the normalizer {normalizer} writes them; a click on a column's name sorts by it."
    marks = [
        element("b", "wrong", class_="wrong"),
        " substituted or inserted ",
        element("s", "wrong", class_="wrong"),
        " missing ",
    ]
    if corrected:
        marks += [element("b", "fixed", class_="fixed"), " right now, wrong in the 1-best "]
        marks += [element("b", "broken", class_="broken"), " wrong now, right in the 1-best"]
    return join_markup([element("p", text, class_="hint"), element("p", *marks, class_="hint legend")])


def _controls(corrected: bool) -> Markup:
    parts = []
    if corrected:
        names = {"all": "all", "better": "better", "worse": "worse", "equal": "as good", "changed": "changed"}
        options = [element("option", name, value=value) for value, name in names.items()]
        parts.append(element("label", "show ", element("select", *options, id="kind")))
    parts.append(element("label", "find ", Markup('<input id="search" type="search">')))
    parts.append(element("span", id="shown", class_="hint"))
    return element("div", *parts, class_="controls")


def _picture(svg: str, description: str) -> Markup:
    # as an image: identifiers inside an SVG would be shared by the whole page, and an image runs no script
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
    return element("div", Markup(f'<img alt="{escaped(description)}" src="{source}">'), class_="plots")


def _page(title: str, body: Markup) -> str:
    folder = resources.files("robustger.evaluation.page")
    template, style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
        "media-src 'self' data: file:; base-uri 'none'; form-action 'none'"
    )
    return Template(template).substitute(
        title=escaped(title), policy=policy, style=style, body=body, script=script
    )
