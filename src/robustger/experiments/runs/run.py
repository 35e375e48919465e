"""The files of a run: its plan, its results, its lock, and the time that its processes took.

A run is one training in a folder of its own. `run.json` holds the plan, `results.json` the results; its presence says
that the run is done. The classes below are the content of both files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import yaml

from robustger.correction.config import GuardConfig
from robustger.experiments.experiment import RunKey
from robustger.experiments.runs.start import USUAL_START, StartChange
from robustger.files import atomic_writer, exclusive

if TYPE_CHECKING:
    from robustger.training.config import TrainingConfig

PLAN_FILE, RESULTS_FILE, CONFIG_FILE, LOG_FILE = "run.json", "results.json", "training.yaml", "log.jsonl"
START_FOLDER, MODEL_FOLDER = "start", "llm"
# One line for each process that worked on the run: seconds of processor time, and seconds that it held a GPU.
CPU_SECONDS, GPU_SECONDS = "seconds.txt", "gpu_seconds.txt"


@dataclass(frozen=True, slots=True)
class BasePlan:
    """The plan of the language model that arms share.

    Attributes:
        digest: of everything that the results depend on.
        checkpoint: preset or checkpoint whose LoRA part is folded in; None where the base is trained.
        model: the language model that the base is made of.
        lora_of: preset or checkpoint whose LoRA part the training starts from.
        start: how the training's start differs from the usual one.
    """

    digest: str
    checkpoint: str | None
    model: str
    lora_of: str | None = None
    start: StartChange = USUAL_START

    def to_dict(self) -> dict[str, Any]:
        """The content of run.json."""
        if self.checkpoint is not None:
            return {"digest": self.digest, "checkpoint": self.checkpoint, "model": self.model}
        return {
            "lora_of": self.lora_of,
            "start": self.start.to_dict(),
            "checkpoint": None,
            "model": self.model,
            "digest": self.digest,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> BasePlan:
        """From the content of run.json."""
        start = StartChange.from_dict(content.get("start", {}))
        return cls(content["digest"], content["checkpoint"], content["model"], content.get("lora_of"), start)


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """The plan of the training of an arm.

    Attributes:
        digest: of everything that the results depend on.
        key: arm, change and seed.
        trained: whether the arm is trained at all.
        guard: the guard of the guarded corrections.
        test: file of the lists whose references are scored.
        decoded: file of the lists that are corrected.
        cache: folder of the noise embeddings that trainings share.
        shared: digests of everything that the arms of a table have in common, by name.
        lora_of: preset or checkpoint whose LoRA part the training starts from.
        start: how the training's start differs from the usual one.
    """

    digest: str
    key: RunKey
    trained: bool
    guard: GuardConfig
    test: str
    decoded: str
    cache: str
    shared: Mapping[str, str]
    lora_of: str | None = None
    start: StartChange = USUAL_START

    def to_dict(self) -> dict[str, Any]:
        """The content of run.json."""
        return {
            "lora_of": self.lora_of,
            "start": self.start.to_dict(),
            **self.key._asdict(),
            "trained": self.trained,
            "guard": guard_to_dict(self.guard),
            "test": self.test,
            "decoded": self.decoded,
            "cache": self.cache,
            "shared": dict(self.shared),
            "digest": self.digest,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ArmPlan:
        """From the content of run.json."""
        return cls(
            content["digest"],
            RunKey(content["arm"], content["change"], content["seed"]),
            content["trained"],
            GuardConfig.model_validate(content["guard"]),
            content["test"],
            content["decoded"],
            content["cache"],
            content["shared"],
            content["lora_of"],
            StartChange.from_dict(content["start"]),
        )


def guard_to_dict(guard: GuardConfig) -> dict[str, Any]:
    """The settings of a guard as run.json and results.json hold them."""
    return {"name": guard.name, "min_gain": guard.min_gain, "max_edit_rate": guard.max_edit_rate}


PlanT = TypeVar("PlanT", BasePlan, ArmPlan)


@dataclass(frozen=True, slots=True)
class TrainingRun(Generic[PlanT]):
    """One training, which is a process of its own.

    Attributes:
        folder: of the run.
        config: the content of its training.yaml; None where nothing is trained.
        plan: the content of its run.json.
    """

    folder: Path
    config: TrainingConfig | None
    plan: PlanT

    @property
    def done(self) -> bool:
        """Whether its results are there."""
        return is_done(self.folder, self.plan.digest)

    def write(self) -> None:
        """Writes the files that `robustger.experiments.runs.worker` reads."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.config is not None:
            with atomic_writer(self.folder / CONFIG_FILE) as file:
                yaml.safe_dump(self.config.model_dump(mode="json"), file, sort_keys=False)
        with atomic_writer(self.folder / PLAN_FILE) as file:
            file.write(json.dumps(self.plan.to_dict(), indent=1) + "\n")


@dataclass(frozen=True, slots=True)
class Losses:
    """The cost of references under a corrector, list by list.

    Attributes:
        ids: of the lists.
        nats: -log p of each reference.
        tokens: the number of tokens of each reference.
    """

    ids: Sequence[str]
    nats: Sequence[float]
    tokens: Sequence[int]

    def by_list(self) -> dict[str, tuple[float, int]]:
        """Nats and tokens by list id."""
        return dict(zip(self.ids, zip(self.nats, self.tokens, strict=True), strict=True))


@dataclass(frozen=True, slots=True)
class BaseResults:
    """The results of the run of a base, whose product is the language model in its folder.

    Attributes:
        digest: of the plan.
        seconds: of processor time over all processes that worked on the run; None where they were not recorded.
        gpu_seconds: that these processes held a GPU.
    """

    digest: str
    seconds: float | None = None
    gpu_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The content of results.json."""
        return {"digest": self.digest, "seconds": self.seconds, "gpu_seconds": self.gpu_seconds}


@dataclass(frozen=True, slots=True)
class ArmResults:
    """The results of the run of an arm.

    Attributes:
        digest: of the plan.
        key: arm, change and seed.
        shared: see `ArmPlan`.
        parameters: number of the trained ones.
        log: the last line of the training's log; empty where nothing was trained.
        ids: of the decoded lists.
        errors: word errors of each decoded list, by guard.
        losses: of the references of all test lists.
        seconds: of processor time over all processes that worked on the run; None where they were not recorded.
        gpu_seconds: that these processes held a GPU.
    """

    digest: str
    key: RunKey
    shared: Mapping[str, str]
    parameters: int
    log: Mapping[str, Any]
    ids: Sequence[str]
    errors: Mapping[str, Sequence[int]]
    losses: Losses
    seconds: float | None = None
    gpu_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The content of results.json."""
        return {
            "digest": self.digest,
            "shared": dict(self.shared),
            **self.key._asdict(),
            "parameters": self.parameters,
            "log": dict(self.log),
            "ids": list(self.ids),
            "errors": {guard: list(errors) for guard, errors in self.errors.items()},
            "losses": {
                "ids": list(self.losses.ids),
                "nats": list(self.losses.nats),
                "tokens": list(self.losses.tokens),
            },
            "seconds": self.seconds,
            "gpu_seconds": self.gpu_seconds,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ArmResults:
        """From the content of results.json; early runs did not record their time."""
        return cls(
            content["digest"],
            RunKey(content["arm"], content["change"], content["seed"]),
            content["shared"],
            content["parameters"],
            content["log"],
            content["ids"],
            content["errors"],
            Losses(**content["losses"]),
            content.get("seconds"),
            content.get("gpu_seconds", 0.0),
        )


def read_arm_results(folder: Path) -> ArmResults:
    """The results of an arm's run that is done."""
    return ArmResults.from_dict(_read(folder / RESULTS_FILE))


def read_seconds(folder: Path) -> tuple[float | None, float]:
    """Seconds of processor time of a run that is done, None where it has no record of them; and seconds on a GPU."""
    content = _read(folder / RESULTS_FILE)
    return content.get("seconds"), content.get("gpu_seconds", 0.0)


def stored_digests(folder: Path) -> list[tuple[str, dict[str, str]]]:
    """The digest and the shared digests of the plan and of the results in a folder, as far as these exist."""
    contents = [_read(path) for name in (PLAN_FILE, RESULTS_FILE) if (path := folder / name).exists()]
    return [(content["digest"], content.get("shared", {})) for content in contents]


def is_done(folder: Path, digest: str) -> bool:
    """Whether the folder holds the results of the run with this digest."""
    path = folder / RESULTS_FILE
    return path.exists() and _read(path)["digest"] == digest


@contextmanager
def alone(folder: Path) -> Iterator[BasePlan | ArmPlan | None]:
    """Waits until no other process works on a run, and gives its plan; None where the run is done by then.

    A program that was killed may have left a process behind that still trains.
    """
    with exclusive(folder / "lock"):
        content = _read(folder / PLAN_FILE)
        if is_done(folder, content["digest"]):
            yield None
        else:
            yield ArmPlan.from_dict(content) if "arm" in content else BasePlan.from_dict(content)


def finish(folder: Path, results: BaseResults | ArmResults) -> None:
    """Writes the results, which marks the run as done."""
    with atomic_writer(folder / RESULTS_FILE) as file:
        file.write(json.dumps(results.to_dict()) + "\n")


def add_seconds(folder: Path, name: str, seconds: float) -> float:
    """Adds the time of a process to that of the processes before it, and returns the sum.

    The time of a process that was killed is not included.

    Args:
        folder: of the run.
        name: `CPU_SECONDS` or `GPU_SECONDS`.
        seconds: that the process took.
    """
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(f"{seconds:.1f}\n")
    return sum(map(float, (folder / name).read_text(encoding="utf-8").split()))


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
