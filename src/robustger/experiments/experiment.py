"""Defines an experiment: the trainings it needs, the context it runs in, and the findings it returns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from robustger.evaluation.tables import Table
from robustger.evaluation.wer import count_errors
from robustger.hypotheses import NBest, Transcript
from robustger.text import get_normalizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robustger.experiments.data import ExperimentData

NORMALIZER = "number"  # errors are counted under this normalizer, unless a table names another
UNGUARDED, GUARDED = (
    "none",
    "margin",
)  # every trained corrector is tested under both guards; the paper uses none


@dataclass(frozen=True, slots=True)
class Arm:
    """A kind of training.

    Attributes:
        title: the name that tables and figures use.
        overrides: for the training configuration, `KEY=VALUE`. `robustger.experiments.runs.arms.own_overrides` gives
            those that depend on the lists or on the language model.
        needs_audio: whether it needs embeddings of the audio.
    """

    title: str
    overrides: tuple[str, ...]
    needs_audio: bool = False


_UNDISTILLED = "distillation.objective=none"
UNTRAINED, MATCHED = "untrained", "ger-matched"
AUDIO_ARM, TOKEN_EMBEDDING, NGRAMS = "audio-denoising", "token-embedding", "ngrams"
ARMS: dict[str, Arm] = {
    UNTRAINED: Arm("untrained", (_UNDISTILLED, "corrector.variant=ger")),  # all the others start from it
    "ger": Arm("GER", (_UNDISTILLED, "corrector.variant=ger")),
    MATCHED: Arm("GER, parameters matched", (_UNDISTILLED,)),  # `ger` with as many parameters as `robustger`
    "robustger": Arm("RobustGER, no distillation", (_UNDISTILLED,)),
    "mine-paper": Arm("RobustGER", ("distillation.objective=paper",), needs_audio=True),
    "mine-released": Arm("RobustGER, released MINE", ("distillation.objective=released",), needs_audio=True),
    "teacher-student": Arm("teacher-student", ("distillation.objective=teacher_student",), needs_audio=True),
    "contrastive": Arm("contrastive", ("distillation.objective=contrastive",), needs_audio=True),
    "zero": Arm("zero noise", (_UNDISTILLED, "corrector.noise=zero")),
    "shuffled": Arm("shuffled noise", (_UNDISTILLED, "corrector.noise=shuffled")),
    "random": Arm("random noise", (_UNDISTILLED, "corrector.noise=random")),
    "utterance": Arm("utterance level", (_UNDISTILLED, "corrector.noise=utterance")),
    "token": Arm("token level", (_UNDISTILLED, "corrector.noise=token")),
    AUDIO_ARM: Arm("GER + audio denoising", (_UNDISTILLED, "corrector.noise=audio"), needs_audio=True),
    TOKEN_EMBEDDING: Arm("LLM's token embeddings", (_UNDISTILLED, "corrector.extractor=llm")),
    NGRAMS: Arm("hashed n-grams (FastText-style)", (_UNDISTILLED, "corrector.extractor=ngrams")),
}


class RunKey(NamedTuple):
    """The name of a training.

    Attributes:
        arm: a name in `ARMS`.
        change: the changes of the recipe, `KEY=VALUE [KEY=VALUE ...]`; empty for none.
        seed: of the initialization and of the order of the data.
    """

    arm: str
    change: str
    seed: int

    @classmethod
    def of(cls, arm: str, changes: str, change: str, seed: int) -> RunKey:
        """The key of a training whose change comes after the changes that all trainings share."""
        return cls(arm, " ".join(f"{changes} {change}".split()), seed)


def run_keys(needed: Iterable[tuple[str, str]], changes: str, seeds: Sequence[int]) -> list[RunKey]:
    """The keys of the trainings of pairs of arm and change, each once.

    All trainings with the first seed come first, so that a command that is stopped early leaves a whole table with
    fewer seeds.

    Args:
        needed: pairs of arm and change.
        changes: shared by all trainings.
        seeds: of the trainings; an untrained arm has only the first.
    """
    pairs = list(dict.fromkeys(needed))
    keys = [RunKey.of(arm, changes, change, seed) for seed in seeds for arm, change in pairs]
    return list(dict.fromkeys(key for key in keys if key.arm != UNTRAINED or key.seed == seeds[0]))


@dataclass(frozen=True, slots=True)
class Finished:
    """A training that is done, with its results on the test lists.

    Attributes:
        folder: of the run.
        seed: of the training.
        parameters: number of the trained ones.
        losses: nats and number of tokens of each scored reference, by list id.
        log: the last line of the training's log; empty where nothing was trained.
        lists: number of lists it was trained on.
        first_layer: the lowest layer that it adapts, counted from 0.
        slots: prompt vectors in each layer from there up.
    """

    folder: Path
    seed: int
    parameters: int = 0
    losses: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    log: Mapping[str, Any] = field(default_factory=dict)
    lists: int | None = None
    first_layer: int | None = None
    slots: int | None = None

    @property
    def checkpoint(self) -> Path:
        """The folder to give to `robustger.correction.Corrector.from_pretrained`."""
        return self.folder / "best"

    def texts(self, guard: str = UNGUARDED) -> dict[str, str]:
        """The corrections of the decoded lists, by list id, under the guard `UNGUARDED` or `GUARDED`."""
        lines = (self.folder / "corrections.jsonl").read_text(encoding="utf-8").splitlines()
        return {line["id"]: line[guard] for line in map(json.loads, lines)}


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of an experiment, and the common settings of its trainings.

    Attributes:
        name: `lab` or `paper`.
        recipe: YAML of the trainings.
        base: the language model under the trainings. `none`: that of the recipe; `train`: one that is trained first,
            by `base_recipe`; otherwise a preset or checkpoint, whose LoRA part is folded into its language model.
        base_recipe: YAML of the base's training; None where a base cannot be trained.
        lists: how many lists each training learns from, unless a change says otherwise; None for all.
        fewer_lists: further numbers of lists, for the experiment on data efficiency.
        sentences: how many test sentences are decoded; None for all.
        seeds: of the trainings.
        llms: language models that are tried in place of the recipe's.
        changes: of the recipe, for every training, `KEY=VALUE [KEY=VALUE ...]`.
        ger_first_layer: lowest layer that the arm `ger` adapts; None takes that of the released baseline, which adapts
            one layer less than RobustGER.
        needs_gpu: whether the trainings are too large for a CPU.
        quick: whether this is only a first look: few lists, marked as such in the output.
        jobs: how many trainings run at a time.
    """

    name: str
    recipe: Path
    base: str
    base_recipe: Path | None
    lists: int | None
    fewer_lists: tuple[int, ...]
    sentences: int | None
    seeds: tuple[int, ...]
    llms: tuple[str, ...]
    changes: str = ""
    ger_first_layer: int | None = None
    needs_gpu: bool = False
    quick: bool = False
    jobs: int = 2


@dataclass(frozen=True, slots=True)
class Needs:
    """The trainings that an experiment needs: every arm under every change, with every seed.

    Attributes:
        arms: names in `ARMS`.
        changes: see `RunKey`; the empty change leaves the recipe as it is written.
        extra: further pairs of arm and change.
    """

    arms: tuple[str, ...] = ()
    changes: tuple[str, ...] = ("",)
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """Everything an experiment may use.

    Attributes:
        data: the lists.
        folder: the experiment's own folder, DIR/NAME; it exists.
        cache: folder of answers that are computed once and shared by all experiments; it exists.
        scale: the size of the experiment, with the changes of this call.
        seeds: of the trainings; the first one also seeds all other random draws.
        finished: the experiment's trainings that are done.
        decoded: ids of the test lists that the trainings were tested on; empty where the experiment needs no training.
        left_out: why a needed training was not possible.
        checkpoints: further correctors to measure, folders or presets.
        without: names of the baselines to leave out.
        llms: further language models to train on, where the experiment is `by_llm`.
        notes: remarks on the data, printed on every page.
        spent: seconds of processor time behind each answer that was taken from the cache, by file name.
        say: prints a line of progress.
    """

    data: ExperimentData
    folder: Path
    cache: Path
    scale: Scale
    seeds: tuple[int, ...] = (0,)
    finished: Mapping[RunKey, Finished] = field(default_factory=dict)
    decoded: tuple[str, ...] = ()
    left_out: Mapping[RunKey, str] = field(default_factory=dict)
    checkpoints: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    llms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    spent: dict[str, float] = field(default_factory=dict)
    say: Callable[[str], None] = print

    @property
    def quick(self) -> bool:
        """Whether this is only a first look."""
        return self.scale.quick

    def key(self, arm: str, change: str, seed: int) -> RunKey:
        """The key of a training, with the changes that all trainings share."""
        return RunKey.of(arm, self.scale.changes, change, seed)

    def runs(self, arm: str, change: str = "") -> list[Finished]:
        """The finished trainings of an arm, in the order of the seeds; empty where none is finished."""
        keys = (self.key(arm, change, seed) for seed in self.seeds)
        return [self.finished[key] for key in keys if key in self.finished]


@dataclass(frozen=True, slots=True)
class Findings:
    """The results of an experiment, which `robustger.experiments.record.write` writes to files.

    Attributes:
        results: the numbers as plain JSON values, rates as fractions; they become `figures` of results.json.
        tables: in the order of NAME.md. The paper's own table is added behind them.
        figures: functions that draw, by the end of the file's name: "" gives NAME.png, "-snr" gives NAME-snr.png. Each
            figure is written as PNG and as SVG.
        pages: further files by name ("table5.html").
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
        name: on the command line.
        about: one line.
        run: makes the findings; called when the trainings are done, or as far as they can be.
        needs: the trainings, by scale.
        by_llm: whether its arms are also trained on the language models that the user names.
    """

    name: str
    about: str
    run: Callable[[Context], Findings]
    needs: Callable[[Scale], Needs] = lambda scale: Needs()
    by_llm: bool = False

    def needed(self, scale: Scale, llms: Sequence[str] = ()) -> list[tuple[str, str]]:
        """The pairs of arm and change to train."""
        needs = self.needs(scale)
        changes = [*needs.changes, *(on_llm(name) for name in llms if self.by_llm)]
        return [*product(needs.arms, dict.fromkeys(changes)), *needs.extra]


def on_llm(name: str) -> str:
    """The change that trains on the named language model instead of the recipe's."""
    return f"llm={name}"


def unguarded(transcript: Transcript) -> str:
    """The text that the guard `none` would have let through. Every guard drops an answer without an end, or a loop."""
    return transcript.text if transcript.source in ("too_long", "loop") else transcript.generated


def word_errors(lists: Sequence[NBest], texts: Sequence[str], normalizer: str = NORMALIZER) -> list[int]:
    """The number of word errors of each text against the reference of its list.

    Args:
        lists: all with a reference.
        texts: one for each list.
        normalizer: rewrites texts and references before they are compared.
    """
    normalize = get_normalizer(normalizer)
    return [
        count_errors(normalize(nbest.reference or "").split(), normalize(text).split())
        for nbest, text in zip(lists, texts, strict=True)
    ]
