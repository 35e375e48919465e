"""Figures of the diversity of N-best lists by noise and SNR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from robustger.evaluation.measured import Measured
from robustger.experiments.figures.drawing import (
    COLUMN,
    GRAY,
    MARKERS,
    legend_above,
    look,
    new_figure,
    spread,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURE, AXIS_LABEL = "differing", "words in which two hypotheses differ (%)"

Summaries = Mapping[tuple[str, float | None], Mapping[str, Measured]]


def _kinds(conditions: Summaries) -> list[str]:
    """Kinds of noise with an SNR, the most diverse lists first, which is the order of the lines from above."""
    values: dict[str, list[float]] = {}
    for (kind, snr), summary in conditions.items():
        if snr is not None:
            values.setdefault(kind, []).append(summary[MEASURE].value)
    return sorted(values, key=lambda kind: -float(np.mean(values[kind])))


def _snrs(conditions: Summaries) -> list[float]:
    return sorted({snr for _, snr in conditions if snr is not None})


@styled
def lines_by_snr(conditions: Summaries, by_snr: Summaries) -> Figure:
    """Draws a line over the SNR for every kind of noise, and one with intervals for all noises together.

    Args:
        conditions: measures by kind of noise and SNR.
        by_snr: measures over all kinds by SNR, where there are several; clean speech becomes a horizontal line.
    """
    snrs = _snrs(conditions)
    figure = new_figure(COLUMN, 3.1)
    axes = figure.subplots()
    for number, kind in enumerate(_kinds(conditions)):
        known = [snr for snr in snrs if (kind, snr) in conditions]
        values = [100 * conditions[kind, snr][MEASURE].value for snr in known]
        axes.plot(known, values, label=kind, alpha=0.85, **look(kind, number))
    every = {snr: summary[MEASURE].percent() for (_, snr), summary in by_snr.items() if snr is not None}
    if every:
        ends = spread([one.value for one in every.values()], [one.interval for one in every.values()])
        axes.errorbar(
            list(every),
            [one.value for one in every.values()],
            yerr=ends,
            color="black",
            linewidth=2.2,
            capsize=2.5,
            label="all noises",
        )
    for (kind, snr), summary in by_snr.items():
        if snr is None:
            axes.axhline(
                100 * summary[MEASURE].value, color=GRAY, linestyle=(0, (1, 1)), linewidth=1.4, label=kind
            )
    axes.set_xticks(snrs)
    axes.set_xlabel("SNR (dB)")
    axes.set_ylabel(AXIS_LABEL)
    legend_above(figure, axes, columns=4, title="noise")
    return figure


@styled
def map_by_noise(conditions: Summaries) -> Figure:
    """Draws a cell for every kind of noise and SNR, with its value."""
    snrs, kinds = _snrs(conditions), _kinds(conditions)
    values = np.array(
        [
            [
                100 * conditions[kind, snr][MEASURE].value if (kind, snr) in conditions else np.nan
                for snr in snrs
            ]
            for kind in kinds
        ]
    )
    figure = new_figure(COLUMN, 1.1 + 0.19 * len(kinds))
    axes = figure.subplots()
    axes.grid(visible=False)
    image = axes.imshow(values, aspect="auto", cmap="cividis")
    middle = 0.55 * np.nanmin(values) + 0.45 * np.nanmax(values)
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            color = "black" if value > middle else "white"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=7, color=color)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_xticks(range(len(snrs)), [str(snr) for snr in snrs])
    axes.set_xlabel("SNR (dB)")
    axes.set_ylabel("noise")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, label=AXIS_LABEL, location="top", aspect=45, pad=0.03)
    bar.outline.set_visible(False)
    return figure


@styled
def against_errors(conditions: Summaries) -> Figure:
    """Draws the WER of the 1-best over diversity, a point for every condition: noise by marker, SNR by color."""
    snrs, kinds = _snrs(conditions), _kinds(conditions)
    others = [kind for kind, snr in conditions if snr is None]
    figure = new_figure(COLUMN, 3.3)
    axes = figure.subplots()
    image: Any = None
    for number, kind in enumerate(kinds):
        known = [snr for snr in snrs if (kind, snr) in conditions]
        summaries = [conditions[kind, snr] for snr in known]
        image = axes.scatter(
            [100 * one[MEASURE].value for one in summaries],
            [100 * one["best"].value for one in summaries],
            c=known,
            cmap="viridis",
            vmin=snrs[0],
            vmax=snrs[-1],
            marker=MARKERS[number % len(MARKERS)],
            s=16,
            linewidths=0.3,
            edgecolors="black",
        )
        # An empty plot makes an entry of the legend without the color of an SNR.
        axes.scatter([], [], s=16, color=GRAY, marker=MARKERS[number % len(MARKERS)], label=kind)
    for number, kind in enumerate(others):
        one = conditions[kind, None]
        mark = {"color": "black", "marker": "+"} if kind == "clean" else look(kind, number)
        axes.scatter(
            [100 * one[MEASURE].value],
            [100 * one["best"].value],
            s=30,
            label=kind,
            color=mark["color"],
            marker=mark["marker"],
        )
    axes.set_xlabel(AXIS_LABEL)
    axes.set_ylabel("WER of the 1-best (%)")
    axes.set_ylim(bottom=0)
    legend_above(figure, axes, columns=4, title="noise" if kinds else "lists")
    if image is not None:
        bar = figure.colorbar(image, ax=axes, label="SNR (dB)", fraction=0.05, pad=0.03)
        bar.set_ticks(snrs)
    return figure
