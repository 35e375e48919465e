"""Rates, differences and edits of systems, against sums by hand."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.experiments.measures.scoreboard import BEST, O_CP, O_NB, PairedSums, Scoreboard, System
from robustger.experiments.tables.board_tables import (
    condition_table,
    log_table,
    loss_table,
    system_table,
    values,
)
from robustger.hypotheses import NBest

REFERENCE = "one two three four"


def lists_of(sentences: int = 4) -> list[NBest]:
    """Lists at 0 and 5 dB. The 1-best has one error at 5 dB and two at 0 dB; the second hypothesis has none at 0 dB."""
    texts = {0: ["one too tree four", REFERENCE], 5: ["one too three four", "one two three"]}
    return [
        NBest.from_texts(
            f"s{n}_{kind}_{snr}dB",
            texts[snr],
            reference=REFERENCE,
            meta={"noise": kind, "snr_db": float(snr), "mix": {"source_id": f"s{n}"}},
        )
        for n, (kind, snr) in product(range(sentences), (("rain-1", 0), ("car-2", 5)))
    ]


def system(name: str, seeds: dict[int, int], lists: list[NBest], **more: object) -> System:
    """A system that gets a number of words wrong in every list, given by seed."""
    made = {seed: {n.id: " ".join(REFERENCE.split()[wrong:]) for n in lists} for seed, wrong in seeds.items()}
    losses = tuple({n.id: (0.5 * wrong, 5) for n in lists} for wrong in seeds.values())
    logs = tuple({"train_loss": 1.0 + seed} for seed in seeds)
    return System(name, tuple(made.values()), tuple(seeds), 1234, losses, logs, 1, 20)


@pytest.fixture
def board() -> Scoreboard:
    lists = lists_of()
    systems = [
        system("matched", {0: 2, 1: 4}, lists),
        system("shuffled", {0: 3}, lists),
        system("robustger", {0: 1, 1: 2}, lists),
        System("format-only", ({n.id: n.best for n in lists},)),
    ]
    return Scoreboard({"test": lists}, systems, "raw", lists)


def test_rates_and_differences_are_the_sums(board: Scoreboard) -> None:
    assert board.words.sum() == 8 * 4
    assert board.rate(BEST).value == pytest.approx((4 * 2 + 4 * 1) / 32)
    assert board.rate(BEST, "0 dB").value == board.rate(BEST, "rain").value == pytest.approx(0.5)
    assert board.rate(O_NB, "5 dB").value == pytest.approx(0.25)
    assert board.rate(O_CP, "5 dB").value == 0
    assert board.rate("robustger").value == pytest.approx(1.5 / 4)
    assert board.single("robustger") == pytest.approx([0.25, 0.5])
    for other, expected in (("matched", -1.5 / 4), ("shuffled", -0.5), (BEST, 0.0)):
        found = board.difference("robustger", other)
        assert found is not None
        assert found.value == pytest.approx(expected), other  # shuffled: of the one seed that both have
    assert board.difference("robustger", "nobody") is None
    loss = board.loss("robustger")
    assert loss is not None
    assert (loss.value, loss.interval) == (pytest.approx(0.15), loss.interval)
    difference = board.loss_difference("robustger", "shuffled")
    assert difference is not None
    assert difference.value == pytest.approx(-0.2)
    assert board.loss("format-only") is None
    assert board.relative("robustger", "0 dB") == pytest.approx(0.25)


def test_edits_are_counted_against_the_1_best(board: Scoreboard) -> None:
    edits = board.edits("robustger")
    # Seed 0 has one error everywhere, seed 1 two; the 1-best has two at 0 dB and one at 5 dB.
    assert (edits.better, edits.worse, edits.equal) == (4, 4, 8)
    assert (edits.changed, edits.errors_removed, edits.errors_added) == (16, 4, 4)
    same = board.edits("format-only")
    assert (same.changed, same.harmful_edit_rate) == (0, 0)


def test_conditions_are_sets_snrs_and_noises() -> None:
    lists = lists_of()
    assert list(Scoreboard({"test": lists}, [], "raw").groups) == ["all", "0 dB", "5 dB", "car", "rain"]
    board = Scoreboard({"a": lists[:4], "b": lists[4:]}, [], "raw", crossed=True)
    assert list(board.groups) == ["all", "a", "b", "0 dB", "5 dB", "car", "rain", "car, 5 dB", "rain, 0 dB"]
    assert board.groups["b"].tolist() == [4, 5, 6, 7]
    clean = NBest.from_texts("s9", ["a"], reference="a")
    with_clean = Scoreboard({"a": lists[:4], "clean": [*lists[4:], clean]}, [], "raw")
    # The test set keeps its name.
    assert list(with_clean.groups) == ["all", "a", "clean", "0 dB", "5 dB", "car", "rain"]
    assert with_clean.groups["clean"].tolist() == [4, 5, 6, 7, 8]
    assert Scoreboard({"test": [*lists, clean]}, [], "raw").groups["clean"].tolist() == [8]
    plain = [NBest.from_texts("u", ["a"], reference="a")]
    assert list(Scoreboard({"test": plain}, [], "raw").groups) == ["all"]


def test_the_board_knows_its_noises_and_snrs() -> None:
    lists = lists_of()
    board = Scoreboard({"test": lists}, [], "raw")
    assert (board.kinds, board.snrs, board.clean, board.without_snr) == (["car", "rain"], [0, 5], None, 0)
    clean = NBest.from_texts("s9", ["a"], reference="a")
    unknown = NBest.from_texts("s8", ["a"], reference="a", meta={"noise": "rain-1"})
    board = Scoreboard({"test": [*lists, clean, unknown]}, [], "raw")
    assert (board.kinds, board.snrs, board.clean, board.without_snr) == (["car", "rain"], [0, 5], "clean", 1)


def test_systems_on_other_lists_are_refused_with_the_ids() -> None:
    lists = lists_of()
    fewer = system("hasty", {0: 1}, lists[:-1])
    with pytest.raises(InputError, match=r"hasty: has no text for 1 of 8 lists, first 's3_car-2_5dB'"):
        Scoreboard({"test": lists}, [fewer], "raw")


def test_intervals_pair_the_systems() -> None:
    """Systems that differ by one error in every sentence differ by exactly that in every resample."""
    errors = np.random.default_rng(0).integers(0, 9, 60)
    columns = {"words": [10] * 60, "a": errors.tolist(), "b": (errors + 1).tolist()}
    paired = PairedSums.of([f"s{n // 3}" for n in range(60)], columns)
    found = paired.difference("words", [("b", "a")])
    assert found.interval is not None
    assert (found.value, found.interval.low, found.interval.high) == pytest.approx((0.1, 0.1, 0.1))
    rate = paired.rate("words", "a")
    assert rate.interval is not None
    assert rate.value == pytest.approx(errors.mean() / 10)
    spread = errors.reshape(20, 3).mean(1).std() / 10 / np.sqrt(20)
    assert rate.interval.high - rate.interval.low == pytest.approx(2 * 1.96 * spread, rel=0.15)


@given(st.lists(st.lists(st.text("ab ", max_size=12), min_size=2, max_size=6), min_size=1, max_size=8))
def test_oracles_are_ordered_in_every_list(texts: list[list[str]]) -> None:
    lists = [
        NBest.from_texts(f"u{n}", hypotheses, reference=reference)
        for n, (reference, *hypotheses) in enumerate(texts)
    ]
    board = Scoreboard({"test": lists}, [], "number")
    assert (board.errors[O_CP] <= board.errors[O_NB]).all()
    assert (board.errors[O_NB] <= board.errors[BEST]).all()


def test_the_mean_of_tests_counts_every_test_set_once() -> None:
    def one(name: str, words: int, wrong: int) -> NBest:
        said = " ".join("a" * words)
        best = " ".join(["b"] * wrong + ["a"] * (words - wrong))
        return NBest.from_texts(name, [best, said], reference=said)

    sets = {"short": [one("u", 2, 1)], "long": [one("v", 8, 1)]}
    table = condition_table(Scoreboard(sets, [], "raw"), "rates", [BEST, O_NB])
    assert table.rows[0] == ("all", "2", "20.00", "0.00 (-100.0 %)")
    assert table.rows[-1] == ("mean of tests", "", "31.25", "0.00 (-100.0 %)")
    right = {name: [one(name, 3, 0)] for name in ("u", "v")}  # nothing can change against no errors
    assert condition_table(Scoreboard(right, [], "raw"), "rates", [BEST, O_NB]).rows[-1][2:] == (
        "0.00",
        "0.00 (n/a %)",
    )
    alone = condition_table(Scoreboard({"short": sets["short"]}, [], "raw"), "rates", [BEST, O_NB])
    assert [row[0] for row in alone.rows] == ["all"]


def test_the_tables_are_whole(board: Scoreboard) -> None:
    names = [BEST, "format-only", "matched", "shuffled", "robustger", "not there", O_NB, O_CP]
    against = ("matched", "not there")
    tables = [
        condition_table(board, "rates", names),
        system_table(board, "systems", names, against),
        loss_table(board, "losses", names, against),
        log_table(board, "logs", names),
    ]
    for table in tables:
        assert table is not None
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}
    rates, systems, losses, logs = tables
    assert rates is not None
    assert "not there" not in rates.columns
    assert rates.rows[1] == (
        "0 dB", "4", "50.00", "50.00 (+0.0 %)", "75.00 (+50.0 %)", "75.00 (+50.0 %)", "37.50 (-25.0 %)",
        "0.00 (-100.0 %)", "0.00 (-100.0 %)",
    )  # fmt: skip
    assert systems is not None
    by_name = {row[0]: row for row in systems.rows}
    assert by_name["robustger"] == (
        "robustger", "37.50 [37.50, 37.50]", "25.00, 50.00", "-37.50 [-37.50, -37.50]", "4 / 4", "4 of 16 (25.0 %)",
    )  # fmt: skip
    assert by_name[BEST][2:] == ("", "-37.50 [-37.50, -37.50]", "", "")
    assert losses is not None
    assert losses.rows[-1] == (
        "robustger",
        "from 1, 20 vectors each",
        "1,234",
        "0.1500 [0.1500, 0.1500]",
        "-0.1500 [-0.1500, -0.1500]",
    )
    assert logs is not None
    assert logs.rows[-1][:2] == ("robustger", "1.5000")
    json.dumps(board.to_json_dict(), allow_nan=False)
    assert values(board, names)["0 dB"].keys() == set(names) - {"not there"}
