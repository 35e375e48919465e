"""Whether a run may go on from a checkpoint: only where settings and data are those it was trained with."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.training.checkpoint import CONFIG, Digests, TrainingState, read_progress
from robustger.training.config import DataConfig, OptimizationConfig, TrainingConfig
from robustger.training.optimization import learning_rate_share, total_steps
from robustger.yaml_files import read_yaml

logger = logging.getLogger(__name__)

# What may change while a run is interrupted: it alters nothing that was learned so far.
CHANGEABLE = {
    "output",
    "evaluation",
    "tracking",
    "data.cache",
    "optimization.epochs",
    "optimization.max_steps",
    "optimization.micro_batch_size",
    "optimization.micro_batch_tokens",
    "optimization.max_skipped",
    "optimization.gradient_checkpointing",
    "corrector.guard",
    "corrector.skip_agreeing",
    "corrector.max_new_tokens",
    "corrector.max_prompt_tokens",
}
# How messages call what the digests are of.
CONTENTS = {
    "ids": "ids or their order",
    "hypotheses": "hypotheses",
    "references": "references",
    "audio": "audio embeddings",
}


def check_same_run(folder: Path, config: TrainingConfig, data: Digests) -> None:
    """Keeps a run from going on from the checkpoint of another one.

    What an older version did not write had the default value; where it wrote nothing of the data, a warning says that
    nobody can tell.

    Args:
        folder: the checkpoint.
        config: of the run that is to go on.
        data: digests of its data.

    Raises:
        InputError: the checkpoint was trained with other settings or on other data; the message names the first that
            differs. Or its training state is missing or broken.
    """
    for key, before, now in _differences(_stored_config(folder), config.model_dump(mode="json")):
        raise InputError(
            f"{folder}: was trained with {key} = {before!r}, not {now!r}; choose another output, or remove the folder"
        )
    before = read_progress(folder).get("data")
    if before is None:
        logger.warning(
            "%s: does not say which data it was trained on, as an older version wrote it; going on, on the word that "
            "data.train and data.dev are as they were",
            folder,
        )
        return
    for part, digests in data.items():
        if changed := _changed_data(before.get(part, {}), digests):
            raise InputError(
                f"{folder}: was trained on other data: data.{part} has changed ({changed}); give it back as it was, "
                "choose another output, or remove the folder"
            )


def _changed_data(before: Mapping[str, int | str], now: Mapping[str, int | str]) -> str | None:
    """Says what of a part of the data is not as it was; None where all is."""
    changed = [name for name, value in now.items() if name in before and before[name] != value]
    if not changed:
        return None
    if "lists" in changed:
        return f"{now['lists']} lists, {before['lists']} before"
    return ", ".join(CONTENTS[name] for name in changed)


def warn_of_new_schedule(
    folder: Path, options: OptimizationConfig, steps_per_epoch: int, state: TrainingState
) -> None:
    """Says that steps done had other learning rates than they would have now, where the number of steps changed.

    Args:
        folder: the checkpoint.
        options: of the run that goes on from it.
        steps_per_epoch: steps of an epoch.
        state: how far the checkpoint is.
    """
    stored = _stored_config(folder)["optimization"]
    lengths = {key: stored[key] for key in ("epochs", "max_steps")}
    before = total_steps(steps_per_epoch, options.model_copy(update=lengths))
    now = total_steps(steps_per_epoch, options)
    # the rate falls from step to step: where the last step done would have had the same, all would
    last = max(0, state.step - 1)
    rates = {learning_rate_share(last, steps_per_epoch, total, options) for total in (before, now)}
    if len(rates) > 1:
        logger.warning(
            "optimization.epochs or .max_steps has changed: the learning rate falls over %d steps now, and the %d "
            "steps done were taken as the first of %d; the result is not that of a run of one piece",
            now,
            state.step,
            before,
        )


def _stored_config(folder: Path) -> dict[str, Any]:
    """The settings a checkpoint was trained with."""
    defaults = TrainingConfig(output="-", data=DataConfig(train=["-"])).model_dump(mode="json")
    return _filled(read_yaml(folder / CONFIG), defaults)


def _filled(stored: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    """`stored` with the defaults of what it lacks."""
    stored = stored if isinstance(stored, dict) else {}
    result = defaults | stored
    for name, default in defaults.items():
        if isinstance(default, dict) and isinstance(result[name], dict):
            result[name] = _filled(result[name], default)
    return result


def _differences(
    stored: dict[str, Any], current: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """(key, stored value, current value) of what differs."""
    for name, value in current.items():
        key = prefix + name
        if key in CHANGEABLE or name not in stored:
            continue
        if isinstance(value, dict) and isinstance(stored[name], dict):
            yield from _differences(stored[name], value, f"{key}.")
        elif stored[name] != value:
            yield key, stored[name], value
