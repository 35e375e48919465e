"""What an experiment leaves behind: results.json with all that made it, the tables, the figures."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustger.errors import InputError, MissingExtraError
from robustger.evaluation.intervals import CONFIDENCE_LEVEL
from robustger.evaluation.json_values import json_value
from robustger.experiments.experiment import Context, Experiment, Outcome
from robustger.experiments.measures.measured import RESAMPLES
from robustger.experiments.runs.plan import GUARD
from robustger.experiments.runs.process import RESULTS
from robustger.experiments.runs.scales import Scale
from robustger.experiments.runs.trainings import Trainings, costs
from robustger.experiments.systems.checkpoints import checkpoint_digest
from robustger.hypotheses import atomic_writer
from robustger.version import __version__

QUICK = "**A quick look: few lists and steps. It shows that everything runs, and is no result.**"


@dataclass(frozen=True, slots=True)
class Record:
    """What made the figures of an experiment.

    Attributes:
        settings: plain JSON values.
        cost: of the trainings, see `robustger.experiments.runs.trainings.costs`; `kept_seconds` of processor time of
            what else is computed once and kept.
    """

    settings: dict[str, Any]
    cost: dict[str, Any]

    @classmethod
    def of(cls, context: Context, trainings: Trainings, scale: Scale) -> Record:
        """Of an experiment and the trainings that it needs."""
        runs = {run.folder.name: {"digest": run.plan["digest"], "done": run.done} for run in trainings.runs}
        settings = {
            "robustger": __version__,
            "commit": commit(),
            "scale": scale.name,
            "quick": context.quick,
            "seeds": list(context.seeds),
            "changes": context.changes,
            "data": {
                "source": str(context.data.source),
                "sha256": context.data.digests(),
                "notes": list(context.notes),
            },
            "checkpoints": {name: checkpoint_digest(name) for name in context.checkpoints},
        }
        if runs:
            settings |= {
                "recipe": scale.recipe.read_text(encoding="utf-8"),
                "lists": scale.lists,
                "llms": list(context.llms),
                "base": scale.base,
                "base_recipe": scale.base_recipe and scale.base_recipe.read_text(encoding="utf-8"),
                "decoded_lists": len(context.decoded),
                "guard": GUARD,
                "runs": runs,
            }
        return cls(settings, costs(trainings) | {"kept_seconds": sum(context.spent.values())})


def commit() -> str | None:
    """The commit of the program's own source, with `-dirty` where something is changed; None outside of a checkout."""
    own = Path(__file__)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(own.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", own.name)  # it may be installed below somebody else's checkout
        return git("describe", "--always", "--dirty", "--abbrev=12") or None
    except (OSError, subprocess.SubprocessError):
        return None


def write(experiment: Experiment, context: Context, outcome: Outcome, record: Record) -> Path:
    """Writes NAME.md, results.json, figures and pages to the experiment's folder; returns the path of NAME.md.

    Raises:
        InputError: a file cannot be written.
    """
    name, folder = experiment.name, context.folder
    figures, problem = _figures(outcome, name, folder)
    for page, text in outcome.pages.items():
        _replace(folder / page, text.encode())
    content = {
        "experiment": name,
        "about": experiment.about,
        "settings": record.settings,
        "intervals": {"level": CONFIDENCE_LEVEL, "over": "sentences", "resamples": RESAMPLES},
        "cost": record.cost,
        "figures": json_value(dict(outcome.results)),
    }
    with atomic_writer(folder / RESULTS) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    parts = [f"# {name}: {experiment.about}"]
    if context.quick:
        parts.append(QUICK)
    parts += [table.to_markdown().strip() for table in outcome.tables]
    parts += [*context.notes, *outcome.notes]
    parts += [f"![{figure}]({figure})" for figure in figures]
    parts += [f"[{page}]({page})" for page in outcome.pages]
    if problem:
        parts.append(problem)
    parts.append(_made_by(record))
    with atomic_writer(folder / f"{name}.md") as file:
        file.write("\n\n".join(parts) + "\n")
    return folder / f"{name}.md"


def _figures(outcome: Outcome, name: str, folder: Path) -> tuple[list[str], str | None]:
    """Draws and writes the figures; returns the names of the PNGs, and why there are none."""
    from robustger.experiments.figures.drawing import rendered

    names = []
    try:
        for suffix, draw in outcome.figures.items():
            for kind, content in rendered(draw()).items():
                _replace(folder / f"{name}{suffix}.{kind}", content)
            names.append(f"{name}{suffix}.png")
    except MissingExtraError as error:
        return [], f"No figures: {error}."
    return names, None


def _made_by(record: Record) -> str:
    settings = record.settings
    seeds = ", ".join(map(str, settings["seeds"]))
    lines = [
        f"Made by robustger {settings['robustger']}, commit {settings['commit'] or 'unknown'}",
        f"scale {settings['scale']}",
    ]
    if "runs" in settings:
        done = sum(run["done"] for run in settings["runs"].values())
        lines.append(f"{done} of {len(settings['runs'])} trainings, seeds {seeds}")
        if record.cost["cpu_seconds"]:
            unknown = record.cost["not_recorded"]
            beside = f" ({unknown} of them did not record it)" if unknown else ""
            lines.append(f"which took {spent(record.cost)} from nothing{beside}")
    if record.cost["kept_seconds"] >= 1:
        lines.append(f"baselines and the like {duration(record.cost['kept_seconds'])} of processor time")
    return "; ".join(lines) + ". What it was made of is in `results.json`."


def spent(cost: Mapping[str, Any]) -> str:
    """What trainings took, see `robustger.experiments.runs.trainings.costs`."""
    held = cost["gpu_seconds"]
    gpu = f"{duration(held)} of a GPU" if held else "no GPU"
    return f"{duration(cost['cpu_seconds'])} of processor time and {gpu}"


def duration(seconds: float) -> str:
    """As people say it: "1.5 hours"."""
    for size, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"


def _replace(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
