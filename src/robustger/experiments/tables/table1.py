"""All systems per test set (the paper's Table 1), and by noise and SNR (its Table 2).

The columns are those of the paper and more: what typography alone explains, a vote, a pretrained language model. All
are measured on the same lists under the same normalizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from robustger.evaluation.intervals import percent
from robustger.evaluation.tables import Table
from robustger.experiments.experiment import GUARDS, NORMALIZER, Context, Experiment, Needs, Outcome
from robustger.experiments.measures.comparison import (
    published_beside,
    rate_table,
    scoreboard,
    system_table,
    test_sets,
    trained_systems,
    values,
)
from robustger.experiments.measures.conditions import CLEAN, noise_kind, snr_db
from robustger.experiments.measures.scoreboard import BEST, FORMAT_ONLY, O_CP, O_NB, Scoreboard, System, cross
from robustger.experiments.runs.arms import AUDIO, NAMES
from robustger.experiments.systems.baselines import BASELINES, baseline_systems
from robustger.experiments.systems.checkpoints import checkpoint_systems

# Without distillation RobustGER needs no audio: of lists alone it is all there is of it.
TRAINED = ("ger", AUDIO, "robustger", "mine-paper")
COLUMNS = {NAMES[arm]: (arm, "") for arm in TRAINED}
FULL, UNDISTILLED, REFERENCE = NAMES["mine-paper"], NAMES["robustger"], NAMES["ger"]
# Under `raw` typography counts as an error, so that what format-only alone brings can be seen.
NORMALIZERS = (NORMALIZER, "raw")


def systems_of(context: Context) -> tuple[list[System], list[str], list[str]]:
    """All systems, the names of all columns in their order, and notes on what is missing."""
    sets = test_sets(context)
    baselines, notes = baseline_systems(context, [nbest for lists in sets.values() for nbest in lists])
    trained, lacking = trained_systems(context, COLUMNS)
    given = checkpoint_systems(context, sets)
    names = [
        BEST,
        *(baseline.title for baseline in BASELINES),
        *COLUMNS,
        *(one.name for one in given),
        O_NB,
        O_CP,
    ]
    return [*baselines, *trained, *given], names, [*notes, *lacking]


def run_table1(context: Context) -> Outcome:
    """Every system on every test set, and in detail on all of them."""
    systems, names, notes = systems_of(context)
    boards = {name: scoreboard(context, systems, name) for name in NORMALIZERS}
    board = boards[NORMALIZER]
    tables = [rate_table(board, "WER by test", names)]
    tables += [
        system_table(board, f"All tests, normalizer {name}", names, (REFERENCE,))
        for name, board in boards.items()
    ]
    guarded, _ = trained_systems(context, COLUMNS, GUARDS[1])
    results: dict[str, Any] = {"normalizers": {name: board.to_json_dict() for name, board in boards.items()}}
    if guarded:
        careful = scoreboard(context, guarded)
        tables.append(system_table(careful, f"Under the guard `{GUARDS[1]}`", [BEST, *COLUMNS], (REFERENCE,)))
        results["guarded"] = careful.to_json_dict()
    return Outcome(
        results, (*tables, *published_beside("table1")), _figures(board, names), notes=tuple(notes)
    )


def _figures(board: Scoreboard, names: Sequence[str]) -> dict[str, Callable[[], Any]]:
    from robustger.experiments.figures.plots import systems_by_test

    # Where typography costs nothing, format-only is the 1-best, and one point says it.
    same = FORMAT_ONLY in board.errors and (board.errors[FORMAT_ONLY] == board.errors[BEST]).all()
    shown = [name for name in names if name in board.errors and not (same and name == FORMAT_ONLY)]
    rates = values(board, shown)
    sets = [group for group in rates if group in _first_level(board)]
    return {"": lambda: systems_by_test({group: rates[group] for group in sets})}


def _first_level(board: Scoreboard) -> list[str]:
    """All lists, and the test sets or the SNRs: what a figure has room for."""
    kinds = {noise_kind(nbest) for nbest in board.lists} - {*board.sets}
    return [group for group in board.groups if group not in kinds]


def run_table2(context: Context) -> Outcome:
    """Every system by kind of noise and SNR."""
    from robustger.experiments.figures.plots import systems_by_snr

    systems, names, notes = systems_of(context)
    board = scoreboard(context, systems, crossed=True)
    names = [name for name in names if name in board.errors]
    kinds = sorted({kind for nbest in board.lists if (kind := noise_kind(nbest)) != CLEAN})
    snrs = sorted({snr for nbest in board.lists if (snr := snr_db(nbest)) is not None})
    unknown = sum(noise_kind(nbest) != CLEAN and snr_db(nbest) is None for nbest in board.lists)
    if not snrs:
        notes.append("The lists name no SNR (`snr_db` in their meta), so there is nothing to break down.")
    elif unknown:
        notes.append(f"{unknown:,} lists with noise name no SNR (`snr_db` in their meta): in no row.")
    rows = [
        (kind, f"{snr}", *_cells(board, names, cross(kind, snr)))
        for kind in kinds
        for snr in snrs
        if cross(kind, snr) in board.groups
    ]
    rows += [("all", f"{snr}", *_cells(board, names, f"{snr} dB")) for snr in snrs]
    if snrs and CLEAN in board.groups:
        rows.append((CLEAN, "", *_cells(board, names, CLEAN)))
    table = Table(
        "WER by noise and SNR",
        ("noise", "SNR (dB)", *names),
        tuple(rows),
        f"WER in %, normalizer `{NORMALIZER}`, means over seeds. {len(board.lists):,} lists; the intervals are in "
        "results.json.",
    )
    figures: dict[str, Callable[[], Any]] = {}
    if len(snrs) > 1:
        by_snr = {name: {snr: board.rate(name, f"{snr} dB") for snr in snrs} for name in names}
        figures[""] = lambda: systems_by_snr(by_snr)
    return Outcome(
        {"normalizers": {NORMALIZER: board.to_json_dict()}},
        (table, *published_beside("table2")),
        figures,
        notes=tuple(notes),
    )


def _cells(board: Scoreboard, names: Sequence[str], group: str) -> list[str]:
    return [percent(board.rate(name, group).value) for name in names]


TABLE1 = Experiment(
    "table1",
    "1-best, baselines, GER, audio denoising, RobustGER and oracles per test set (the paper's Table 1)",
    run_table1,
    needs=lambda scale, quick: Needs(arms=TRAINED),
)
TABLE2 = Experiment(
    "table2",
    "the same systems by noise and SNR (the paper's Table 2)",
    run_table2,
    needs=lambda scale, quick: Needs(arms=TRAINED),
)
