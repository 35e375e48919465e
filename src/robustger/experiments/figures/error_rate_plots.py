"""Figures of word error rates: systems by test set and by SNR, trainings, differences, data efficiency.

All rates are given as fractions and drawn in percent.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from robustger.evaluation.measured import Measured
from robustger.experiments.figures.drawing import COLUMN, GRAY, legend_above, look, new_figure, spread, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORACLES = ("o_nb", "o_cp")
LONGEST_NAME = 26  # letters of a row's name in one line; longer lines leave the axes too little width
MOST_INCHES = 7.3  # height of all test sets together; with the legend this fills a page of a paper


@styled
def systems_by_test(rates: Mapping[str, Mapping[str, Measured]], rate: str = "WER (%)") -> Figure:
    """Draws a row for every test set, with a point and interval for every system, one below the other.

    Args:
        rates: by test set and system; systems in the order of the legend.
        rate: label of the axis.
    """
    systems = list(dict.fromkeys(system for row in rates.values() for system in row))
    step = 1 / (
        len(systems) + 1.5
    )  # part of a row's height; a third of the row stays empty between test sets
    rows = min(max(0.3, 0.075 * len(systems)) * len(rates), MOST_INCHES)
    figure = new_figure(COLUMN, 0.7 + 0.15 * ((len(systems) + 2) // 3) + rows)
    axes = figure.subplots()
    for number, system in enumerate(systems):
        places = [
            row + (number - (len(systems) - 1) / 2) * step
            for row, name in enumerate(rates)
            if system in rates[name]
        ]
        values = [row[system].percent() for row in rates.values() if system in row]
        _points(axes, values, places, system, number)
    for row in range(1, len(rates)):
        axes.axhline(row - 0.5, color="#bbbbbb", linewidth=0.5)
    axes.set_yticks(range(len(rates)), list(rates))
    axes.set_ylim(len(rates) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(left=0)
    axes.set_xlabel(rate)
    legend_above(figure, axes, columns=3)
    return figure


@styled
def systems_by_snr(
    rates: Mapping[str, Mapping[float, Measured]], base: str = "1-best", rate: str = "WER (%)"
) -> Figure:
    """Draws the WER over the SNR, and below it the change from one system, which separates close systems.

    Args:
        rates: by system and SNR in dB.
        base: the system that others are compared with.
        rate: label of the axis.
    """
    figure = new_figure(COLUMN, 4.0 + 0.12 * ((len(rates) + 2) // 3))
    upper, lower = figure.subplots(2, 1, sharex=True)
    for number, (system, values) in enumerate(rates.items()):
        percents = [value.percent() for value in values.values()]
        upper.plot(list(values), [one.value for one in percents], label=system, **look(system, number))
        if system == base:
            continue
        known = [snr for snr in values if rates[base].get(snr) and rates[base][snr].value > 0]
        changes = [100 * (values[snr].value / rates[base][snr].value - 1) for snr in known]
        lower.plot(known, changes, **look(system, number))
    lower.axhline(0, color="#555555", linewidth=0.9)
    upper.set_ylim(bottom=0)
    upper.set_ylabel(rate)
    lower.set_ylabel(f"change against {base} (%)")
    lower.set_xlabel("SNR (dB)")
    lower.set_xticks(sorted({snr for values in rates.values() for snr in values}))
    legend_above(figure, upper, columns=3)
    return figure


@styled
def trainings(
    rates: Mapping[str, Measured],
    seeds: Mapping[str, Sequence[float]] | None = None,
    lines: Mapping[str, float] | None = None,
    rate: str = "WER (%)",
) -> Figure:
    """Draws a row for every training with its rate, interval and seeds (strokes), and lines for fixed rates.

    Args:
        rates: by name.
        seeds: the rate of every seed, by name.
        lines: rates of `1-best` and oracles, which do not depend on a training, by name.
        rate: label of the axis.
    """
    figure = new_figure(COLUMN, 0.75 + 0.2 * _lines_of(rates))
    axes = figure.subplots()
    for place, name in enumerate(rates):
        for value in (seeds or {}).get(name, ()):
            axes.plot([100 * value], [place + 0.22], marker="|", markersize=4, color=GRAY)
    _points(axes, [one.percent() for one in rates.values()], list(range(len(rates))), "", 0)
    for number, (name, value) in enumerate((lines or {}).items()):
        dashes = ("-", (0, (4, 1.5)), (0, (1, 1)))[number % 3]
        axes.axvline(100 * value, color="#555555", linewidth=0.9, linestyle=dashes, label=name)
    _name_rows(figure, axes, list(rates), rate)
    if lines:
        legend_above(figure, axes, columns=3)
    return figure


@styled
def differences(rows: Mapping[str, Measured], name: str, factor: float = 100.0) -> Figure:
    """Draws a row for every difference with its interval, and a line at zero.

    Args:
        rows: differences by the name of the row.
        name: label of the axis.
        factor: of the values; 100 turns rates into points.
    """
    figure = new_figure(COLUMN, 0.6 + 0.19 * _lines_of(rows))
    axes = figure.subplots()
    for place, one in enumerate(rows.values()):
        clear = one.interval is not None and (one.interval.low > 0 or one.interval.high < 0)
        ends = None if one.interval is None else [[one.interval.low * factor], [one.interval.high * factor]]
        if ends:
            axes.plot(ends, [place, place], color="#0072B2", linewidth=1.2)
        axes.plot(
            [one.value * factor], [place], "o", color="#0072B2", markerfacecolor=None if clear else "white"
        )
    axes.axvline(0, color="#555555", linewidth=0.9)
    _name_rows(figure, axes, list(rows), name)
    return figure


@styled
def efficiency(
    rates: Mapping[str, Mapping[int, Measured]],
    lines: Mapping[str, float] | None = None,
    rate: str = "WER (%)",
) -> Figure:
    """Draws rates over the number of training lists, on a logarithmic axis.

    Args:
        rates: by system and number of lists.
        lines: rates that do not depend on the number of lists, by name.
        rate: label of the axis.
    """
    figure = new_figure(COLUMN, 2.5)
    axes = figure.subplots()
    for number, (system, values) in enumerate(rates.items()):
        percents = [value.percent() for value in values.values()]
        axes.errorbar(
            list(values),
            [one.value for one in percents],
            yerr=spread([one.value for one in percents], [one.interval for one in percents]),
            label=system,
            **look(system, number),
        )
    for number, (name, value) in enumerate((lines or {}).items()):
        dashes = ("-", (0, (4, 1.5)), (0, (1, 1)))[number % 3]
        axes.axhline(100 * value, color="#555555", linewidth=0.9, linestyle=dashes, label=name)
    counts = sorted({count for values in rates.values() for count in values})
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.set_xlabel("lists trained on")
    axes.set_ylabel(rate)
    legend_above(figure, axes, columns=3)
    return figure


def _points(
    axes: Axes, values: Sequence[Measured], places: Sequence[float], system: str, number: int
) -> None:
    style: dict[str, Any] = look(system, number) | {"linestyle": "none"}
    numbers = [one.value for one in values]
    # No system reaches an oracle, and its interval would hide intervals that matter.
    ends = None if system in ORACLES else spread(numbers, [one.interval for one in values])
    axes.errorbar(numbers, places, xerr=ends, label=system or None, elinewidth=0.8, **style)


def _wrapped(name: str) -> str:
    """The name, broken into lines where it is long, preferably behind colons."""
    parts = [name] if len(name) <= LONGEST_NAME else name.replace(": ", ":\n").split("\n")
    return "\n".join(
        line for part in parts for line in textwrap.wrap(part, LONGEST_NAME, break_on_hyphens=False)
    )


def _lines_of(names: Iterable[str]) -> int:
    """The height of all rows in lines of text; every row is as high as the highest one."""
    heights = [_wrapped(name).count("\n") + 1 for name in names]
    return max(heights) * len(heights)


def _name_rows(figure: Figure, axes: Axes, names: Sequence[str], label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_yticks(range(len(names)), [_wrapped(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    figure.supxlabel(label, fontsize=7.5)  # of the figure: long names leave the axes little width
