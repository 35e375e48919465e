"""Evaluation tables, for the terminal (rich) and for documents (Markdown)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robustger.evaluation.significance import Interval

if TYPE_CHECKING:
    from rich.table import Table as RichTable


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of ready-made cells; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: str = ""

    def to_markdown(self) -> str:
        """The table as GitHub Markdown, numbers aligned right, notes below."""
        lines = [
            f"**{self.title}**",
            "",
            _row(self.columns),
            _row((":--", *["--:"] * (len(self.columns) - 1))),
        ]
        lines += [_row(cells) for cells in self.rows]
        if self.notes:
            lines += ["", self.notes]
        return "\n".join(lines) + "\n"

    def to_rich(self) -> RichTable:
        """The table for a rich console."""
        from rich.table import Table as RichTable
        from rich.text import Text

        # Text, not str: brackets of intervals would be read as rich markup
        table = RichTable(
            title=self.title, caption=Text(self.notes) if self.notes else None, caption_justify="left"
        )
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for cells in self.rows:
            table.add_row(*map(Text, cells))
        return table


def percent(
    fraction: float, interval: Interval | None = None, *, digits: int = 2, signed: bool = False
) -> str:
    """A fraction as a percentage without the sign, "8.13 [7.60, 8.71]"; "n/a" where it has no value."""

    def number(value: float) -> str:
        if not math.isfinite(value):
            return "n/a"
        # adding 0.0 after rounding turns "-0.0" into "0.0"
        return format(round(100 * value, digits) + 0.0, f"{'+' if signed else ''}.{digits}f")

    if interval is None or not math.isfinite(fraction):
        return number(fraction)
    return f"{number(fraction)} [{number(interval.low)}, {number(interval.high)}]"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
