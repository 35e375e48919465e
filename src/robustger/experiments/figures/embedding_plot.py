"""The figure of embeddings on a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from robustger.experiments.conditions import CLEAN
from robustger.experiments.figures.drawing import COLORS, COLUMN, GRAY, MARKERS, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_COLUMNS = 4  # of the legend


@styled
def map_of_lists(
    planes: Mapping[str, np.ndarray], conditions: Sequence[tuple[str, float | None]], kinds: Sequence[str]
) -> Figure:
    """Draws a panel for every embedding, with a point for every list: noise by color, SNR by marker, clean speech gray.

    Args:
        planes: coordinates of the lists, shape (lists, 2), by name of the embedding.
        conditions: kind of noise and SNR of every list.
        kinds: of noise to show, in the order of the legend; at most 7.
    """
    from matplotlib.lines import Line2D

    if len(kinds) > len(COLORS):
        raise ValueError(f"{len(kinds)} kinds of noise, but {len(COLORS)} colors that can be told apart")
    rows = (len(planes) + 1) // 2
    figure = new_figure(COLUMN, 0.75 + 1.65 * rows)
    panels = figure.subplots(rows, min(2, len(planes)), squeeze=False).flatten()
    snrs = sorted({snr for _, snr in conditions if snr is not None})
    names = np.array([kind for kind, _ in conditions])
    levels = np.array([np.nan if snr is None else snr for _, snr in conditions])
    for letter, axes, (name, plane) in zip("abcdefgh", panels, planes.items(), strict=False):
        clean = plane[names == CLEAN]
        axes.scatter(clean[:, 0], clean[:, 1], s=2.5, color="#b5b5b5", linewidths=0)
        for kind, color in zip(kinds, COLORS, strict=False):
            for snr, marker in zip(snrs, MARKERS, strict=False):
                points = plane[(names == kind) & (levels == snr)]
                axes.scatter(
                    points[:, 0], points[:, 1], s=5, color=color, marker=marker, linewidths=0, alpha=0.85
                )
        axes.set_title(f"({letter}) {name}", pad=3)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines[:].set_visible(True)
    for axes in panels[len(planes) :]:
        axes.set_visible(False)

    def entry(color: str, marker: str, label: str) -> Line2D:
        return Line2D([], [], color=color, marker=marker, linestyle="none", label=label)

    noises = [entry(color, "o", kind) for kind, color in zip(kinds, COLORS, strict=False)]
    noises += [entry("#b5b5b5", "o", CLEAN)] * (CLEAN in names)
    levels_ = [entry(GRAY, marker, f"{snr} dB") for snr, marker in zip(snrs, MARKERS, strict=False)]
    figure.legend(
        handles=_in_rows(noises, levels_, entry("none", "", "")),
        loc="outside lower center",
        ncols=_COLUMNS,
        handletextpad=0.1,
        columnspacing=0.8,
    )
    return figure


def _in_rows(noises: list[Line2D], levels: list[Line2D], nothing: Line2D) -> list[Line2D]:
    """The entries of the legend column by column, as matplotlib wants them, with SNRs in rows of their own."""
    rows = []
    for entries in (noises, levels):
        padded = entries + [nothing] * (-len(entries) % _COLUMNS)
        rows += [padded[start : start + _COLUMNS] for start in range(0, len(padded), _COLUMNS)]
    return [row[column] for column in range(_COLUMNS) for row in rows]
