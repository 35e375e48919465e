"""The tables of the laboratory's grid, against sums by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustger.errors import InputError
from robustger.hypotheses import load_nbest


@pytest.fixture
def results(scripts: Any, lab_folder: Path, tmp_path: Path) -> Path:
    """Results by hand: two sentences at three SNRs, errors and losses that are easily summed."""
    files = scripts.grid_lists.write_lists(lab_folder, tmp_path / "lists", [4], 2)
    ids = [nbest.id for nbest in load_nbest(files.decoded)]
    made = {
        ("ger-matched", "", 0): 2,
        ("ger-matched", "", 1): 4,
        ("shuffled", "", 0): 3,
        ("robustger", "", 0): 1,
        ("robustger", "", 1): 2,
        ("robustger", "lists=4", 0): 0,
    }
    for (arm, change, seed), errors in made.items():
        folder = tmp_path / f"{arm}{change}-{seed}"
        folder.mkdir()
        content = {
            "arm": arm,
            "change": change,
            "seed": seed,
            "shared": {"base": "b", "lists": "l"},
            "parameters": 1234,
            "log": {"train_loss": 1.0 + seed},
            "ids": ids,
            "errors": {"none": [errors] * 6, "margin": [1] * 6},
            "losses": {"ids": ids, "nats": [0.5 * errors] * 6, "tokens": [5] * 6},
        }
        (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def test_rates_and_differences_are_the_sums(scripts: Any, results: Path) -> None:
    figures = scripts.grid_table.compute(results)
    arms = {(one["arm"], one["change"]): one for one in figures["arms"]}
    assert list(arms) == [
        ("ger-matched", ""),
        ("robustger", ""),
        ("shuffled", ""),
        ("robustger", "lists=4"),
    ]
    words, robustger = figures["words"], arms["robustger", ""]
    assert words == sum(
        len((n.reference or "").split()) for n in load_nbest(results / "lists" / "decoded-2.jsonl")
    )
    assert robustger["none"]["all"][0] == pytest.approx(6 * 1.5 / words)
    assert robustger["none"]["seeds"] == pytest.approx([6 / words, 12 / words])
    assert robustger["none"]["minus ger-matched"][0] == pytest.approx(-6 * 1.5 / words)
    assert robustger["none"]["minus shuffled"][0] == pytest.approx(-6 * 2 / words)  # the one seed both have
    assert robustger["margin"]["minus ger-matched"] == [0, 0, 0]
    assert robustger["loss"]["all"] == pytest.approx([0.15] * 3)  # the same in every list: no spread
    assert robustger["log"] == {"train_loss": 1.5}
    assert "minus shuffled" not in arms["shuffled", ""]["none"]
    changed = arms["robustger", "lists=4"]
    assert changed["against"] == {name: name for name in ("ger-matched", "shuffled", "robustger")}
    assert changed["none"]["minus ger-matched"][0] == pytest.approx(-12 / words)


def test_intervals_pair_the_arms(scripts: Any) -> None:
    """Arms that differ by one error in every sentence differ by exactly that in every resample."""
    random_ = np.random.default_rng(0)
    errors = random_.integers(0, 9, 60)
    columns = {"words": [10] * 60, "a": errors.tolist(), "b": (errors + 1).tolist()}
    paired = scripts.grid_table.Paired.of([f"s{n // 3}" for n in range(60)], columns)
    assert paired.difference("words", [("b", "a")]) == pytest.approx([0.1, 0.1, 0.1])
    value, low, high = paired.rate("words", "a")
    assert value == pytest.approx(errors.mean() / 10)
    spread = errors.reshape(20, 3).mean(1).std() / 10 / np.sqrt(20)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_the_tables_are_whole(scripts: Any, results: Path) -> None:
    text = scripts.grid_table.write_table(results)
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "| robustger, lists=4 | 1,234 |" in text
    assert text.count("*") == 1 + 3 * 3  # what it means, and the changed arm's differences
    assert json.loads((results / "results.json").read_text())["arms"]
    scripts.grid_table.write_table(results)  # its own file is no result


def test_a_table_says_what_is_missing(scripts: Any, results: Path) -> None:
    expected = [
        (arm, "", seed) for seed in (0, 1) for arm in ("ger-matched", "shuffled", "zero", "robustger")
    ]
    text = scripts.grid_table.write_table(results, expected)
    assert "**Not complete**: no results yet of zero (0, 1), shuffled (1) (seeds)." in text
    seeds = {
        cells[1]: cells[4]
        for line in text.split("###")[1].splitlines()
        if len(cells := [cell.strip() for cell in line.split("|")]) > 4
    }
    assert seeds["ger-matched"] == seeds["robustger"] == "2"
    assert seeds["shuffled"] == "1"
    assert "Not complete" not in scripts.grid_table.write_table(results, [("robustger", "", 1)])


@pytest.mark.parametrize("shared", [{"base": "c", "lists": "l"}, {"lists": "l"}])
def test_results_of_another_grid_are_refused(scripts: Any, results: Path, shared: dict[str, str]) -> None:
    """Also where it comes first: what most have in common is right."""
    path = results / "ger-matched-0" / "results.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"shared": shared}), encoding="utf-8")
    with pytest.raises(InputError, match="ger-matched-0: its results are of another base than"):
        scripts.grid_table.compute(results)


def test_results_of_other_lists_are_refused(scripts: Any, results: Path, tmp_path: Path) -> None:
    path = results / "shuffled-0" / "results.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"ids": content["ids"][::-1]}), encoding="utf-8")
    with pytest.raises(InputError, match="tested on other lists"):
        scripts.grid_table.compute(results)
    with pytest.raises(InputError, match="no results"):
        scripts.grid_table.compute(tmp_path / "nowhere")
