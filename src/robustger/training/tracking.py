"""The numbers of `log.jsonl` in a tracker: TensorBoard in the run's folder, or Weights & Biases."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from accelerate import Accelerator

from robustger.errors import MissingExtraError
from robustger.training.config import TrainingConfig

logger = logging.getLogger(__name__)

PROJECT = {
    "tensorboard": "tensorboard",
    "wandb": "robustger",
}  # TensorBoard makes it the name of a folder in OUTPUT


def tracker_of(tracking: str) -> str | None:
    """The tracker that `tracking` in a configuration asks for; None for none.

    Args:
        tracking: `none`, `tensorboard`, `wandb`, or `auto`: TensorBoard where it is installed.

    Raises:
        MissingExtraError: the one that is named is not installed.
    """
    if tracking == "none":
        return None
    name = "tensorboard" if tracking == "auto" else tracking
    try:
        metadata.version(name)  # a folder of that name, as both leave in their wake, could be imported
    except metadata.PackageNotFoundError:
        if tracking == "auto":
            return None
        raise MissingExtraError(name, name) from None
    return name


def start_tracking(accelerator: Accelerator, config: TrainingConfig, step: int) -> None:
    """Starts the tracker that `accelerator` was made with, if any; where it cannot be, training goes on without.

    Args:
        accelerator: knows the tracker and the folder of the run.
        config: of the run; Weights & Biases keeps it beside the numbers.
        step: steps done; what TensorBoard was told about later ones, before an interruption, is not shown any more.
    """
    for name in map(str, accelerator.log_with):
        options: dict[str, Any] = {
            "tensorboard": {"purge_step": step + 1},
            "wandb": {"dir": str(accelerator.project_dir), "name": str(accelerator.project_dir)},
        }[name]
        content = config.model_dump(mode="json") if name == "wandb" else None
        try:
            accelerator.init_trackers(PROJECT[name], content, {name: options})
        except Exception as error:  # each has its own
            accelerator.trackers.clear()  # it is among them before it is started
            _give_up(name, error)


def track(accelerator: Accelerator, record: Mapping[str, Any]) -> None:
    """Hands a line of the log to the trackers; what was not measured is left out. One that fails is asked no more."""
    values = {name: value for name, value in record.items() if name != "step" and value is not None}
    for tracker in list(accelerator.trackers):
        try:
            tracker.log(values, step=record["step"])
        except Exception as error:  # a full disk, a server that is gone: training is worth more
            accelerator.trackers.remove(tracker)
            _give_up(tracker.name, error)


def end_tracking(accelerator: Accelerator) -> None:
    """Closes the trackers, and lets go of the other processes."""
    for tracker in accelerator.trackers:
        try:
            tracker.finish()
        except Exception as error:
            _give_up(tracker.name, error)
    accelerator.trackers.clear()
    accelerator.end_training()


def _give_up(name: str, error: Exception) -> None:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    logger.warning(
        "tracking: %s has failed: %s; training goes on without it, and log.jsonl has all", name, reason
    )
