"""All systems by test set (the paper's Table 1), and by noise and SNR (its Table 2).

The tables have the paper's columns and further ones, for the gain from typography alone, from a vote, and from a
pretrained language model. All systems are measured on the same lists under the same normalizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any

from robustger.evaluation.intervals import percent
from robustger.evaluation.tables import Table
from robustger.evaluation.wer import error_rates
from robustger.experiments.experiment import (
    ARMS,
    AUDIO_ARM,
    GUARDED,
    MATCHED,
    NORMALIZER,
    Context,
    Experiment,
    Findings,
    Needs,
)
from robustger.experiments.measures.scoreboard import (
    ALL,
    BEST,
    FORMAT_ONLY,
    O_CP,
    O_NB,
    Scoreboard,
    System,
    at_snr,
    cross,
)
from robustger.experiments.systems.baselines import BASELINE_ROWS, baseline_systems
from robustger.experiments.systems.correctors import (
    checkpoint_systems,
    scoreboard,
    test_sets,
    trained_systems,
)
from robustger.experiments.tables.board_tables import condition_table, system_table, values

# Without distillation RobustGER needs no audio, so that lists alone can only train this form of it.
TRAINED_ARMS = ("ger", MATCHED, AUDIO_ARM, "robustger", "mine-paper")
TRAINED_COLUMNS = {ARMS[arm].title: (arm, "") for arm in TRAINED_ARMS}
FULL, UNDISTILLED, GER = ARMS["mine-paper"].title, ARMS["robustger"].title, ARMS["ger"].title
# Under `raw` typography counts as an error, which shows the gain of format-only.
AVERAGE_OF_SNRS = "mean"
BOTH_NORMALIZERS = (NORMALIZER, "raw")


def systems_of(context: Context) -> tuple[list[System], list[str], list[str]]:
    """All systems, the names of all columns in their order, and a note on every missing system."""
    sets = test_sets(context)
    baselines, notes = baseline_systems(context, [nbest for lists in sets.values() for nbest in lists])
    trained, lacking = trained_systems(context, TRAINED_COLUMNS)
    given = checkpoint_systems(context, sets)
    names = [
        BEST,
        *(baseline.title for baseline in BASELINE_ROWS),
        *TRAINED_COLUMNS,
        *(one.name for one in given),
        O_NB,
        O_CP,
    ]
    return [*baselines, *trained, *given], names, [*notes, *lacking]


def run_table1(context: Context) -> Findings:
    """Every system on every test set, and in detail on all of them."""
    systems, names, notes = systems_of(context)
    boards = {name: scoreboard(context, systems, name) for name in BOTH_NORMALIZERS}
    board = boards[NORMALIZER]
    tables = [condition_table(board, "WER by test", names)]
    tables += [
        system_table(board, f"All tests, normalizer {name}", names, (GER,)) for name, board in boards.items()
    ]
    guarded, _ = trained_systems(context, TRAINED_COLUMNS, GUARDED)
    results: dict[str, Any] = {"normalizers": {name: board.to_json_dict() for name, board in boards.items()}}
    if guarded:
        careful = scoreboard(context, guarded)
        tables.append(system_table(careful, f"Under the guard `{GUARDED}`", [BEST, *TRAINED_COLUMNS], (GER,)))
        results["guarded"] = careful.to_json_dict()
    return Findings(results, tuple(tables), _figure_by_test(board, names), notes=tuple(notes))


def _figure_by_test(board: Scoreboard, names: Sequence[str]) -> dict[str, Callable[[], Any]]:
    from robustger.experiments.figures.error_rate_plots import systems_by_test

    # Where typography costs nothing, format-only equals the 1-best, and one point shows both.
    same = FORMAT_ONLY in board.errors and (board.errors[FORMAT_ONLY] == board.errors[BEST]).all()
    shown = [name for name in names if name in board.errors and not (same and name == FORMAT_ONLY)]
    rates = values(board, shown)
    # All lists, and the test sets or the SNRs: a figure has no room for more.
    groups = [ALL, *board.sets, *map(at_snr, board.snrs)]
    return {"": lambda: systems_by_test({group: rates[group] for group in rates if group in groups})}


def run_table2(context: Context) -> Findings:
    """Every system by kind of noise and SNR."""
    from robustger.experiments.figures.error_rate_plots import systems_by_snr

    systems, names, notes = systems_of(context)
    board = scoreboard(context, systems, crossed=True)
    names = [name for name in names if name in board.errors]
    snrs = board.snrs
    if not snrs:
        notes.append("The lists name no SNR (`snr_db` in their meta), so there is nothing to break down.")
    elif board.without_snr:
        notes.append(
            f"{board.without_snr:,} lists with noise name no SNR (`snr_db` in their meta): in no row."
        )
    rows = []
    for kind in board.kinds if snrs else ():
        own = [snr for snr in snrs if cross(kind, snr) in board.groups]
        rows += [(kind, f"{snr}", *_cells(board, names, cross(kind, snr))) for snr in own]
        if len(own) > 1:
            rows.append((kind, AVERAGE_OF_SNRS, *_means(board, names, [cross(kind, snr) for snr in own])))
    rows += [("all", f"{snr}", *_cells(board, names, at_snr(snr))) for snr in snrs]
    if len(snrs) > 1:
        rows.append(("all", AVERAGE_OF_SNRS, *_means(board, names, [at_snr(snr) for snr in snrs])))
    if snrs and board.clean is not None:
        rows.append((board.clean, "", *_cells(board, names, board.clean)))
    table = Table(
        "WER by noise and SNR",
        ("noise", "SNR (dB)", *names),
        tuple(rows),
        f"WER in %, normalizer `{NORMALIZER}`, means over seeds; in brackets the change in errors from the 1-best. "
        f"`{AVERAGE_OF_SNRS}`: the mean of the rows above it, as the paper's `avg.`. {len(board.lists):,} lists; the "
        "intervals are in results.json.",
    )
    figures: dict[str, Callable[[], Any]] = {}
    if len(snrs) > 1:
        by_snr = {name: {snr: board.rate(name, at_snr(snr)) for snr in snrs} for name in names}
        figures[""] = lambda: systems_by_snr(by_snr)
    return Findings(
        {"normalizers": {NORMALIZER: board.to_json_dict()}},
        (table,),
        figures,
        notes=tuple(notes),
    )


def _cells(board: Scoreboard, names: Sequence[str], group: str) -> list[str]:
    return _means(board, names, [group])


def _means(board: Scoreboard, names: Sequence[str], groups: Sequence[str]) -> list[str]:
    """The mean rate of each system over conditions, with its change from the 1-best; each condition counts once."""
    rates = {name: mean(board.rate(name, group).value for group in groups) for name in (BEST, *names)}
    changes = error_rates(list(rates.values()), rates[BEST]) - 1  # NaN where the 1-best has no errors
    return [
        percent(rate) if name == BEST else f"{percent(rate)} ({percent(change, digits=1, signed=True)} %)"
        for (name, rate), change in zip(rates.items(), changes, strict=True)
        if name in names
    ]


TABLE1 = Experiment(
    "table1",
    "1-best, baselines, GER, audio denoising, RobustGER and oracles per test set (the paper's Table 1)",
    run_table1,
    needs=lambda scale: Needs(arms=TRAINED_ARMS),
)
TABLE2 = Experiment(
    "table2",
    "the same systems by noise and SNR (the paper's Table 2)",
    run_table2,
    needs=lambda scale: Needs(arms=TRAINED_ARMS),
)
