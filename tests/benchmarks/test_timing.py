"""The table of the benchmarks: turns, ratios, medians and ranges."""

from __future__ import annotations

import json

import pytest
from benchmarks.timing import Row, Timings, as_json, interleaved, significant, table


def test_two_things_take_turns_and_change_who_goes_first() -> None:
    calls: list[str] = []
    timings = interleaved(lambda: calls.append("ours"), lambda: calls.append("baseline"), rounds=3)
    turns = [calls[at : at + 2] for at in range(0, len(calls), 2)]
    assert turns[0] == ["ours", "baseline"]  # untimed
    assert turns[1:] == [["ours", "baseline"], ["baseline", "ours"], ["ours", "baseline"]]
    assert len(timings.ours) == len(timings.baseline) == 3
    assert min(timings.ours + timings.baseline) > 0


def test_ratios_are_of_the_same_round() -> None:
    timings = Timings(ours=(1.0, 4.0), baseline=(2.0, 6.0))
    assert timings.faster == (2.0, 1.5)
    assert timings.cost == (0.5, pytest.approx(2 / 3))
    assert timings.seconds() == {"seconds": 2.5, "baseline_seconds": 4.0}


def test_the_table_has_medians_and_ranges() -> None:
    rows = [
        Row("c", "E_LN", "one call each", (3.0, 1.0, 2.0), aim="50"),
        Row("g", "exponent", "1", (1.0,), unit="power"),
    ]
    assert table(rows).splitlines()[2:] == [
        "| c | E_LN | one call each | 2 | 1 to 3 | x as fast | 50 |",
        "| g | exponent | 1 | 1 |  | power |  |",
    ]
    saved = json.loads(as_json(rows, quick=True))
    assert saved["quick"] is True
    assert saved["machine"]["cores"] >= 1
    assert saved["rows"][0] | {"median": 2.0, "low": 1.0, "high": 3.0} == saved["rows"][0]


def test_numbers_keep_their_significant_digits() -> None:
    assert significant(1234.56) == 1235
    assert significant(0.00123456) == 0.001235
