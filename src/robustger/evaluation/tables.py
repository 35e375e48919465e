"""Evaluation tables, for the terminal (rich) and for documents (Markdown)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
