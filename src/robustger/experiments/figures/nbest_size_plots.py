"""Figures of what longer lists and wider beams bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from robustger.experiments.figures.drawing import COLUMN, GRAY, legend_above, look, new_figure, spread, styled
from robustger.experiments.measures.measured import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rates = Mapping[str, Measured]
_COLORS = {"best": "#555555", "o_nb": "#0072B2", "o_cp": "#D55E00"}
_NAMES = {"best": "1-best", "o_nb": "o_nb", "o_cp": "o_cp"}


@styled
def by_size_plot(left: Mapping[str, Mapping[int, Rates]]) -> Figure:
    """The share of the 1-best's errors that the oracles leave, over the size of the list.

    Args:
        left: by what is added to the name of an oracle, and N. First of the lists, with their intervals; then perhaps
            of the same recordings recognized anew with a wider beam, dashed.
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
def by_width_plot(by_beams: Mapping[int, Rates], costs: Mapping[int, float]) -> Figure:
    """WER over the width of the beam, and what the search costs.

    Args:
        by_beams: of the recordings that were recognized anew.
        costs: CPU seconds a second of audio.
    """
    figure = new_figure(COLUMN, 2.2)
    left, right = figure.subplots(1, 2)
    for number, (name, label) in enumerate(_NAMES.items()):
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
