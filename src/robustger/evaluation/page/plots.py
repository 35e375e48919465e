"""The plots of an evaluation, as SVG."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from robustger.errors import MissingExtraError
from robustger.evaluation.figures import NormalizerReport
from robustger.evaluation.results import EvaluationReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colors, which the color-blind can tell apart; the marker tells systems apart in print, too.
_LOOKS = {
    "best": ("1-best", "#444444", "o"),
    "against": ("against", "#CC79A7", "v"),
    "corrected": ("corrected", "#0072B2", "s"),
    "o_nb": ("o_nb", "#E69F00", "^"),
    "o_cp": ("o_cp", "#009E73", "D"),
}
_BETTER, _WORSE = "#0072B2", "#D55E00"
_WIDTH = 7.2  # inches


def rates_plot(reports: Mapping[str, NormalizerReport], rate: str) -> str:
    """Rates of all systems with their intervals, one panel per normalizer.

    Args:
        reports: the figures by normalizer.
        rate: the name of the rate, "WER".

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    systems = [system for system in _LOOKS if system in next(iter(reports.values())).wer]
    figure = _figure(0.9 + 0.3 * len(systems))
    panels = figure.subplots(1, len(reports), sharey=True, sharex=True, squeeze=False)[0]
    for axes, (normalizer, report) in zip(panels, reports.items(), strict=True):
        for place, system in enumerate(systems):
            _, color, marker = _LOOKS[system]
            value, below, above = _percentages(report, system)
            if math.isnan(value):
                continue
            axes.errorbar([value], [place], xerr=[[below], [above]], fmt=marker, color=color, capsize=3)
            axes.annotate(
                f"{value:.2f}", (value, place), (0, 5), textcoords="offset points", ha="center", fontsize=8
            )
        axes.set_yticks(range(len(systems)), [_LOOKS[system][0] for system in systems])
        axes.set_ylim(len(systems) - 0.5, -0.7)
        axes.margins(x=0.12)  # room for the numbers
        axes.set_title(f"normalizer {normalizer}", fontsize=9)
        axes.set_xlabel(f"{rate} in %")
    return _svg(figure)


def groups_plot(field: str, groups: Mapping[str, EvaluationReport], normalizer: str, rate: str) -> str:
    """Rates by group with their intervals, one group above the other.

    Args:
        field: the field that the utterances were grouped by.
        groups: the reports by group, from top to bottom.
        normalizer: the normalizer.
        rate: the name of the rate.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    reports = [report.normalizers[normalizer] for report in groups.values()]
    systems = [system for system in _LOOKS if system in reports[0].wer]
    figure = _figure(1.0 + (0.13 * len(systems) + 0.12) * len(groups))
    axes = figure.subplots()
    for number, system in enumerate(systems):
        name, color, marker = _LOOKS[system]
        shift = 0.75 / len(systems) * (number - (len(systems) - 1) / 2)
        values, *spread = zip(*(_percentages(report, system) for report in reports), strict=True)
        places = [place + shift for place in range(len(reports))]
        if system.startswith("o_"):  # the oracles' intervals would hide those that matter
            axes.plot(values, places, marker, color=color, label=name, markersize=4, linestyle="none")
        else:
            axes.errorbar(
                values, places, xerr=spread, fmt=marker, color=color, label=name, markersize=5, capsize=2
            )
    names = [f"{name} ({report.utterances:,})" for name, report in groups.items()]
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_ylabel(field, parse_math=False)
    axes.set_xlabel(f"{rate} in %, normalizer {normalizer}; (utterances)")
    axes.set_xlim(left=0)
    handles, labels = axes.get_legend_handles_labels()
    named = dict(
        zip(labels, handles, strict=True)
    )  # matplotlib lists plain lines before those with intervals
    ordered = [_LOOKS[system][0] for system in systems]
    axes.legend(
        [named[name] for name in ordered],
        ordered,
        fontsize=8,
        ncols=len(systems),
        loc="lower left",
        bbox_to_anchor=(0, 1),
        frameon=False,
    )
    return _svg(figure)


def changes_plot(changes: Sequence[int], plural: str) -> str:
    """Numbers of utterances by the change in errors that the corrections made.

    Args:
        changes: errors of the correction less errors of the 1-best, by utterance.
        plural: the name of the unit, "words".

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    counts: dict[int, int] = {}
    for change in changes:
        counts[change] = counts.get(change, 0) + 1
    unchanged = counts.pop(0, 0)
    figure = _figure(2.4)
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots()
    colors = [_BETTER if change < 0 else _WORSE for change in counts]
    bars = axes.bar(list(counts), list(counts.values()), color=colors, width=0.8)
    if len(counts) <= 25:
        axes.bar_label(bars, fontsize=8)
    axes.set_xlim(min([-1, *counts]) - 0.6, max([1, *counts]) + 0.6)  # room for whole numbers around 0
    axes.set_ylim(0, 1.15 * max([1, *counts.values()]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(
        f"wrong {plural} more (right) or fewer (left) than the 1-best; {unchanged:,} utterances as many"
    )
    axes.set_ylabel("utterances")
    return _svg(figure)


def _percentages(report: NormalizerReport, system: str) -> tuple[float, float, float]:
    """The rate and the distances to both ends of its interval, in percent."""
    value, interval = report.wer[system], report.interval(system)
    if interval is None:  # too few utterances for one
        return 100 * value, 0.0, 0.0
    # a skewed interval of a few utterances may leave the rate outside
    return 100 * value, max(0.0, 100 * (value - interval.low)), max(0.0, 100 * (interval.high - value))


def _figure(height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plots") from None
    return Figure(figsize=(_WIDTH, height), layout="constrained")


def _svg(figure: Figure) -> str:
    import matplotlib

    for axes in figure.axes:
        axes.grid(axis="both", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    text = io.StringIO()
    nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    # text stays text: the browser has letters for every script; a fixed salt: the same figures give the same bytes
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "robustger"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(text, format="svg", metadata=nothing)
    return text.getvalue()
