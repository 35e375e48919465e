"""Compares trainings that differ in one thing: the paper's Tables 3, 4, 8 to 10, 13 and 14, and further controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from robustger.evaluation.measured import Measured
from robustger.experiments.experiment import (
    ARMS,
    AUDIO_ARM,
    GUARDED,
    MATCHED,
    NGRAMS,
    NORMALIZER,
    TOKEN_EMBEDDING,
    UNGUARDED,
    UNTRAINED,
    Context,
    Experiment,
    Findings,
    Needs,
    Scale,
    on_llm,
)
from robustger.experiments.measures.scoreboard import BEST, FORMAT_ONLY, O_CP, O_NB, Scoreboard
from robustger.experiments.systems.baselines import BASELINE_ROWS, baseline_systems
from robustger.experiments.systems.correctors import Columns, scoreboard, test_sets, trained_systems
from robustger.experiments.tables.board_tables import condition_table, log_table, loss_table, system_table


@dataclass(frozen=True, slots=True)
class Variants:
    """Arms that are trained and compared.

    Attributes:
        columns: the arm of each column, by title.
        against: titles of the columns to compare the others with.
        notes: needed to read the table.
    """

    columns: Mapping[str, str]
    against: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def needs(self, scale: Scale) -> Needs:
        """All arms."""
        return Needs(arms=tuple(self.columns.values()))

    def run(self, context: Context) -> Findings:
        """Tables of rates, of losses and of the ends of trainings, and figures of the differences."""
        columns = {title: (arm, "") for title, arm in self.columns.items()}
        return compared(context, columns, self.against, self.notes)


def compared(
    context: Context,
    columns: Columns,
    against: tuple[str, ...],
    notes: tuple[str, ...] = (),
) -> Findings:
    """Compares trainings on the same lists.

    Args:
        context: of the experiment.
        columns: the arm and the change of each column, by title.
        against: titles of the columns to compare the others with.
        notes: needed to read the tables.
    """
    lists = [nbest for one in test_sets(context).values() for nbest in one]
    format_only, _ = baseline_systems(
        context, lists, [one for one in BASELINE_ROWS if one.title == FORMAT_ONLY]
    )
    systems, lacking = trained_systems(context, columns)
    board = scoreboard(context, [*format_only, *systems])
    titles = [BEST, FORMAT_ONLY, *columns, O_NB, O_CP]
    tables = [
        condition_table(board, "WER by test", titles),
        system_table(board, f"WER, guard `{UNGUARDED}`", titles, against),
        loss_table(board, "Loss of the references", list(columns), against),
    ]
    guarded, _ = trained_systems(context, columns, GUARDED)
    results: dict[str, Any] = {"normalizers": {NORMALIZER: board.to_json_dict()}}
    if guarded:
        careful = scoreboard(context, guarded)
        tables.append(system_table(careful, f"WER, guard `{GUARDED}`", [BEST, *columns], against))
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
    return Findings(
        results,
        tuple(table for table in tables if table is not None),
        figures_of(board, columns, against),
        notes=(*notes, *lacking),
    )


def _json(measured: Measured | None) -> Any:
    return None if measured is None else measured.to_json_dict()


def figures_of(
    board: Scoreboard, columns: Mapping[str, Any], against: tuple[str, ...]
) -> dict[str, Callable[[], Any]]:
    """The rates of all trainings, and the differences of rates and losses from the first column to compare with."""
    from robustger.experiments.figures.error_rate_plots import differences, trainings

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


def _efficiency(context: Context) -> Findings:
    """RobustGER from ever more lists."""
    from robustger.experiments.figures.error_rate_plots import efficiency

    counts = context.scale.fewer_lists
    columns = {f"{count:,} lists": ("mine-paper", f"lists={count}") for count in counts}
    made = context.runs("mine-paper")
    whole = made[0].lists if made else None
    last = "all lists" if whole is None else f"{whole:,} lists"
    columns[last] = ("mine-paper", "")
    findings = compared(context, columns, (last,))
    systems, _ = trained_systems(context, columns)
    board = scoreboard(context, systems)
    places = dict(zip(columns, (*counts, whole), strict=True))
    rates = {
        count: board.rate(title)
        for title, count in places.items()
        if count is not None and title in board.systems
    }
    lines = {name: board.rate(name).value for name in (BEST, O_NB, O_CP)}
    if len(rates) < 2:
        return findings
    figures = {"": lambda: efficiency({ARMS["mine-paper"].title: rates}, lines)}
    return replace(
        findings, figures=figures | {name: draw for name, draw in findings.figures.items() if name}
    )


def _efficiency_needs(scale: Scale) -> Needs:
    return Needs(("mine-paper",), ("", *(f"lists={count}" for count in scale.fewer_lists)))


ON_LLMS = ("ger", AUDIO_ARM, "mine-paper")
RECIPE_LLM = "the recipe's"


def _llm_changes(scale: Scale, llms: Sequence[str] = ()) -> dict[str, str]:
    """The change that trains on each language model, by the model's name."""
    return {RECIPE_LLM: ""} | {name: on_llm(name) for name in (*scale.llms, *llms)}


def _on_llms(context: Context) -> Findings:
    """GER, audio denoising and RobustGER on every language model."""
    columns = {
        f"{llm}: {ARMS[arm].title}": (arm, change)
        for llm, change in _llm_changes(context.scale, context.llms).items()
        for arm in ON_LLMS
    }
    notes = [
        f"`{RECIPE_LLM}`: the language model that all other experiments of this scale stand on; at the scale `lab` it "
        "is small, and has learned the task from simulated lists before. Other models: `--llm NAME`."
    ]
    if context.scale.name == "paper":
        notes.append(
            "Falcon3-7B-Base is another model than the paper's Falcon-7b, whose attention has one key for 71 heads: "
            "the prompts of this package are not made for that."
        )
    return compared(context, columns, (f"{RECIPE_LLM}: {ARMS['ger'].title}",), tuple(notes))


def _titled(*arms: str) -> dict[str, str]:
    return {ARMS[arm].title: arm for arm in arms}


BOTH, SBERT, NO_DISTILLATION = "both levels", "Sentence-BERT", "no distillation"
BY_LEVEL = Variants(
    _titled("ger", MATCHED, AUDIO_ARM, "utterance", "token") | {BOTH: "robustger"},
    (ARMS["ger"].title, BOTH),
    (
        "No distillation, as in the paper. The rows of the other level are zeros, so all have the same parameters.",
    ),
)
BY_EXTRACTOR = Variants(
    _titled(TOKEN_EMBEDDING, NGRAMS) | {SBERT: "robustger"},
    (SBERT,),
    (
        "No distillation. The paper's FastText vectors are trained on large text; the n-grams here are composed alike "
        "of vectors that are drawn, not learned, so they know how words are written and not what they mean.",
    ),
)
BY_OBJECTIVE = Variants(
    {NO_DISTILLATION: "robustger"}
    | _titled("teacher-student", "contrastive", "mine-released")
    | {"MINE": "mine-paper"},
    (NO_DISTILLATION,),
)
CONTROLLED = Variants(
    _titled(UNTRAINED, "ger", MATCHED, "robustger", "zero", "shuffled", "random"),
    (ARMS[MATCHED].title, ARMS["shuffled"].title, ARMS["robustger"].title),
    (
        "The noise embedding helps where RobustGER is better than GER with as many parameters, and better than the "
        "same corrector on the noise embeddings of other lists.",
    ),
)

TABLE3 = Experiment(
    "table3",
    "which level of the noise embedding helps: utterance, token, both (the paper's Table 3)",
    BY_LEVEL.run,
    BY_LEVEL.needs,
)
TABLE4 = Experiment(
    "table4", "RobustGER from ever more training lists (the paper's Table 4)", _efficiency, _efficiency_needs
)
EXTRACTORS_TABLE = Experiment(
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
LLMS = Experiment(
    "llms",
    "GER, audio denoising and RobustGER on several language models (the paper's Tables 8-10)",
    _on_llms,
    lambda scale: Needs(ON_LLMS, tuple(_llm_changes(scale).values())),
    by_llm=True,
)
