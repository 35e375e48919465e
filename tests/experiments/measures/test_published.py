"""The paper's figures are copied without mistakes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from robustger.experiments.known_experiments import PLACES
from robustger.experiments.measures.published import published

EXPERIMENTS = [name for name in PLACES if published(name)]


def test_every_table_of_the_paper_is_there() -> None:
    assert [name for name in PLACES if name not in ("diversity", "controls", "nbest-size")] == EXPERIMENTS
    assert published("nonsense") is None


@pytest.mark.parametrize("name", ["table1", "table2"])
def test_oracles_are_below_the_1_best(name: str) -> None:
    table = published(name)
    assert table is not None
    for row in table.rows:
        assert table.value(row, "o_cp") <= table.value(row, "o_nb") <= table.value(row, "1-best")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_averages_are_those_of_their_rows(name: str) -> None:
    """A mistyped digit shows up here, unless it is as small as the paper's rounding."""
    table = published(name)
    assert table is not None
    for row, values in table.rows.items():
        corpus, _, last = row.rpartition(" ")
        members = [other for key, other in table.rows.items() if key.startswith(f"{corpus} ") and key != row]
        if last != "avg" or not members:
            continue
        for column, value in zip(table.columns, values, strict=True):
            place = table.columns.index(column)
            assert value == pytest.approx(sum(other[place] for other in members) / len(members), abs=0.15)


def test_a_table_names_its_source() -> None:
    table = published("table1")
    assert table is not None
    assert table.value("CHiME-4 test-real", "RobustGER") == 5.6
    with pytest.raises(KeyError):
        table.value("CHiME-4 test-real", "nobody")
    text = table.to_table().to_markdown()
    assert "arXiv 2401.10446" in text
    assert "| CHiME-4 test-real | 12.6 | 12.2 | 6.5 | 6.4 | 5.6 | 10.5 | 3.0 |" in text


def test_the_numbers_are_those_of_the_shared_tables() -> None:
    data = os.environ.get("ROBUSTGER_DATA")
    path = Path(data or "").parent / "paper" / "tables.json"
    if not data or not path.exists():
        pytest.skip("ROBUSTGER_DATA is not set, or has no paper/tables.json beside it")
    shared = {key: value for key, value in json.loads(path.read_text()).items() if key.startswith("table")}
    left = _numbers(shared)
    for name in set(EXPERIMENTS) - {"table5"}:  # whose numbers stand there in a sentence
        table = published(name)
        assert table is not None
        for value in _numbers(list(table.rows.values())):
            left.remove(value)
    # Not kept as numbers: SNRs, and lists and hours that were trained on.
    assert sorted(left) == [0, 1.7, 3.5, 5, 9.2, 10, 14.5, 15, 17.5, 20, 1000, 2000, 5000, 8000, 9600]


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in _numbers(item)]
    if isinstance(value, list | tuple):
        return [number for item in value for number in _numbers(item)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
