"""Trainings that differ in one thing: the paper's Tables 3, 4, 13 and 14, and the controls that it has not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from robustger.experiments.experiment import GUARDS, NORMALIZER, Context, Experiment, Needs, Outcome
from robustger.experiments.measures.comparison import (
    log_table,
    loss_table,
    published_beside,
    rate_table,
    scoreboard,
    system_table,
    test_sets,
    trained_systems,
)
from robustger.experiments.measures.measured import Measured
from robustger.experiments.measures.scoreboard import BEST, FORMAT_ONLY, O_CP, O_NB, Scoreboard
from robustger.experiments.runs.arms import AUDIO, MATCHED, NAMES, NGRAMS, TOKEN_EMBEDDING, UNTRAINED
from robustger.experiments.runs.scales import get_scale
from robustger.experiments.systems.baselines import BASELINES, baseline_systems


@dataclass(frozen=True, slots=True)
class Variants:
    """What is trained and compared.

    Attributes:
        name: of the experiment.
        columns: title to arm.
        against: titles that the others are compared with.
        notes: what has to be known to read the table.
    """

    name: str
    columns: Mapping[str, str]
    against: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def needs(self, scale: str, quick: bool) -> Needs:
        """All of its arms."""
        return Needs(arms=tuple(self.columns.values()))

    def run(self, context: Context) -> Outcome:
        """Tables of rates, losses and what the trainings ended with; a figure of the differences."""
        return compared(
            context,
            self.name,
            {title: (arm, "") for title, arm in self.columns.items()},
            self.against,
            self.notes,
        )


def compared(
    context: Context,
    name: str,
    columns: Mapping[str, tuple[str, str]],
    against: tuple[str, ...],
    notes: tuple[str, ...] = (),
) -> Outcome:
    """Trainings beside each other on the same lists.

    Args:
        context: of the experiment.
        name: of the experiment.
        columns: title to arm and change.
        against: titles that the others are compared with.
        notes: what has to be known to read the tables.
    """
    lists = [nbest for one in test_sets(context).values() for nbest in one]
    format_only, _ = baseline_systems(context, lists, [one for one in BASELINES if one.title == FORMAT_ONLY])
    systems, lacking = trained_systems(context, columns)
    board = scoreboard(context, [*format_only, *systems])
    titles = [BEST, FORMAT_ONLY, *columns, O_NB, O_CP]
    tables = [
        rate_table(board, "WER by test", titles),
        system_table(board, f"WER, guard `{GUARDS[0]}`", titles, against),
        loss_table(board, "Loss of the references", list(columns), against),
    ]
    guarded, _ = trained_systems(context, columns, GUARDS[1])
    results: dict[str, Any] = {"normalizers": {NORMALIZER: board.to_json_dict()}}
    if guarded:
        careful = scoreboard(context, guarded)
        tables.append(system_table(careful, f"WER, guard `{GUARDS[1]}`", [BEST, *columns], against))
        results["guarded"] = careful.to_json_dict()
    tables.append(log_table(board, "At the end of training", list(columns)))
    results["differences"] = {
        other: {
            title: {
                "wer": _json(board.difference(title, other)),
                "loss": _json(board.loss_difference(title, other)),
            }
            for title in columns
            if title != other and title in board.systems
        }
        for other in against
        if other in board.systems
    }
    return Outcome(
        results,
        (*(table for table in tables if table is not None), *published_beside(name)),
        figures_of(board, columns, against),
        notes=(*notes, *lacking),
    )


def _json(measured: Measured | None) -> Any:
    return None if measured is None else measured.to_json_dict()


def figures_of(
    board: Scoreboard, columns: Mapping[str, Any], against: tuple[str, ...]
) -> dict[str, Callable[[], Any]]:
    """The rates of all trainings, and how rates and losses differ from the first that they are compared with."""
    from robustger.experiments.figures.plots import differences, trainings

    there = [title for title in columns if title in board.systems]
    if not there:
        return {}
    rates = {title: board.rate(title) for title in there}
    seeds = {title: board.single(title) for title in there if board.systems[title].seeds}
    lines = {name: board.rate(name).value for name in (BEST, O_NB, O_CP)}
    figures: dict[str, Callable[[], Any]] = {"": lambda: trainings(rates, seeds, lines)}
    other = next((name for name in against if name in there), None)
    if other is not None:
        found = {title: board.difference(title, other) for title in there if title != other}
        losses = {title: board.loss_difference(title, other) for title in there if title != other}
        known = {title: one for title, one in found.items() if one is not None}
        scored = {title: one for title, one in losses.items() if one is not None}
        if known:
            figures["-differences"] = lambda: differences(known, f"WER minus {other} (points)")
        if scored:
            figures["-losses"] = lambda: differences(scored, f"nats per token minus {other}", 1.0)
    return figures


def _efficiency(context: Context) -> Outcome:
    """RobustGER from ever more lists."""
    from robustger.experiments.figures.plots import efficiency

    counts = get_scale(context.scale, context.quick).fewer_lists
    columns = {f"{count:,} lists": ("mine-paper", f"lists={count}") for count in counts}
    made = context.runs("mine-paper")
    whole = made[0].lists if made else None
    last = "all lists" if whole is None else f"{whole:,} lists"
    columns[last] = ("mine-paper", "")
    outcome = compared(context, "table4", columns, (last,))
    systems, _ = trained_systems(context, columns)
    board = scoreboard(context, systems)
    places = dict(zip(columns, (*counts, whole), strict=True))
    rates = {
        count: board.rate(title)
        for title, count in places.items()
        if count is not None and title in board.systems
    }
    lines = {name: board.rate(name).value for name in (BEST, O_NB, O_CP)}
    figures = dict(outcome.figures)
    if len(rates) > 1:
        figures = {"": lambda: efficiency({NAMES["mine-paper"]: rates}, lines)} | {
            name: draw for name, draw in figures.items() if name
        }
    return Outcome(outcome.results, outcome.tables, figures, notes=outcome.notes)


def _efficiency_needs(scale: str, quick: bool) -> Needs:
    return Needs(("mine-paper",), ("", *(f"lists={count}" for count in get_scale(scale, quick).fewer_lists)))


def _named(*arms: str) -> dict[str, str]:
    return {NAMES[arm]: arm for arm in arms}


BOTH, SBERT, NONE = "both levels", "Sentence-BERT", "no distillation"
LEVELS = Variants(
    "table3",
    _named("ger", AUDIO, "utterance", "token") | {BOTH: "robustger"},
    (NAMES["ger"], BOTH),
    (
        "No distillation, as in the paper. The rows of the other level are zeros, so all have the same parameters.",
    ),
)
BY_EXTRACTOR = Variants(
    "extractors",
    _named(TOKEN_EMBEDDING, NGRAMS) | {SBERT: "robustger"},
    (SBERT,),
    (
        "No distillation. The paper's FastText vectors are trained on large text; the n-grams here are composed alike "
        "of vectors that are drawn, not learned, so they know how words are written and not what they mean.",
    ),
)
BY_OBJECTIVE = Variants(
    "distillation",
    {NONE: "robustger"} | _named("teacher-student", "contrastive", "mine-released") | {"MINE": "mine-paper"},
    (NONE,),
)
CONTROLLED = Variants(
    "controls",
    _named(UNTRAINED, "ger", MATCHED, "robustger", "zero", "shuffled", "random"),
    (NAMES[MATCHED], NAMES["shuffled"], NAMES["robustger"]),
    (
        "Whether it is the noise embedding that helps: it does where RobustGER is better than GER with as many "
        "parameters and than the same corrector on the noise embeddings of other lists.",
    ),
)

TABLE3 = Experiment(
    "table3",
    "which level of the noise embedding helps: utterance, token, both (the paper's Table 3)",
    LEVELS.run,
    LEVELS.needs,
)
TABLE4 = Experiment(
    "table4", "RobustGER from ever more training lists (the paper's Table 4)", _efficiency, _efficiency_needs
)
EXTRACTORS = Experiment(
    "extractors",
    "the noise embedding by three extractors (the paper's Table 13)",
    BY_EXTRACTOR.run,
    BY_EXTRACTOR.needs,
)
DISTILLATION = Experiment(
    "distillation",
    "ways of audio noise distillation, and none (the paper's Table 14)",
    BY_OBJECTIVE.run,
    BY_OBJECTIVE.needs,
)
CONTROLS = Experiment(
    "controls",
    "zero, shuffled and random noise, and GER with as many parameters: is it the noise that helps?",
    CONTROLLED.run,
    CONTROLLED.needs,
)
