"""What is trained beside what it is compared with: systems from finished trainings, and their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from robustger.evaluation.intervals import percent, with_interval
from robustger.evaluation.tables import Table
from robustger.evaluation.wer import error_rates
from robustger.experiments.experiment import GUARDS, NORMALIZER, Context
from robustger.experiments.measures.measured import Measured
from robustger.experiments.measures.published import published
from robustger.experiments.measures.scoreboard import BEST, Scoreboard, System
from robustger.experiments.runs.arms import UNTRAINED
from robustger.hypotheses import NBest

LOGGED = ("train_loss", "gate_norm", "noise_gate_norm", "mutual_information", "distillation_loss")
AVERAGE = "mean of tests"
Columns = Mapping[str, tuple[str, str]]
"""Title of a system to the arm and the change that it is trained with."""


def test_sets(context: Context) -> dict[str, list[NBest]]:
    """The lists that systems are compared on: those that trainings were tested on, else all with a reference."""
    if not context.decoded:
        return context.data.test_lists(context.quick)
    decoded = set(context.decoded)
    sets = {
        name: [nbest for nbest in lists if nbest.id in decoded]
        for name, lists in context.data.test_lists().items()
    }
    return {name: lists for name, lists in sets.items() if lists}


def trained_systems(
    context: Context, columns: Columns, guard: str = GUARDS[0]
) -> tuple[list[System], list[str]]:
    """Systems of the trainings that are done, and a line on each that is not or not with all seeds."""
    systems, notes = [], []
    for title, (arm, change) in columns.items():
        runs = context.runs(arm, change)
        seeds = tuple(run.results["seed"] for run in runs)
        asked = context.seeds[:1] if arm == UNTRAINED else context.seeds
        if lacking := [str(seed) for seed in asked if seed not in seeds]:
            seed = "seed" if len(lacking) == 1 else "seeds"
            why = context.left_out.get(context.key(arm, change, asked[0]), "not trained")
            notes.append(f"{title}: no results of {seed} {', '.join(lacking)}: {why}.")
        if not runs:
            continue
        losses = []
        for run in runs:
            one = run.results["losses"]
            pairs = zip(one["nats"], one["tokens"], strict=True)
            losses.append(dict(zip(one["ids"], pairs, strict=True)))
        systems.append(
            System(
                title,
                tuple(run.texts(guard) for run in runs),
                () if arm == UNTRAINED else seeds,
                runs[0].results["parameters"],
                tuple(losses),
                tuple(run.results["log"] for run in runs),
            )
        )
    return systems, notes


def scoreboard(
    context: Context, systems: Sequence[System], normalizer: str = NORMALIZER, *, crossed: bool = False
) -> Scoreboard:
    """The systems on the lists that all of them were tested on; see `Scoreboard`."""
    scored = [nbest for lists in context.data.test_lists().values() for nbest in lists]
    return Scoreboard(test_sets(context), systems, normalizer, scored, crossed=crossed)


def published_beside(experiment: str) -> tuple[Table, ...]:
    """The paper's own figures, where it gives some."""
    found = published(experiment)
    return () if found is None else (found.to_table(),)


def rate_table(board: Scoreboard, title: str, names: Sequence[str]) -> Table:
    """The paper's layout: a row for each condition, a column for each system, and the change from the 1-best."""
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
    """A row for each system on all lists: its rate, the differences to some systems, and what it did to the 1-bests."""
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
    """What the references cost, a row for each system; None where nothing was scored."""
    known = [name for name in names if name in board.systems and board.systems[name].losses]
    against = [name for name in against if name in known]
    if not known:
        return None
    rows = []
    for name in known:
        loss = board.loss(name)
        assert loss is not None  # it was scored
        cells = [name, f"{board.systems[name].parameters:,}", loss.cell(4)]
        for other in against:
            found = None if other == name else board.loss_difference(name, other)
            cells.append("" if found is None else _signed(found))
        rows.append(tuple(cells))
    return Table(
        title,
        ("system", "parameters", "nats per token", *(f"minus {name}" for name in against)),
        tuple(rows),
        f"Of the references of {len(board.systems[known[0]].losses[0]):,} lists.",
    )


def log_table(board: Scoreboard, title: str, names: Sequence[str]) -> Table | None:
    """What was measured at the end of training; None where nothing was trained."""
    rows = []
    for name in names:
        logs = [log for log in board.systems[name].log if log] if name in board.systems else []
        if logs:
            rows.append((name, *(_mean_of(logs, key) for key in LOGGED)))
    columns = tuple(key.replace("_", " ") for key in LOGGED)
    return Table(title, ("system", *columns), tuple(rows), "Means over seeds.") if rows else None


def values(board: Scoreboard, names: Sequence[str]) -> dict[str, dict[str, Measured]]:
    """Rates by condition and system, those that are there: what figures are drawn of."""
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
