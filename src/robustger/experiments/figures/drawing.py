"""The common look of all figures, which are sized for a paper's column and readable without colors.

A figure is drawn at the width at which it is printed, so that its letters are 7 or 8 points high on paper. The colors
are those of Okabe and Ito, which the color-blind can tell apart. Markers and dashes repeat what colors say, for prints
in gray.
"""

from __future__ import annotations

import functools
import io
import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from robustger.errors import MissingExtraError
from robustger.evaluation.intervals import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.3, 7.0  # width in inches of one column and of both columns of a paper
DPI = 300

# The colors of Okabe and Ito without yellow, which is too pale for lines, and without black, which is kept for totals.
# The last color, wine, is Tol's.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255")
GRAY = "#777777"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
_SIZES = {
    "*": 6.5,
    "P": 4.5,
    "X": 4.5,
    "p": 4.2,
    "h": 4.2,
}  # these markers look as large as the others at 3.5
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)))

# Systems look the same in every figure: baselines gray, oracles black, trained systems in color.
SYSTEM_LOOKS: dict[str, tuple[str, str, Any]] = {
    "1-best": ("#555555", "o", "-"),
    "format-only": ("#999999", "s", (0, (4, 1.5))),
    "LM_rank, n-gram": ("#E69F00", "^", "-"),
    "LM_rank, pretrained LLM": ("#E69F00", "X", (0, (4, 1.5))),
    "MBR": ("#56B4E9", "v", "-"),
    "ROVER": ("#56B4E9", "D", (0, (4, 1.5))),
    "zero-shot": ("#CC79A7", "P", "-"),
    "few-shot": ("#CC79A7", "p", (0, (4, 1.5))),
    "GER": ("#D55E00", "D", "-"),
    "GER + audio denoising": ("#009E73", "X", "-"),
    "RobustGER, no distillation": ("#0072B2", "h", (0, (4, 1.5))),
    "RobustGER": ("#0072B2", "*", "-"),
    "o_nb": ("#000000", "<", (0, (4, 1.5))),
    "o_cp": ("#000000", ">", (0, (1, 1))),
}

_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that figures look the same everywhere
    "font.size": 7,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.9,
    "legend.columnspacing": 1.0,
    "legend.labelspacing": 0.3,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "errorbar.capsize": 1.5,
    "axes.unicode_minus": True,
    "text.parse_math": False,  # names of noises and systems are not formulas
}

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def styled(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Makes a function draw in the style of this module, without changing the calling program's style.

    Raises:
        MissingExtraError: matplotlib is not installed when the function is called.
    """

    @functools.wraps(draw)
    def drawn(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            import matplotlib
        except ImportError:
            raise MissingExtraError("matplotlib", "plots") from None
        with matplotlib.rc_context(_RC):
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, made without pyplot, so that it needs no display and is freed after use."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def look(name: str, number: int) -> dict[str, Any]:
    """Color, marker and dashes of a line or of points.

    Args:
        name: of a system in `SYSTEM_LOOKS`; other names get the look of their number.
        number: of the line in its figure; up to 21 numbers look different.
    """
    if name in SYSTEM_LOOKS:
        color, marker, dashes = SYSTEM_LOOKS[name]
    else:
        color = COLORS[number % len(COLORS)]
        marker = MARKERS[number % len(MARKERS)]
        dashes = DASHES[number // len(COLORS) % len(DASHES)]
    return {"color": color, "marker": marker, "linestyle": dashes, "markersize": _SIZES.get(marker, 3.5)}


def spread(values: Sequence[float], intervals: Sequence[Interval | None]) -> list[list[float]]:
    """The lengths of intervals below and above their values, as matplotlib wants them; 0 where there is no interval."""
    below, above = [], []
    for value, ends in zip(values, intervals, strict=True):
        low, high = (value, value) if ends is None or math.isnan(ends.low) else (ends.low, ends.high)
        below.append(max(0.0, value - low))  # with few lists, a skewed interval may not contain the value
        above.append(max(0.0, high - value))
    return [below, above]


def legend_above(figure: Figure, axes: Axes, columns: int, title: str | None = None) -> None:
    """Puts one legend for the whole figure above its panels, lines before points with intervals.

    Args:
        figure: with the panels.
        axes: a panel that contains everything the legend names.
        columns: how many entries stand side by side; fewer where their names are too long for the figure.
        title: of the legend.
    """
    handles, labels = axes.get_legend_handles_labels()
    for count in range(columns, 0, -1):
        legend = figure.legend(
            handles, labels, loc="outside upper center", ncols=count, title=title, title_fontsize=7
        )
        if count == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def rendered(figure: Figure) -> dict[str, bytes]:
    """The files of a figure by suffix: a PNG with 300 dots per inch, and an SVG. The same figure gives the same bytes.

    The SVG draws letters as outlines, so that it looks the same wherever it is opened.
    """
    import matplotlib

    files = {}
    with (
        matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "robustger"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        for suffix, nothing in (("png", ("Software",)), ("svg", ("Date", "Creator", "Format", "Type"))):
            file = io.BytesIO()
            figure.savefig(file, format=suffix, dpi=DPI, metadata=dict.fromkeys(nothing))
            files[suffix] = file.getvalue()
    return files
