"""The figures of rates are readable and show the given values."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from tests.experiments.readable import check_readable

from robustger.evaluation.intervals import Interval
from robustger.evaluation.measured import Measured
from robustger.experiments.figures import error_rate_plots as plots
from robustger.experiments.figures.drawing import SYSTEM_LOOKS

RATES = {name: 0.3 - 0.02 * number for number, name in enumerate(SYSTEM_LOOKS)}


def around(value: float) -> Measured:
    return Measured(value, Interval(0.9 * value, 1.2 * value))


def points(axes: Any) -> dict[str, list[float]]:
    """The x coordinates of every named line and container."""
    found = {line.get_label(): list(line.get_xdata()) for line in axes.lines}
    return found | {one.get_label(): list(one.lines[0].get_xdata()) for one in axes.containers}


def test_systems_by_test_set() -> None:
    tests = {"0 dB": 1.0, "5 dB": 0.5, "clean": 0.1}
    rates = {test: {name: around(by * rate) for name, rate in RATES.items()} for test, by in tests.items()}
    del rates["clean"]["GER"]  # not trained for it
    figure = plots.systems_by_test(rates)
    said = check_readable(figure)
    assert said >= {*SYSTEM_LOOKS, *tests, "WER (%)"}
    shown = points(figure.axes[0])
    assert shown["RobustGER"] == pytest.approx([100 * by * RATES["RobustGER"] for by in tests.values()])
    assert len(shown["GER"]) == 2


def test_many_test_sets_stay_on_one_page() -> None:
    names = [*SYSTEM_LOOKS, "whisper", "whisper, no guard"]
    rates = {f"domain {n}": {name: around(0.1 + 0.01 * n) for name in names} for n in range(9)}
    figure = plots.systems_by_test(rates)
    assert check_readable(figure) >= {*names, *rates}
    assert figure.get_figheight() < 9


def test_systems_by_snr() -> None:
    rates = {
        name: {snr: around(rate / (snr + 10)) for snr in (-5, 0, 2.5, 20)} for name, rate in RATES.items()
    }
    rates["o_nb"][20] = Measured(0.0)
    rates["1-best"][20] = Measured(0.0)  # no change can be given against nothing
    figure = plots.systems_by_snr(rates)
    assert check_readable(figure) >= {*SYSTEM_LOOKS, "SNR (dB)", "change against 1-best (%)"}
    upper, lower = figure.axes
    assert len(upper.lines) == len(SYSTEM_LOOKS)
    changes: Any = lower.lines[0].get_ydata()
    assert len(changes) == 3
    assert changes[0] == pytest.approx(100 * (RATES["format-only"] / RATES["1-best"] - 1))


def test_trainings_and_lines_to_compare_with() -> None:
    names = ("GER", "GER, parameters matched", "RobustGER, no distillation")
    figure = plots.trainings(
        {name: around(0.15) for name in names}, {"GER": [0.14, 0.16]}, {"1-best": 0.2, "o_nb": 0.1}
    )
    assert check_readable(figure) >= {*names, "1-best", "o_nb", "WER (%)"}


def test_differences_that_are_clear_are_filled() -> None:
    rows = {"clear": Measured(-0.01, Interval(-0.02, -0.001)), "not": Measured(-0.01, Interval(-0.02, 0.001))}
    label = "WER minus that of parameters matched (points)"
    figure = plots.differences(rows | {"no interval": Measured(0.01)}, label)
    assert check_readable(figure) >= {"clear", "not", label}
    faces = [line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [face == "white" for face in faces] == [False, True, True]


def test_efficiency() -> None:
    rates = {"RobustGER": {256: around(0.2), 1024: around(0.18), 2048: around(0.17)}}
    figure = plots.efficiency(rates, {"1-best": 0.25})
    assert check_readable(figure) >= {"RobustGER", "1-best", "256", "2,048", "lists trained on"}


def test_long_names_leave_the_axes_their_width() -> None:
    names = [f"somebody/some-model-13b-hf: {name}" for name in ("GER", "GER + audio denoising", "RobustGER")]
    rows = {name: around(1e-4 * (n - 1)) for n, name in enumerate(names)}
    for figure in (plots.trainings(rows), plots.differences(rows, "WER minus GER (points)")):
        check_readable(figure)
        (axes,) = figure.axes
        assert axes.get_position().width > 0.45
        low, high = sorted(axes.get_xlim())
        labels = [tick.label1 for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
        boxes = [label.get_window_extent() for label in labels]
        assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
