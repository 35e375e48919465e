"""The tables of a scoreboard: rates by condition, systems on all lists, losses, and the ends of trainings.

`condition_table` and `system_table` write the cells of the paper's Tables 1, 3 and 4; `table1.run_table2` writes
Table 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from robustger.evaluation.intervals import percent, with_interval
from robustger.evaluation.measured import Measured
from robustger.evaluation.tables import Table
from robustger.evaluation.wer import error_rates
from robustger.experiments.measures.scoreboard import BEST, Scoreboard

LOGGED = ("train_loss", "gate_norm", "noise_gate_norm", "mutual_information", "distillation_loss")
LOGGED_CONTROLS = (
    "_without_noise",
    "_with_other_noise",
)  # of the last two; trainings of older versions did not log them
AVERAGE = "mean of tests"


def condition_table(board: Scoreboard, title: str, names: Sequence[str]) -> Table:
    """The paper's layout: a row for each condition, and a column for each system with its change from the 1-best.

    Args:
        board: the scoreboard.
        title: of the table.
        names: of systems, in the order of the columns; systems that are not on the board are left out.
    """
    names = [name for name in names if name in board.errors]

    def cell(name: str, rate: float, change: float) -> str:
        return (
            percent(rate) if name == BEST else f"{percent(rate)} ({percent(change, digits=1, signed=True)} %)"
        )

    rows = []
    for group, members in board.groups.items():
        cells = [cell(name, board.rate(name, group).value, -board.relative(name, group)) for name in names]
        rows.append((group, f"{len(members):,}", *cells))
    notes = f"WER in %, normalizer `{board.normalizer}`; in brackets the change in errors from the 1-best. "
    notes += "Means over seeds where something is trained."
    if board.sets:
        means = {name: mean(board.rate(name, one).value for one in board.sets) for name in (BEST, *names)}
        changes = error_rates(list(means.values()), means[BEST]) - 1  # NaN where the 1-best has no errors
        cells = [
            cell(name, means[name], change)
            for name, change in zip(means, changes, strict=True)
            if name in names
        ]
        rows.append((AVERAGE, "", *cells))
        notes += f" `all` counts every word once; `{AVERAGE}` every test set, as the paper's `avg.` does."
    return Table(title, ("test", "lists", *names), tuple(rows), notes)


def system_table(board: Scoreboard, title: str, names: Sequence[str], against: Sequence[str] = ()) -> Table:
    """A row for each system on all lists: its rate, its differences from other systems, and its edits of the 1-bests.

    Args:
        board: the scoreboard.
        title: of the table.
        names: of systems, in the order of the rows; systems that are not on the board are left out.
        against: names of the systems to compare with.
    """
    against = [name for name in against if name in board.errors]
    rows = []
    for name in names:
        if name not in board.errors:
            continue
        cells = [name, interval(board.rate(name))]
        system = board.systems.get(name)
        singles = board.single(name) if system is not None and system.seeds else []
        cells.append(", ".join(percent(value) for value in singles))
        for other in against:
            found = None if other == name or system is None else board.difference(name, other)
            cells.append("" if found is None else interval(found, signed=True))
        if system is None or name == BEST:
            cells += ["", ""]
        else:
            edits = board.edits(name)
            cells.append(f"{edits.better:,} / {edits.worse:,}")
            cells.append(
                f"{edits.worse:,} of {edits.changed:,} ({percent(edits.harmful_edit_rate, digits=1)} %)"
            )
        rows.append(tuple(cells))
    columns = ["system", "WER", "single seeds", *(f"minus {name}" for name in against)]
    return Table(
        title,
        (*columns, "better / worse", "harmful edits"),
        tuple(rows),
        f"{len(board.lists):,} lists, {int(board.words.sum()):,} words, normalizer `{board.normalizer}`. Intervals at "
        "95 % from a bootstrap over sentences, differences paired and over the seeds that both have. Better and worse "
        "than the 1-best: utterances, summed over seeds.",
    )


def loss_table(
    board: Scoreboard, title: str, names: Sequence[str], against: Sequence[str] = ()
) -> Table | None:
    """The losses of the references, a row for each system; None where nothing was scored.

    Args:
        board: the scoreboard.
        title: of the table.
        names: of systems, in the order of the rows.
        against: names of the systems to compare with.
    """
    known = [name for name in names if name in board.systems and board.systems[name].losses]
    against = [name for name in against if name in known]
    if not known:
        return None
    rows = []
    for name in known:
        loss = board.loss(name)
        assert loss is not None  # it was scored
        system = board.systems[name]
        adapted = (
            "" if system.first_layer is None else f"from {system.first_layer}, {system.slots} vectors each"
        )
        cells = [name, adapted, f"{system.parameters:,}", loss.cell(4)]
        for other in against:
            found = None if other == name else board.loss_difference(name, other)
            cells.append("" if found is None else _signed(found))
        rows.append(tuple(cells))
    return Table(
        title,
        ("system", "layers", "parameters", "nats per token", *(f"minus {name}" for name in against)),
        tuple(rows),
        f"Losses of the references of {len(board.systems[known[0]].losses[0]):,} lists. Layers are counted from 0; the "
        "parameters are those that are trained.",
    )


def log_table(board: Scoreboard, title: str, names: Sequence[str]) -> Table | None:
    """The last line of each training's log, averaged over seeds; None where nothing was trained."""
    logs = {name: [log for log in board.systems[name].log if log] for name in names if name in board.systems}
    logs = {name: found for name, found in logs.items() if found}
    columns: list[str] = []
    for key in LOGGED:
        controls = [key + control for control in LOGGED_CONTROLS]
        columns += [
            key,
            *(one for one in controls if any(one in log for found in logs.values() for log in found)),
        ]
    rows = [(name, *(_mean_of(found, key) for key in columns)) for name, found in logs.items()]
    notes = "Means over seeds."
    if len(columns) > len(LOGGED):
        notes += " `without noise`, `with other noise`: the same estimates with E_LN = 0 and with another list's E_LN. "
        notes += "Only what is above both comes from E_LN; the rest tells noisy from clean audio."
    titles = ("system", *(key.replace("_", " ") for key in columns))
    return Table(title, titles, tuple(rows), notes) if rows else None


def values(board: Scoreboard, names: Sequence[str]) -> dict[str, dict[str, Measured]]:
    """The rates by condition and system, for figures; systems that are not on the board are left out."""
    return {
        group: {name: board.rate(name, group) for name in names if name in board.errors}
        for group in board.groups
    }


def interval(measured: Measured, *, signed: bool = False) -> str:
    """A rate in percent with its interval."""
    return percent(measured.value, measured.interval, signed=signed)


def _signed(measured: Measured) -> str:
    return with_interval(measured.value, measured.interval, 4, signed=True, negative_zero=True)


def _mean_of(logs: Sequence[Mapping[str, Any]], key: str) -> str:
    known = [log[key] for log in logs if log.get(key) is not None]
    return f"{sum(known) / len(known):.4f}" if known else ""
