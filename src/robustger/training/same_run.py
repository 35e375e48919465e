"""Checks that a run goes on only from a checkpoint with the same settings and the same data."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.training.checkpoint import Digests, TrainingState, read_progress
from robustger.training.config import DataConfig, TrainingConfig
from robustger.training.optimization import Schedule
from robustger.training.run_folder import TRAINING_CONFIG
from robustger.yaml_files import read_yaml

logger = logging.getLogger(__name__)

# Settings that may change while a run is interrupted, because they alter nothing that was learned so far.
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
# Settings of the optimization whose default has changed: a run goes on with the one that it began with.
NEW_DEFAULTS = ("max_grad_norm",)
# What the digests are of, as messages call it.
CONTENTS = {
    "ids": "ids or their order",
    "hypotheses": "hypotheses",
    "references": "references",
    "audio": "audio embeddings",
}


def with_earlier_defaults(config: TrainingConfig, folder: Path) -> TrainingConfig:
    """The configuration with which a run goes on from a checkpoint that an older version may have written.

    A setting that the configuration leaves out, and whose default has changed since, keeps the value of the checkpoint.

    Args:
        config: as it was given.
        folder: the checkpoint; nothing changes where there is none.
    """
    if not (folder / TRAINING_CONFIG).is_file():
        return config
    stored = _stored_config(folder)["optimization"]
    given = config.optimization.model_fields_set
    kept = {name: stored[name] for name in NEW_DEFAULTS if name not in given}
    changed = {name: value for name, value in kept.items() if value != getattr(config.optimization, name)}
    if not changed:
        return config
    for name, value in changed.items():
        logger.info("%s: optimization.%s stays %s, as the run began", folder, name, value)
    return config.model_copy(update={"optimization": config.optimization.model_copy(update=changed)})


def check_same_run(folder: Path, config: TrainingConfig, data: Digests) -> None:
    """Refuses a checkpoint that was trained with other settings or on other data.

    A setting that an older version did not write had its default value. Where an older version wrote no digests of the
    data, a warning says that the data cannot be checked.

    Args:
        folder: the checkpoint.
        config: the configuration of the run that is to go on.
        data: digests of its data.

    Raises:
        InputError: settings or data differ (the message names the first difference), or the training state is missing
            or broken.
    """
    for key, before, now in _differences(_stored_config(folder), config.model_dump(mode="json")):
        raise InputError(
            f"{folder}: was trained with {key} = {before!r}, not {now!r}; choose another output, or remove the folder"
        )
    before = read_progress(folder).get("data")
    if before is None:
        logger.warning(
            "%s: was written by an older version, which did not record its training data; going on under the "
            "assumption that data.train and data.dev are unchanged",
            folder,
        )
        return
    for part, digests in data.items():
        if changed := _changed_data(before.get(part, {}), digests):
            raise InputError(
                f"{folder}: was trained on other data: data.{part} has changed ({changed}); restore it, "
                "choose another output, or remove the folder"
            )


def _changed_data(before: Mapping[str, int | str], now: Mapping[str, int | str]) -> str | None:
    """Names what has changed in a part of the data; None where nothing has."""
    changed = [name for name, value in now.items() if name in before and before[name] != value]
    if not changed:
        return None
    if "lists" in changed:
        return f"{now['lists']} lists, {before['lists']} before"
    return ", ".join(CONTENTS[name] for name in changed)


def warn_of_new_schedule(folder: Path, schedule: Schedule, state: TrainingState) -> None:
    """Warns where the number of steps has changed, so that the steps done had other learning rates than they would now.

    Args:
        folder: the checkpoint.
        schedule: the schedule of the run that goes on from it.
        state: the progress of the checkpoint.
    """
    stored = _stored_config(folder)["optimization"]
    lengths = {key: stored[key] for key in ("epochs", "max_steps")}
    before = replace(schedule, options=schedule.options.model_copy(update=lengths))
    # The rate falls from step to step: if the last step done would have the same rate, all steps before would, too.
    last = max(0, state.step - 1)
    if before.learning_rate_share(last) != schedule.learning_rate_share(last):
        logger.warning(
            "optimization.epochs or .max_steps has changed: the learning rate falls over %d steps now, but the %d "
            "steps done were taken as the first of %d; the result is not that of an uninterrupted run",
            schedule.total_steps,
            state.step,
            before.total_steps,
        )


def _stored_config(folder: Path) -> dict[str, Any]:
    """The settings that a checkpoint was trained with."""
    defaults = TrainingConfig(output="-", data=DataConfig(train=["-"])).model_dump(mode="json")
    return _filled(read_yaml(folder / TRAINING_CONFIG), defaults)


def _filled(stored: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    """Adds the default of every setting that `stored` lacks."""
    stored = stored if isinstance(stored, dict) else {}
    result = defaults | stored
    for name, default in defaults.items():
        if isinstance(default, dict) and isinstance(result[name], dict):
            result[name] = _filled(result[name], default)
    return result


def _differences(
    stored: dict[str, Any], current: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yields (key, stored value, current value) of every setting that differs."""
    for name, value in current.items():
        key = prefix + name
        if key in CHANGEABLE or name not in stored:
            continue
        if isinstance(value, dict) and isinstance(stored[name], dict):
            yield from _differences(stored[name], value, f"{key}.")
        elif stored[name] != value:
            yield key, stored[name], value
