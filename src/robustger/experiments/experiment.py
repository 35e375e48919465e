"""What an experiment is: what it needs trained, what it is given, and what it gives back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from robustger.evaluation.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robustger.experiments.data import ExperimentData

NORMALIZER = "number"  # under which errors are counted, unless a table says otherwise
GUARDS = ("none", "margin")  # under which every trained corrector is tested; `none` is the paper's


class RunKey(NamedTuple):
    """Names a training.

    Attributes:
        arm: what is trained, a name in `robustger.experiments.runs.arms.ARMS`.
        change: what is changed in it, `KEY=VALUE [KEY=VALUE ...]`; empty for nothing.
        seed: of its initialization and its data's order.
    """

    arm: str
    change: str
    seed: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A training that is done, with what came of it on the test lists.

    Attributes:
        folder: of the run.
        results: content of its results.json: `ids` and, under either guard, `errors` of the decoded lists; `losses` of
            the references; `parameters`; `log` at the end of training; perhaps `seconds`.
        trained: whether there is a checkpoint; the arm `untrained` has none.
        lists: that it learned from; None where that is not known.
    """

    folder: Path
    results: Mapping[str, Any]
    trained: bool = True
    lists: int | None = None

    @property
    def checkpoint(self) -> Path:
        """The folder `robustger.correction.Corrector.from_pretrained` takes."""
        return self.folder / "best"

    def texts(self, guard: str = "none") -> dict[str, str]:
        """What it wrote for the decoded lists, by list id, under one of `GUARDS`."""
        lines = (self.folder / "corrections.jsonl").read_text(encoding="utf-8").splitlines()
        return {line["id"]: line[guard] for line in map(json.loads, lines)}


@dataclass(frozen=True, slots=True)
class Needs:
    """The trainings of an experiment: every arm under every change, with every seed of the call.

    Attributes:
        arms: names in `robustger.experiments.runs.arms.ARMS`.
        changes: see `RunKey`; the empty one is what the recipe says.
        extra: single pairs of arm and change beside those.
    """

    arms: tuple[str, ...] = ()
    changes: tuple[str, ...] = ("",)
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What an experiment is given.

    Attributes:
        data: the lists.
        folder: of this experiment's own files, DIR/NAME; it exists.
        cache: folder of what may be computed once and used again, by this experiment and others; it exists.
        scale: `lab` or `paper`.
        quick: whether a first look is enough: few lists, marked as such in the output.
        seeds: of the trainings; the first is also that of anything else that is drawn.
        finished: the trainings that are done, of those that the experiment needs.
        decoded: ids of the test lists that the trainings were tested on; empty where none is needed.
        changes: what is changed in all trainings, see `RunKey`.
        left_out: why a training that the experiment needs was not possible.
        checkpoints: further correctors to be measured, folders or presets.
        without: names of baselines that are left out.
        llms: further language models to be trained on, where the experiment is `by_llm`.
        notes: on the data, for every page.
        spent: seconds of processor time by file of the cache, of all that the experiment took from there.
        say: prints a line of progress.
    """

    data: ExperimentData
    folder: Path
    cache: Path
    scale: str = "lab"
    quick: bool = False
    seeds: tuple[int, ...] = (0,)
    finished: Mapping[RunKey, Finished] = field(default_factory=dict)
    decoded: tuple[str, ...] = ()
    changes: str = ""
    left_out: Mapping[RunKey, str] = field(default_factory=dict)
    checkpoints: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    llms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    spent: dict[str, float] = field(default_factory=dict)
    say: Callable[[str], None] = print

    def key(self, arm: str, change: str, seed: int) -> RunKey:
        """The key of a training, with what is changed in all."""
        return RunKey(arm, " ".join(f"{self.changes} {change}".split()), seed)

    def runs(self, arm: str, change: str = "") -> list[Finished]:
        """The finished trainings of an arm, in the order of the seeds; empty where none is there."""
        keys = (self.key(arm, change, seed) for seed in self.seeds)
        return [self.finished[key] for key in keys if key in self.finished]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an experiment gives back; the framework writes it.

    Attributes:
        results: the figures as plain JSON values, rates as fractions; becomes `figures` of results.json.
        tables: in the order of NAME.md.
        figures: by the end of their name ("" gives NAME.png, "-snr" NAME-snr.png); a function draws one when it is
            called. Both PNG and SVG are written.
        pages: further files by name ("table5.html"), written beside the others.
        notes: paragraphs of Markdown below the tables.
    """

    results: Mapping[str, Any]
    tables: tuple[Table, ...] = ()
    figures: Mapping[str, Callable[[], Figure]] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Experiment:
    """One of the paper's tables or figures, or one of its controls.

    Attributes:
        name: what the command line calls it.
        about: one line.
        run: does it; called when what it needs is trained, or when that is as far as it goes.
        needs: what is to be trained, by scale and by whether it is quick.
        by_llm: whether it is trained on other language models, too, where some are named.
    """

    name: str
    about: str
    run: Callable[[Context], Outcome]
    needs: Callable[[str, bool], Needs] = lambda scale, quick: Needs()
    by_llm: bool = False

    def needed(self, scale: str, quick: bool, llms: Sequence[str] = ()) -> list[tuple[str, str]]:
        """Pairs of arm and change that it needs trained."""
        needs = self.needs(scale, quick)
        changes = [*needs.changes, *(on_llm(name) for name in llms if self.by_llm)]
        return [*product(needs.arms, dict.fromkeys(changes)), *needs.extra]


def on_llm(name: str) -> str:
    """The change that trains on a language model of that name, in the place of the recipe's."""
    return f"llm={name}"
