"""Evaluates N-best lists and their corrections under several normalizers.

The report holds for each normalizer:

- `best` (the recognizer's 1-best), `o_nb` and `o_cp` (the oracles) and, with corrections, `corrected`;
- the reduction from `best` to `corrected`, absolute and relative, with paired bootstrap intervals;
- harmful edits: utterances the corrections made better, worse, or left equal in errors;
- RIR, the share of the recoverable errors (1-best less oracle) that the corrections recover, for both oracles;
- the matched-pairs test of the difference;
- the number of hypotheses of a list that differ, and warnings about the form of the texts;
- the same for groups of utterances (by noise, SNR, speaker, length ...), and for another system's corrections.

**Format-only baseline.** A hypothesis and its reference may differ in typography alone ("twenty one" / "21", "mid-air"
/ "mid air"). A corrector that learns to write as the reference does lowers the raw WER without recognizing one word
more. So each report carries the WER that the 1-best reaches when 1-best and reference are both rewritten into one
canonical format and no model is run: the WER of `best` under the normalizer `number`. Unless the raw WER of `corrected`
lies below it, there is no evidence of correction. When the corrections lower the raw WER, the share of this gain that
format explains is

    1 - (WER_number(best) - WER_number(corrected)) / (WER_raw(best) - WER_raw(corrected))

0 means that all of the gain is in the words, 1 that only the typography improved. Above 1, the typography improved and
the words got worse. Below 0, the words improved by more than the raw figures show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from robustger.errors import InputError
from robustger.evaluation.bootstrap import check_bootstrap
from robustger.evaluation.fields import Grouping, check_found
from robustger.evaluation.forms import warnings
from robustger.evaluation.recordings import written_form
from robustger.evaluation.results import Bootstrap, DomainReport, EvaluationReport, FormatOnlyResult
from robustger.evaluation.scores import score_lists
from robustger.evaluation.summary import CorpusSummary, Summary, spawned, summarize
from robustger.evaluation.units import ERROR_UNITS
from robustger.hypotheses import NBest
from robustger.hypotheses.values import each_nbest
from robustger.text import DEFAULT_NORMALIZERS

FORMAT_NORMALIZER = "number"


def evaluate(
    lists: Iterable[NBest],
    corrections: Mapping[str, str] | None = None,
    normalizers: Sequence[str] = DEFAULT_NORMALIZERS,
    *,
    against: Mapping[str, str] | None = None,
    unit: str = "word",
    by: Sequence[str] = (),
    cluster: str | None = None,
    seed: int = 0,
    resamples: int = 1000,
    written: bool = False,
) -> EvaluationReport:
    """Evaluates N-best lists, and corrections of them when given.

    The lists are read once and may stream. Apart from ids and groups, 50 to 150 bytes per utterance and normalizer are
    kept.

    Args:
        lists: N-best lists; those without a reference are left out and counted. The windows of a recording are joined
            to one utterance; recordings of which a window is missing are left out and counted, too.
        corrections: corrected text by list id; exactly one for each list with a reference, none for unknown
            ids.
        normalizers: names of the normalizers to report.
        against: another system's corrections of the same lists, to compare `corrections` with.
        unit: what is counted: "word", or "char" for languages written without spaces.
        by: fields to group by, "length" or keys of the lists' `meta`, for numbers perhaps with the upper edges of
            classes: "snr_db", "noise", "seconds:2,5,10" (see `robustger.evaluation.fields.Grouping`).
        cluster: a field whose values the bootstrap draws whole ("speaker", "reference"), where utterances that share
            one depend on each other. None draws utterances.
        seed: seed of the bootstrap; it makes the report reproducible.
        resamples: bootstrap resamples.
        written: score the written forms, with case and punctuation, which `raw` then counts; lists that lack them are
            left out as those without a reference.

    Raises:
        InputError: an unknown normalizer or unit; no list with a reference; ids of lists and corrections, or of the two
            systems, that do not match (the message counts them and names the first); a field that no list has or that
            names no group; `resamples` below 1 or a negative seed.
    """
    run = _Evaluation(normalizers, unit, by, cluster, seed, resamples, written)
    summary = run.summary(lists, corrections, against)
    run.check_fields(summary)
    return run.report(summary)


def evaluate_domains(
    domains: Mapping[str, Iterable[NBest]],
    corrections: Mapping[str, Mapping[str, str]] | None = None,
    normalizers: Sequence[str] = DEFAULT_NORMALIZERS,
    *,
    against: Mapping[str, Mapping[str, str]] | None = None,
    unit: str = "word",
    by: Sequence[str] = (),
    cluster: str | None = None,
    seed: int = 0,
    resamples: int = 1000,
    written: bool = False,
) -> DomainReport:
    """Evaluates several sets of lists and their pool.

    The bootstrap of the pool is stratified: each resample draws every domain at its own size. A domain's
    draws depend on the seed and its name, so its intervals are the same whatever domains are evaluated beside
    it. Clusters end with their domain.

    Args:
        domains: lists by domain name, in the order of the table.
        corrections: corrected text by domain and list id; the same domains as `domains`.
        normalizers: as for `evaluate`.
        against: another system's corrections, as `corrections`.
        unit: as for `evaluate`.
        by: as for `evaluate`.
        cluster: as for `evaluate`.
        seed: as for `evaluate`.
        resamples: as for `evaluate`.
        written: as for `evaluate`.

    Raises:
        InputError: as for `evaluate`, naming the domain; no domains; corrections for other domains.
    """
    run = _Evaluation(normalizers, unit, by, cluster, seed, resamples, written)
    if not domains:
        raise InputError("there are no domains to evaluate; give at least one set of lists")
    for systems in (corrections, against):
        if systems is not None and systems.keys() != domains.keys():
            differing = ", ".join(sorted(systems.keys() ^ domains.keys()))
            raise InputError(
                f"lists and corrections must cover the same domains; only one of them has: {differing}"
            )
    summaries = {
        name: run.summary(
            lists,
            None if corrections is None else corrections[name],
            None if against is None else against[name],
            domain=name,
        )
        for name, lists in domains.items()
    }
    first, *others = summaries.values()
    pooled = sum(others, start=first)
    run.check_fields(pooled)
    return DomainReport({name: run.report(one) for name, one in summaries.items()}, run.report(pooled))


class _Evaluation:
    """The checked settings of one evaluation, and the fields that its lists turned out to have."""

    def __init__(
        self,
        normalizers: Sequence[str],
        unit: str,
        by: Sequence[str],
        cluster: str | None,
        seed: int,
        resamples: int,
        written: bool,
    ) -> None:
        check_bootstrap(resamples, seed)
        if not normalizers:
            raise InputError(
                "there are no normalizers to evaluate under; give at least one name, such as 'raw'"
            )
        self.normalizers = normalizers
        self.unit = ERROR_UNITS.get(unit)
        self.groupings = [Grouping.parse(text) for text in by]
        fields = [grouping.field for grouping in self.groupings]
        if len(set(fields)) < len(fields):
            raise InputError("a field is given twice to group by; give each once")
        self.cluster = None if cluster is None else Grouping.parse(cluster)
        self.seed, self.resamples, self.written = seed, resamples, written
        self.known_fields: set[str] = set()

    def summary(
        self,
        lists: Iterable[NBest],
        corrections: Mapping[str, str] | None,
        against: Mapping[str, str] | None,
        domain: str | None = None,
    ) -> CorpusSummary:
        """Scores one set of lists."""
        if against is not None and corrections is None:
            raise InputError("corrections to compare against were given, but none to compare; give both")
        # the reported normalizers and the two that the format-only baseline needs, each once
        names = list(dict.fromkeys([*self.normalizers, "raw", FORMAT_NORMALIZER]))
        for system in (corrections, against):
            if system is not None and not isinstance(system, Mapping):
                raise InputError("corrections must be texts by list id: {id: text, ...}")
        checked = each_nbest(lists)
        scored = score_lists(
            map(written_form, checked) if self.written else checked,
            corrections,
            names,
            against=against,
            unit=self.unit,
            groupings=self.groupings,
            cluster=self.cluster,
            where="" if domain is None else f"{domain}: ",
            needed="written form of hypotheses and reference" if self.written else "reference",
        )
        self.known_fields |= scored.known_fields
        seed = np.random.SeedSequence(self.seed)
        # independent draws per domain: the same draws for all would resample equally long domains in step
        return summarize(
            scored, resamples=self.resamples, seed=seed if domain is None else spawned(seed, domain)
        )

    def check_fields(self, summary: CorpusSummary) -> None:
        """Refuses fields to group by that no list has."""
        check_found(self.groupings, summary.groups, self.known_fields)

    def report(self, summary: CorpusSummary) -> EvaluationReport:
        """Turns a summary into the figures that were asked for."""
        sums = summary.normalizers
        counts = sums["raw"].operations["best"]
        bootstrap = Bootstrap(
            self.seed,
            self.resamples,
            "utterance" if self.cluster is None else self.cluster.field,
            summary.independent,
        )
        return EvaluationReport(
            normalizers={name: sums[name].report(summary.independent) for name in self.normalizers},
            format_only=_format_only(sums["raw"], sums[FORMAT_NORMALIZER], bootstrap.enough),
            utterances=counts.utterances,
            without_reference=summary.without_reference,
            bootstrap=bootstrap,
            unit=self.unit.name,
            by={
                field: {group.text: self.report(groups[group]) for group in sorted(groups)}
                for field, groups in summary.groups.items()
            },
            joined=summary.joined,
            incomplete=tuple(map(str, summary.incomplete)),
            written=self.written,
            warnings=warnings(summary.forms, self.normalizers, self.unit.name),
        )


def _format_only(raw: Summary, formatted: Summary, enough: bool) -> FormatOnlyResult:
    wer, raw_wer = formatted.rate("best"), raw.rate("best")
    share = None
    if "corrected" in raw.errors:
        gain = raw_wer - raw.rate("corrected")
        if gain > 0:
            share = 1 - (wer - formatted.rate("corrected")) / gain
    return FormatOnlyResult(
        wer=wer,
        interval=formatted.interval("best") if enough else None,
        relative_reduction=1 - wer / raw_wer if raw_wer else float("nan"),
        share_of_raw_gain=share,
    )
