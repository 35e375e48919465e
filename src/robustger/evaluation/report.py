"""The evaluation of N-best lists and their corrections: WER under several normalisers side by side.

What is reported for each normaliser:

- `best` (the recogniser's 1-best), `o_nb` and `o_cp` (the oracles) and, with corrections, `corrected`;
- the reduction from `best` to `corrected`, absolute and relative, with paired bootstrap intervals;
- harmful edits: utterances the corrections made better, worse, or left equal in errors.

**Format-only baseline.** A hypothesis and its reference may differ in typography alone ("twenty one" / "21",
"mid-air" / "mid air"). A corrector that learns to write as the reference does lowers the raw WER without
recognising one word more. So each report carries the WER that the 1-best reaches when 1-best and reference
are both rewritten into one canonical format and no model is run: the WER of `best` under the normaliser
`number`. A raw WER of `corrected` that is not below it is no evidence of correction. When the corrections
lower the raw WER, the share of this gain that format explains is

    1 - (WER_number(best) - WER_number(corrected)) / (WER_raw(best) - WER_raw(corrected))

0 means every gain is in the words, 1 that only the typography improved; above 1, words got worse behind
better typography; below 0, words improved by more than the raw figures show.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from robustger.errors import InputError
from robustger.evaluation.scores import score_lists
from robustger.evaluation.significance import LEVEL, Interval, check_bootstrap
from robustger.evaluation.summary import NormalizerReport, Summary, plain, summarize
from robustger.evaluation.tables import Table, percent
from robustger.hypotheses import NBest
from robustger.text import DEFAULT_NORMALIZERS

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table as RichTable

FORMAT_NORMALIZER = "number"
_FORMAT_DEFINITION = (
    "wer: of the 1-best when 1-best and reference are both rewritten by the normaliser 'number', no model; "
    "relative_reduction: 1 - this / raw WER of the 1-best; "
    "share_of_raw_gain: share of the WER points that corrections gain under 'raw' but not under 'number'"
)


@dataclass(frozen=True, slots=True)
class FormatOnly:
    """What typography alone explains (see the module's description).

    Attributes:
        wer: WER of the 1-best under `number`.
        interval: its 95 % interval.
        relative_reduction: 1 - wer / raw WER of the 1-best.
        share_of_raw_gain: share of the corrections' raw gain that format explains; None without corrections
            or when they do not lower the raw WER.
    """

    wer: float
    interval: Interval
    relative_reduction: float
    share_of_raw_gain: float | None

    def to_json_dict(self) -> dict[str, Any]:
        """The baseline with its definition in words."""
        return plain(
            {
                "wer": self.wer,
                "wer_interval": self.interval,
                "relative_reduction": self.relative_reduction,
                "share_of_raw_gain": self.share_of_raw_gain,
                "definition": _FORMAT_DEFINITION,
            }
        )


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The result of `evaluate`; rates are fractions, intervals are at 95 %.

    Attributes:
        normalizers: the figures by normaliser.
        format_only: the format-only baseline.
        utterances: lists scored.
        without_reference: lists left out because they have no reference.
        seed: seed of the bootstrap.
        resamples: number of bootstrap resamples.
    """

    normalizers: Mapping[str, NormalizerReport]
    format_only: FormatOnly
    utterances: int
    without_reference: int
    seed: int
    resamples: int

    def to_json_dict(self) -> dict[str, Any]:
        """The report as plain JSON values; quantities without a value (no words, say) are None."""
        return {
            "normalizers": {name: report.to_json_dict() for name, report in self.normalizers.items()},
            "format_only": self.format_only.to_json_dict(),
            "utterances": self.utterances,
            "without_reference": self.without_reference,
            "bootstrap": {"resamples": self.resamples, "seed": self.seed, "level": LEVEL},
        }

    def table(self) -> Table:
        """One row per system, one column per normaliser."""
        reports = list(self.normalizers.values())
        rows = [("1-best", *(percent(r.wer["best"], r.wer_interval["best"]) for r in reports))]
        format_only = percent(self.format_only.wer, self.format_only.interval)
        rows.append(("format-only", *(format_only if name == "raw" else "-" for name in self.normalizers)))
        rows += [
            (system, *(percent(r.wer[system], r.wer_interval[system]) for r in reports))
            for system in ("o_nb", "o_cp", "corrected")
            if system in reports[0].wer
        ]
        if "corrected" in reports[0].wer:
            rows.append(("relative change", *(r.change() for r in reports)))
            rows.append(("utterances better/worse/equal", *(r.outcome() for r in reports)))
            rows.append(("harmful edits", *(r.harm() for r in reports)))
        return Table("WER in %", ("", *self.normalizers), tuple(rows), _notes(self))

    def to_markdown(self) -> str:
        """`table` as Markdown."""
        return self.table().to_markdown()

    def to_rich_table(self) -> RichTable:
        """`table` for a rich console."""
        return self.table().to_rich()


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
        """One table per normaliser, one row per domain and a last one for the total."""
        return [self._table(name) for name in self.total.normalizers]

    def _table(self, normalizer: str) -> Table:
        corrected = "corrected" in self.total.normalizers[normalizer].wer
        columns = ["domain", "utterances", "words", "1-best", "format-only", "o_nb", "o_cp"]
        if corrected:
            columns += ["corrected", "relative change", "better/worse/equal"]
        rows = []
        for domain, whole in [*self.domains.items(), ("total", self.total)]:
            report = whole.normalizers[normalizer]
            cells = [domain, f"{whole.utterances:,}", f"{report.words:,}"]
            cells.append(percent(report.wer["best"], report.wer_interval["best"]))
            cells.append(percent(whole.format_only.wer))
            cells += [percent(report.wer["o_nb"]), percent(report.wer["o_cp"])]
            if corrected:
                cells += [percent(report.wer["corrected"], report.wer_interval["corrected"])]
                cells += [report.change(), report.outcome()]
            rows.append(tuple(cells))
        return Table(f"WER in %, normaliser {normalizer}", tuple(columns), tuple(rows), _notes(self.total))

    def to_markdown(self) -> str:
        """`tables` as Markdown, one after the other."""
        return "\n".join(table.to_markdown() for table in self.tables())

    def to_rich_table(self) -> Group:
        """`tables` for a rich console, one below the other."""
        from rich.console import Group

        return Group(*(table.to_rich() for table in self.tables()))


def evaluate(
    lists: Iterable[NBest],
    corrections: Mapping[str, str] | None = None,
    normalizers: Sequence[str] = DEFAULT_NORMALIZERS,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> EvaluationReport:
    """Evaluate N-best lists, and corrections of them when given.

    The lists are read once and may stream; about 80 bytes per utterance and normaliser are kept.

    Args:
        lists: N-best lists; those without a reference are left out and counted.
        corrections: corrected text by list id; exactly one for each list with a reference, none for unknown
            ids.
        normalizers: names of the normalisers to report.
        seed: seed of the bootstrap; it makes the report reproducible.
        resamples: bootstrap resamples.

    Raises:
        InputError: an unknown normaliser; no list with a reference; ids of lists and corrections that do not
            match (the message counts them and names the first); `resamples` below 1 or a negative seed.
    """
    check_bootstrap(resamples, seed)
    scores = score_lists(lists, corrections, _scored_normalizers(normalizers))
    return _report(summarize(scores, resamples=resamples, seed=seed), normalizers, seed, resamples)


def evaluate_domains(
    domains: Mapping[str, Iterable[NBest]],
    corrections: Mapping[str, Mapping[str, str]] | None = None,
    normalizers: Sequence[str] = DEFAULT_NORMALIZERS,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> DomainReport:
    """Evaluate several sets of lists and their pool.

    The bootstrap of the pool is stratified: each resample draws every domain at its own size. A domain's
    draws depend on the seed and its name, so its intervals are the same whatever domains are evaluated beside
    it.

    Args:
        domains: lists by domain name, in the order of the table.
        corrections: corrected text by domain and list id; the same domains as `domains`.
        normalizers: as for `evaluate`.
        seed: as for `evaluate`.
        resamples: as for `evaluate`.

    Raises:
        InputError: as for `evaluate`, naming the domain; no domains; corrections for other domains.
    """
    check_bootstrap(resamples, seed)
    if not domains:
        raise InputError("there are no domains to evaluate; give at least one set of lists")
    if corrections is not None and corrections.keys() != domains.keys():
        differing = ", ".join(sorted(corrections.keys() ^ domains.keys()))
        raise InputError(
            f"lists and corrections must cover the same domains; only one of them has: {differing}"
        )
    reports, pooled = {}, {}
    for name, lists in domains.items():
        own = None if corrections is None else corrections[name]
        scores = score_lists(lists, own, _scored_normalizers(normalizers), where=f"{name}: ")
        # independent draws per domain: the same draws for all would resample equally long domains in step
        domain_seed = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))
        summaries = summarize(scores, resamples=resamples, seed=domain_seed)
        reports[name] = _report(summaries, normalizers, seed, resamples)
        pooled = {key: pooled[key] + summary if pooled else summary for key, summary in summaries.items()}
    return DomainReport(reports, _report(pooled, normalizers, seed, resamples))


def _scored_normalizers(reported: Sequence[str]) -> list[str]:
    """The reported normalisers and the two that the format-only baseline needs, each once."""
    if not reported:
        raise InputError("there are no normalizers to evaluate under; give at least one name, such as 'raw'")
    return list(dict.fromkeys([*reported, "raw", FORMAT_NORMALIZER]))


def _report(
    summaries: Mapping[str, Summary], normalizers: Sequence[str], seed: int, resamples: int
) -> EvaluationReport:
    counts = summaries["raw"].operations["best"]
    return EvaluationReport(
        normalizers={name: summaries[name].report() for name in normalizers},
        format_only=_format_only(summaries["raw"], summaries[FORMAT_NORMALIZER]),
        utterances=counts.utterances,
        without_reference=counts.without_reference,
        seed=seed,
        resamples=resamples,
    )


def _format_only(raw: Summary, formatted: Summary) -> FormatOnly:
    wer, raw_wer = formatted.rate("best"), raw.rate("best")
    share = None
    if "corrected" in raw.errors:
        gain = raw_wer - raw.rate("corrected")
        if gain > 0:
            share = 1 - (wer - formatted.rate("corrected")) / gain
    return FormatOnly(
        wer=wer,
        interval=formatted.interval("best"),
        relative_reduction=1 - wer / raw_wer if raw_wer else float("nan"),
        share_of_raw_gain=share,
    )


def _notes(report: EvaluationReport) -> str:
    notes = [f"{report.utterances:,} utterances"]
    if report.without_reference:
        notes[0] += f" ({report.without_reference:,} without reference left out)"
    notes.append(
        f"[95 % interval] by bootstrap over utterances, {report.resamples:,} resamples, seed {report.seed}"
    )
    notes.append("format-only: 1-best and reference written in one format (normaliser 'number'), no model")
    if report.format_only.share_of_raw_gain is not None:
        notes.append(f"format explains {100 * report.format_only.share_of_raw_gain:.0f} % of the raw gain")
    return "; ".join(notes) + "."
