"""Figures of what longer lists and wider beams bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from robustger.experiments.drawing import COLUMN, GREY, legend_above, look, new_figure, spread, styled
from robustger.experiments.measured import Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rates = Mapping[str, Measured]
ORACLES = ("o_nb", "o_cp")
_COLORS = {"best": "#555555", "o_nb": "#0072B2", "o_cp": "#D55E00"}
_NAMES = {"best": "1-best", "o_nb": "o_nb", "o_cp": "o_cp"}


@styled
def by_size_plot(by_size: Mapping[int, Rates], widest: Mapping[int, Rates], beams: int | None) -> Figure:
    """WER of the oracles over the size of the list, below that of the 1-best.

    Args:
        by_size: of all lists, by N.
        widest: of the recordings that were recognised anew with the widest beam; empty where none were.
        beams: its width.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(COLUMN, 2.5)
    axes = figure.subplots()
    axes.axhline(100 * by_size[1]["best"].value, color=_COLORS["best"], linestyle="-", label="1-best")
    for number, name in enumerate(ORACLES):
        _line(axes, {n: rates[name] for n, rates in by_size.items()}, name, number, name)
    for number, name in enumerate(ORACLES if widest else ()):
        values = {n: rates[name] for n, rates in widest.items()}
        axes.plot(
            list(values),
            [100 * one.value for one in values.values()],
            color=_COLORS[name],
            marker=look("", number)["marker"],
            markerfacecolor="white",
            linestyle=(0, (4, 1.5)),
            label=f"{name}, {beams} beams (part)",
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("N, hypotheses of a list")
    axes.set_ylabel("WER (%)")
    legend_above(figure, axes, columns=2 if widest else 3)
    return figure


@styled
def by_width_plot(by_beams: Mapping[int, Rates], costs: Mapping[int, float]) -> Figure:
    """WER over the width of the beam, and what the search costs.

    Args:
        by_beams: of the recordings that were recognised anew.
        costs: CPU seconds a second of audio.
    """
    figure = new_figure(COLUMN, 2.2)
    left, right = figure.subplots(1, 2)
    for number, (name, label) in enumerate(_NAMES.items()):
        _line(left, {beams: rates[name] for beams, rates in by_beams.items()}, name, number, label)
    left.set_ylim(bottom=0)
    left.set_ylabel("WER (%)")
    right.plot(list(costs), list(costs.values()), color=GREY, marker="o")
    right.set_yscale("log")
    right.set_ylabel("CPU s a second of audio")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xticks(list(costs), [str(beams) for beams in costs])
        axes.minorticks_off()
        axes.set_xlabel("beams")
    legend_above(figure, left, columns=3)
    return figure


def _line(axes: Axes, values: Mapping[int, Measured], name: str, number: int, label: str) -> None:
    percents = [one.percent() for one in values.values()]
    axes.errorbar(
        list(values),
        [one.value for one in percents],
        yerr=spread([one.value for one in percents], [one.interval for one in percents]),
        color=_COLORS[name],
        marker=look("", number)["marker"],
        label=label,
    )
