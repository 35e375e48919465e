"""Writes the files of an experiment: its page, its figures, and results.json with everything that made them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from robustger.errors import MissingExtraError
from robustger.evaluation.intervals import CONFIDENCE_LEVEL
from robustger.evaluation.json_values import json_value
from robustger.evaluation.measured import RESAMPLES
from robustger.experiments.experiment import Context, Experiment, Findings
from robustger.experiments.measures.published import published
from robustger.experiments.runs.trainings import Costs, Trainings
from robustger.experiments.systems.correctors import checkpoint_digest
from robustger.files import atomic_writer, write_bytes
from robustger.version import __version__

QUICK_MARK = "**A quick look: few lists and steps. It shows that everything runs, and is no result.**"


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that made the figures of an experiment.

    Attributes:
        scale: name of the scale.
        seeds: of the trainings.
        settings: the content of `settings` in results.json.
        runs: whether each training is done, by the name of its folder.
        costs: of the trainings.
        kept_seconds: of processor time behind the answers of baselines and the like.
    """

    scale: str
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    runs: dict[str, bool]
    costs: Costs
    kept_seconds: float

    @classmethod
    def of(cls, context: Context, trainings: Trainings) -> Record:
        """The record of an experiment.

        Args:
            context: of the experiment, after it ran.
            trainings: those that the experiment needs.
        """
        scale = context.scale
        settings: dict[str, Any] = {
            "robustger": __version__,
            "commit": commit(),
            "scale": scale.name,
            "quick": context.quick,
            "seeds": list(context.seeds),
            "changes": scale.changes,
            "data": {
                "source": str(context.data.source),
                "sha256": context.data.digests(),
                "notes": list(context.notes),
            },
            "checkpoints": {name: checkpoint_digest(name) for name in context.checkpoints},
        }
        done = {run.folder.name: run.done for run in trainings.runs}
        if trainings.runs:
            settings |= {
                "recipe": scale.recipe.read_text(encoding="utf-8"),
                "lists": scale.lists,
                "llms": list(context.llms),
                "base": scale.base,
                "base_recipe": scale.base_recipe and scale.base_recipe.read_text(encoding="utf-8"),
                "decoded_lists": len(context.decoded),
                "guard": trainings.guard,
                "runs": {
                    run.folder.name: {"digest": run.plan.digest, "done": done[run.folder.name]}
                    for run in trainings.runs
                },
            }
        kept_seconds = sum(context.spent.values())
        return cls(scale.name, context.seeds, settings, done, Costs.of(trainings), kept_seconds)

    def line(self) -> str:
        """The last line of a page: the program, the trainings, and the time they took."""
        lines = [
            f"Made by robustger {self.settings['robustger']}, commit {self.settings['commit'] or 'unknown'}",
            f"scale {self.scale}",
        ]
        if self.runs:
            seeds = ", ".join(map(str, self.seeds))
            lines.append(f"{sum(self.runs.values())} of {len(self.runs)} trainings, seeds {seeds}")
            if self.costs.cpu_seconds:
                unknown = self.costs.not_recorded
                beside = f" ({unknown} of them did not record it)" if unknown else ""
                lines.append(f"which took {spent(self.costs)} from nothing{beside}")
        if self.kept_seconds >= 1:
            lines.append(f"baselines and the like {duration(self.kept_seconds)} of processor time")
        return "; ".join(lines) + ". `results.json` holds everything that it was made of."


def commit() -> str | None:
    """The commit of the program's own source, with `-dirty` if files are changed; None outside of a checkout."""
    own = Path(__file__)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(own.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git(
            "ls-files", "--error-unmatch", own.name
        )  # fails if the program is installed below somebody else's checkout
        return git("describe", "--always", "--dirty", "--abbrev=12") or None
    except (OSError, subprocess.SubprocessError):
        return None


def write(experiment: Experiment, context: Context, findings: Findings, record: Record) -> Path:
    """Writes NAME.md, results.json, figures and pages to the experiment's folder; returns the path of NAME.md.

    This is where the cells of all tables reach the disk: `Findings.tables`, then the paper's own table.

    Raises:
        InputError: a file cannot be written.
    """
    name, folder = experiment.name, context.folder
    figures, problem = _write_figures(findings, name, folder)
    for page, text in findings.pages.items():
        write_bytes(folder / page, text.encode())
    content = {
        "experiment": name,
        "about": experiment.about,
        "settings": record.settings,
        "intervals": {"level": CONFIDENCE_LEVEL, "over": "sentences", "resamples": RESAMPLES},
        "cost": asdict(record.costs) | {"kept_seconds": record.kept_seconds},
        "figures": json_value(dict(findings.results)),
    }
    with atomic_writer(folder / "results.json") as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    parts = [f"# {name}: {experiment.about}"]
    if context.quick:
        parts.append(QUICK_MARK)
    in_the_paper = published(name)
    tables = [*findings.tables, *([] if in_the_paper is None else [in_the_paper.to_table()])]
    parts += [table.to_markdown().strip() for table in tables]
    parts += [*context.notes, *findings.notes]
    parts += [f"![{figure}]({figure})" for figure in figures]
    parts += [f"[{page}]({page})" for page in findings.pages]
    if problem:
        parts.append(problem)
    parts.append(record.line())
    with atomic_writer(folder / f"{name}.md") as file:
        file.write("\n\n".join(parts) + "\n")
    return folder / f"{name}.md"


def _write_figures(findings: Findings, name: str, folder: Path) -> tuple[list[str], str | None]:
    """Draws and writes the figures; returns the names of the PNGs, and the reason where there are none."""
    from robustger.experiments.figures.drawing import rendered

    names = []
    try:
        for suffix, draw in findings.figures.items():
            for kind, content in rendered(draw()).items():
                write_bytes(folder / f"{name}{suffix}.{kind}", content)
            names.append(f"{name}{suffix}.png")
    except MissingExtraError as error:
        return [], f"No figures: {error}."
    return names, None


def spent(costs: Costs) -> str:
    """The time of trainings in words: "1.5 hours of processor time and no GPU"."""
    gpu = f"{duration(costs.gpu_seconds)} of a GPU" if costs.gpu_seconds else "no GPU"
    return f"{duration(costs.cpu_seconds)} of processor time and {gpu}"


def duration(seconds: float) -> str:
    """A time in words: "1.5 hours"."""
    for size, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"
