"""Checks that a figure is readable on paper: its letters are large enough, and nothing is cut off."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from robustger.experiments.figures.drawing import COLUMN, DPI, rendered


def check_readable(figure: Any, width: float = COLUMN) -> set[str]:
    """Fails if a text is smaller than 7 points or leaves the figure, or if the PNG is not as wide as the column.

    Returns:
        what legends and axes say.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    png = rendered(figure)["png"]
    pixels, _ = struct.unpack(">II", png[16:24])
    assert pixels == round(width * DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.bbox
    said = set()
    for text in texts(figure):
        if not text.get_visible() or not text.get_text().strip():
            continue
        said.add(text.get_text())
        assert text.get_fontsize() >= 7, text
        extent = text.get_window_extent(canvas.get_renderer())
        assert extent.x0 >= box.x0 - 1, text
        assert extent.x1 <= box.x1 + 1, text
        assert extent.y0 >= box.y0 - 1, text
        assert extent.y1 <= box.y1 + 1, text
    return said


def texts(figure: Any) -> Iterator[Any]:
    """All texts of a figure; ticks only where they are within view."""
    for legend in (*figure.legends, *(axes.legend_ for axes in figure.axes if axes.legend_)):
        yield from legend.get_texts()
        yield legend.get_title()
    if figure._supxlabel is not None:
        yield figure._supxlabel
    for axes in figure.axes:
        yield from (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts)
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            yield from (tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)
