"""The figures that the paper reports, which are shown below those measured here.

The numbers are those of Hu et al., ICLR 2024 (`published.json`). The paper used other corpora, a larger recognizer
(Whisper large-v2) and a larger language model (LLaMA-2-7b, unless a row names another). A run of this program is not
expected to reach its numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from robustger.evaluation.tables import Table


@dataclass(frozen=True, slots=True)
class Published:
    """A table of the paper.

    Attributes:
        name: the paper's name of the table, "Table 1".
        measure: of the numbers, "WER in %".
        columns: systems or conditions.
        rows: the numbers by test set, in the order of the columns.
        source: the paper.
    """

    name: str
    measure: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]
    source: str

    def value(self, row: str, column: str) -> float:
        """One number of the table.

        Raises:
            KeyError: the table has no such row or column.
        """
        if column not in self.columns:
            raise KeyError(column)
        return self.rows[row][self.columns.index(column)]

    def to_table(self) -> Table:
        """The table as pages show it."""
        return Table(
            title=f"The paper's {self.name}: {self.measure}",
            columns=("", *self.columns),
            rows=tuple((name, *(f"{value:.1f}" for value in values)) for name, values in self.rows.items()),
            notes=f"Source: {self.source}.",
        )


def published(experiment: str) -> Published | None:
    """The paper's table for an experiment ("table1", "llms", ...); None where the paper gives no numbers."""
    content = _content()
    given = content.get(experiment)
    if given is None:
        return None
    rows = {name: tuple(map(float, values)) for name, values in given["rows"].items()}
    return Published(given["table"], given["measure"], tuple(given["columns"]), rows, content["source"])


@cache
def _content() -> dict:
    text = (resources.files("robustger.experiments.measures") / "published.json").read_text(encoding="utf-8")
    return json.loads(text)
