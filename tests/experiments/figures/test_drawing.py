"""The common look of all figures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from tests.experiments.readable import check_readable

from robustger.evaluation.intervals import Interval
from robustger.experiments.figures.drawing import (
    COLUMN,
    PAGE,
    SYSTEM_LOOKS,
    legend_above,
    look,
    new_figure,
    rendered,
    spread,
    styled,
)


@styled
def line(width: float = COLUMN) -> Any:
    figure = new_figure(width, 2)
    axes = figure.subplots()
    axes.plot([1, 2], [3, 4])
    axes.set_xlabel("below $1 and $2")
    return figure


def test_a_figure_is_as_wide_as_the_column_it_is_for() -> None:
    assert "below $1 and $2" in check_readable(line())
    check_readable(line(PAGE), PAGE)
    root = ElementTree.fromstring(rendered(line())["svg"])
    assert root.attrib["width"] == f"{72 * COLUMN:.6f}".rstrip("0").rstrip(".") + "pt"
    assert b"<text" not in rendered(line())["svg"]  # outlines need no font where they are opened


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert rendered(line()) == rendered(line())
    assert rendered(line())["png"] != rendered(line(PAGE))["png"]


def test_the_style_of_the_program_that_calls_stays() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    line()
    assert dict(matplotlib.rcParams) == before


def test_all_lines_of_a_figure_look_different() -> None:
    looks = [look("noise", number) for number in range(18)]
    assert len({(one["color"], str(one["linestyle"])) for one in looks}) == 18
    known = [look(name, 0) for name in SYSTEM_LOOKS]
    assert len({(one["color"], one["marker"]) for one in known}) == len(SYSTEM_LOOKS)


def test_intervals_that_leave_the_value_outside_do_not_turn_round() -> None:
    nothing = Interval(float("nan"), float("nan"))
    given = [Interval(1.0, 4.0), None, Interval(2.5, 3.0), nothing]
    assert spread([2.0, 2.0, 2.0, 2.0], given) == [[1.0, 0, 0.0, 0], [2.0, 0, 1.0, 0]]


def test_long_names_stand_below_each_other() -> None:
    @styled
    def named(length: int) -> Any:
        figure = new_figure(COLUMN, 3)
        axes = figure.subplots()
        for number in range(4):
            axes.plot([1], label=f"{number} " + length * "m")
        legend_above(figure, axes, columns=3)
        return figure

    for length, columns in ((2, 3), (12, 2), (25, 1)):
        figure = named(length)
        check_readable(figure)
        assert len({round(text.get_window_extent().x0) for text in figure.legends[0].get_texts()}) == columns
        assert len(figure.legends) == 1


def test_a_missing_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from robustger.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"robustger\[plots\]"):
        line()
