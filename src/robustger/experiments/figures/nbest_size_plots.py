"""Figures of the gain and cost of longer lists and wider beams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from robustger.evaluation.measured import COUNTED, Measured
from robustger.experiments.figures.drawing import COLUMN, GRAY, legend_above, look, new_figure, spread, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RatesBySystem = Mapping[str, Measured]
_COLORS = {"best": "#555555", "o_nb": "#0072B2", "o_cp": "#D55E00"}


@styled
def by_size_plot(left: Mapping[str, Mapping[int, RatesBySystem]]) -> Figure:
    """Draws the share of the 1-best's errors that the oracles leave, over the size of the list.

    Args:
        left: shares by N, for each suffix of the oracles' names. The first entry belongs to the lists and is drawn with
            intervals; a second one belongs to the same recordings recognized with a wider beam, and is dashed.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(COLUMN, 2.4)
    axes = figure.subplots()
    for dashed, (added, by_size) in enumerate(left.items()):
        for number, name in enumerate(("o_nb", "o_cp")):
            percents = [rates[name].percent() for rates in by_size.values()]
            values = [one.value for one in percents]
            intervals = [None if dashed else one.interval for one in percents]
            axes.errorbar(
                list(by_size),
                values,
                yerr=spread(values, intervals),
                color=_COLORS[name],
                marker=look("", number)["marker"],
                markerfacecolor="white" if dashed else None,
                linestyle=(0, (4, 1.5)) if dashed else "-",
                capsize=0 if dashed else None,
                label=f"{name}{added}",
            )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("N, hypotheses of a list")
    axes.set_ylabel("errors left of the 1-best's (%)")
    legend_above(figure, axes, columns=2)
    return figure


@styled
def by_width_plot(by_beams: Mapping[int, RatesBySystem], costs: Mapping[int, float]) -> Figure:
    """Draws the WER and the cost of the search over the width of the beam.

    Args:
        by_beams: rates of the recordings that were recognized again, by width.
        costs: CPU seconds for each second of audio, by width.
    """
    figure = new_figure(COLUMN, 2.2)
    left, right = figure.subplots(1, 2)
    for number, (name, label) in enumerate(COUNTED.items()):
        values = [100 * rates[name].value for rates in by_beams.values()]
        left.plot(list(by_beams), values, color=_COLORS[name], marker=look("", number)["marker"], label=label)
    left.set_ylabel("WER (%)")
    right.plot(list(costs), list(costs.values()), color=GRAY, marker="o")
    right.set_ylabel("CPU s a second of audio")
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.set_xscale("log")
        axes.set_xticks(list(costs), [str(beams) for beams in costs])
        axes.minorticks_off()
        axes.set_xlabel("beams")
    legend_above(figure, left, columns=3)
    return figure
