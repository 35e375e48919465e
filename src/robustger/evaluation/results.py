"""The results of `evaluate` and `evaluate_domains`, as values, JSON and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from robustger.evaluation.bootstrap import FEWEST_UNITS
from robustger.evaluation.figures import TOO_FEW, NormalizerReport
from robustger.evaluation.intervals import CONFIDENCE_LEVEL, Interval, percent
from robustger.evaluation.json_values import json_value
from robustger.evaluation.tables import Table
from robustger.evaluation.units import ERROR_UNITS

if TYPE_CHECKING:
    from rich.console import Group as RichGroup

_FORMAT_DEFINITION = (
    "wer: of the 1-best when 1-best and reference are both rewritten by the normalizer 'number', no model; "
    "relative_reduction: 1 - this / raw WER of the 1-best; "
    "share_of_raw_gain: share of the WER points that corrections gain under 'raw' but not under 'number'"
)
_SYSTEMS = {"best": "1-best", "o_nb": "o_nb", "o_cp": "o_cp", "corrected": "corrected", "against": "against"}


@dataclass(frozen=True, slots=True)
class FormatOnlyResult:
    """The share of the gain that typography alone explains (see `robustger.evaluation.report`).

    Attributes:
        wer: WER of the 1-best under the normalizer `number`.
        interval: its 95 % interval; None where there are too few utterances for one.
        relative_reduction: 1 - wer / raw WER of the 1-best.
        share_of_raw_gain: share of the corrections' raw gain that format explains; None without corrections
            or when they do not lower the raw WER.
    """

    wer: float
    interval: Interval | None
    relative_reduction: float
    share_of_raw_gain: float | None

    def to_json_dict(self) -> dict[str, Any]:
        """The baseline with its definition in words."""
        return json_value(
            {
                "wer": self.wer,
                "wer_interval": [None, None] if self.interval is None else self.interval,
                "relative_reduction": self.relative_reduction,
                "share_of_raw_gain": self.share_of_raw_gain,
                "definition": _FORMAT_DEFINITION,
            }
        )


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The settings of the bootstrap that made the intervals.

    Attributes:
        seed: seed of the draws.
        resamples: number of resamples.
        over: the unit that is drawn: "utterance", or the field whose values are drawn whole.
        independent: number of these units.
    """

    seed: int
    resamples: int
    over: str
    independent: int

    @property
    def enough(self) -> bool:
        """Whether there are enough units for intervals and tests to mean anything."""
        return self.independent >= FEWEST_UNITS

    def to_json_dict(self) -> dict[str, Any]:
        """The settings, with the level of the intervals."""
        return {
            "resamples": self.resamples,
            "seed": self.seed,
            "level": CONFIDENCE_LEVEL,
            "over": self.over,
            "independent": self.independent,
            "enough": self.enough,
        }


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The result of `evaluate`; rates are fractions, intervals are at 95 %.

    Attributes:
        normalizers: the figures by normalizer.
        format_only: the format-only baseline.
        utterances: number of scored utterances: lists, and recordings whose windows were joined.
        without_reference: lists left out because they have no reference.
        bootstrap: the settings of the bootstrap.
        unit: the unit of errors, "word" or "char"; with "char", words are characters and WER is CER.
        by: the reports of the groups, by field and group.
        joined: number of recordings that were joined from several windows.
        incomplete: recordings left out because a window is missing.
        written: whether the written forms were scored, with case and punctuation.
        warnings: warnings about the form of the texts that put the figures in doubt, one line each.
    """

    normalizers: Mapping[str, NormalizerReport]
    format_only: FormatOnlyResult
    utterances: int
    without_reference: int
    bootstrap: Bootstrap
    unit: str = "word"
    by: Mapping[str, Mapping[str, EvaluationReport]] = field(default_factory=dict)
    joined: int = 0
    incomplete: tuple[str, ...] = ()
    written: bool = False
    warnings: tuple[str, ...] = ()

    def to_json_dict(self) -> dict[str, Any]:
        """The report as plain JSON values; quantities without a value (for example without words) are None."""
        result: dict[str, Any] = {
            "normalizers": {name: report.to_json_dict() for name, report in self.normalizers.items()},
            "format_only": self.format_only.to_json_dict(),
            "utterances": self.utterances,
            "without_reference": self.without_reference,
            "joined_recordings": self.joined,
            "incomplete_recordings": list(self.incomplete),
            "written": self.written,
            "warnings": list(self.warnings),
            "unit": self.unit,
            "bootstrap": self.bootstrap.to_json_dict(),
        }
        if self.by:
            result["by"] = {
                name: {group: report.to_json_dict() for group, report in groups.items()}
                for name, groups in self.by.items()
            }
        return result

    def table(self) -> Table:
        """One row per system and comparison, one column per normalizer."""
        reports = list(self.normalizers.values())
        first = reports[0]
        rows = [("1-best", *(r.rate("best") for r in reports))]
        format_only = percent(self.format_only.wer, self.format_only.interval)
        rows.append(("format-only", *(format_only if name == "raw" else "-" for name in self.normalizers)))
        rows += [
            (name, *(r.rate(system) for r in reports))
            for system, name in _SYSTEMS.items()
            if system in first.wer and system != "best"
        ]
        rows += [
            (f"{_SYSTEMS[system]} sub/del/ins", *(r.kinds(system) for r in reports))
            for system in first.operations
        ]
        rows.append(("distinct hypotheses", *(r.sizes() for r in reports)))
        versus = [r.versus_best for r in reports if r.versus_best is not None]
        if versus:
            rows.append(("relative change", *(v.change() for v in versus)))
            rows.append(("matched pairs", *(v.test() for v in versus)))
            rows.append(("utterances better/worse/equal", *(v.outcome() for v in versus)))
            rows.append(("harmful edits", *(v.harm() for v in versus)))
            rows += [(f"RIR of {oracle}", *(r.rir(oracle) for r in reports)) for oracle in first.recovered]
        versus = [r.versus_against for r in reports if r.versus_against is not None]
        if versus:
            rows.append(("change from against", *(v.change() for v in versus)))
            rows.append(("matched pairs with against", *(v.test() for v in versus)))
            rows.append(("better/worse/equal than against", *(v.outcome() for v in versus)))
        return Table(
            f"{ERROR_UNITS.get(self.unit).rate} in %", ("", *self.normalizers), tuple(rows), self.notes()
        )

    def tables(self) -> list[Table]:
        """`table` and `group_tables`."""
        return [self.table(), *self.group_tables()]

    def group_tables(self) -> list[Table]:
        """One table per requested field and normalizer, with a row per group and a last row for all."""
        return [
            parts_table(name, normalizer, groups, ("all", self))
            for name, groups in self.by.items()
            for normalizer in self.normalizers
        ]

    def to_markdown(self) -> str:
        """`tables` as Markdown, one after the other."""
        return "\n".join(table.to_markdown() for table in self.tables())

    def to_rich_table(self) -> RichGroup:
        """`tables` for a rich console, one below the other."""
        return _below_each_other(self.tables())

    def notes(self) -> str:
        """The notes below the table: the number of utterances, and how the figures were made."""
        notes = [_counted(self.utterances)]
        if self.joined:
            notes[0] += f", {self.joined:,} of them recordings joined of several windows"
        if self.without_reference:
            lacking = "written forms" if self.written else "reference"
            notes[0] += f" ({self.without_reference:,} without {lacking} left out)"
        if self.incomplete:
            notes.append(f"{len(self.incomplete):,} recordings of which a window is missing left out")
        if self.written:
            notes.append("written forms: under 'raw' case and punctuation are counted")
        drawn, bootstrap = "utterances", self.bootstrap
        if bootstrap.over != "utterance":
            drawn = f"{bootstrap.independent:,} values of {bootstrap.over!r}"
        if bootstrap.enough:
            notes.append(
                f"[95 % interval] by bootstrap over {drawn}, {bootstrap.resamples:,} resamples, "
                f"seed {bootstrap.seed}"
            )
        else:
            counted = drawn if bootstrap.over != "utterance" else _counted(bootstrap.independent)
            verb = "is" if bootstrap.independent == 1 else "are"
            notes.append(f"no intervals: {counted} {verb} {TOO_FEW} (below {FEWEST_UNITS})")
        notes.append(
            "format-only: 1-best and reference written in one format (normalizer 'number'), no model"
        )
        notes.append("o_nb: the best hypothesis of each list; o_cp: the best text of the words of the list")
        if self.format_only.share_of_raw_gain is not None:
            notes.append(f"format explains {100 * self.format_only.share_of_raw_gain:.0f} % of the raw gain")
        if any(report.recovered for report in self.normalizers.values()):
            notes.append(
                "RIR: share of the errors between 1-best and oracle that the corrections recover, in %"
            )
        return "; ".join(notes) + "."


def _counted(utterances: int) -> str:
    return f"{utterances:,} utterance{'' if utterances == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class DomainReport:
    """The result of `evaluate_domains`.

    Attributes:
        domains: one report per domain.
        total: the pooled report, errors and words summed over the domains.
    """

    domains: Mapping[str, EvaluationReport]
    total: EvaluationReport

    def to_json_dict(self) -> dict[str, Any]:
        """The JSON of the pooled report, plus "domains": the JSON of each domain's report."""
        domains = {name: report.to_json_dict() for name, report in self.domains.items()}
        return {**self.total.to_json_dict(), "domains": domains}

    def tables(self) -> list[Table]:
        """One table per normalizer, with a row per domain and a last one for the total; then the tables of groups."""
        by_domain = [
            parts_table("domain", normalizer, self.domains, ("total", self.total), self.total.notes())
            for normalizer in self.total.normalizers
        ]
        return [*by_domain, *self.total.group_tables()]

    def to_markdown(self) -> str:
        """`tables` as Markdown, one after the other."""
        return "\n".join(table.to_markdown() for table in self.tables())

    def to_rich_table(self) -> RichGroup:
        """`tables` for a rich console, one below the other."""
        return _below_each_other(self.tables())


def parts_table(
    column: str,
    normalizer: str,
    parts: Mapping[str, EvaluationReport],
    whole: tuple[str, EvaluationReport],
    notes: str = "",
) -> Table:
    """A table with a row per part and a last row for the whole, under one normalizer.

    Args:
        column: title of the first column: "domain", or the field that the utterances were grouped by.
        normalizer: the normalizer.
        parts: the reports by name.
        whole: the name and the report of all parts together.
        notes: text below the table.
    """
    total = whole[1]
    unit = ERROR_UNITS.get(total.unit)
    systems = total.normalizers[normalizer].wer
    columns = [column, "utterances", unit.plural, "1-best", "format-only", "o_nb", "o_cp", "distinct"]
    if "corrected" in systems:
        columns += ["corrected", "relative change", "better/worse/equal"]
    if "against" in systems:
        columns += ["against", "change from against"]
    rows = []
    for name, part in [*parts.items(), whole]:
        report = part.normalizers[normalizer]
        cells = [name, f"{part.utterances:,}", f"{report.words:,}"]
        cells.append(report.rate("best"))
        cells.append(percent(part.format_only.wer))
        cells += [percent(report.wer["o_nb"]), percent(report.wer["o_cp"]), report.sizes()]
        if report.versus_best is not None:
            cells += [report.rate("corrected")]
            cells += [report.versus_best.change(), report.versus_best.outcome()]
        if report.versus_against is not None:
            cells += [report.rate("against")]
            cells += [report.versus_against.change()]
        rows.append(tuple(cells))
    return Table(f"{unit.rate} in %, normalizer {normalizer}", tuple(columns), tuple(rows), notes)


def _below_each_other(tables: list[Table]) -> RichGroup:
    from rich.console import Group

    return Group(*(table.to_rich() for table in tables))
