"""Sends the numbers of `log.jsonl` to a tracker: TensorBoard in the run's folder, or Weights & Biases."""

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
    """The tracker that the setting `tracking` asks for; None for no tracker.

    Args:
        tracking: `none`, `tensorboard`, `wandb`, or `auto`: TensorBoard where it is installed.

    Raises:
        MissingExtraError: the named tracker is not installed.
    """
    if tracking == "none":
        return None
    name = "tensorboard" if tracking == "auto" else tracking
    try:
        metadata.version(name)  # `import` would also find a folder of that name, as both trackers make
    except metadata.PackageNotFoundError:
        if tracking == "auto":
            return None
        raise MissingExtraError(name, name) from None
    return name


def start_tracking(accelerator: Accelerator, config: TrainingConfig, step: int) -> None:
    """Starts the tracker of `accelerator`, if there is one. If that fails, training goes on without it.

    Args:
        accelerator: knows the tracker and the folder of the run.
        config: the configuration of the run, which Weights & Biases keeps with the numbers.
        step: steps done. TensorBoard drops what an interrupted run told it about later steps.
    """
    for name in map(str, accelerator.log_with):
        options: dict[str, Any] = {
            "tensorboard": {"purge_step": step + 1},
            "wandb": {"dir": str(accelerator.project_dir), "name": str(accelerator.project_dir)},
        }[name]
        content = config.model_dump(mode="json") if name == "wandb" else None
        try:
            accelerator.init_trackers(PROJECT[name], content, {name: options})
        except Exception as error:  # every tracker has its own exceptions
            accelerator.trackers.clear()  # accelerate lists a tracker before it starts it
            _give_up(name, error)


def track(accelerator: Accelerator, record: Mapping[str, Any]) -> None:
    """Sends a line of the log to the trackers, without what was not measured. A tracker that fails is given up."""
    values = {name: value for name, value in record.items() if name != "step" and value is not None}
    for tracker in list(accelerator.trackers):
        try:
            tracker.log(values, step=record["step"])
        except Exception as error:  # a full disk or a lost server must not end the training
            accelerator.trackers.remove(tracker)
            _give_up(tracker.name, error)


def end_tracking(accelerator: Accelerator) -> None:
    """Closes the trackers and leaves the process group."""
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
        "tracking: %s has failed: %s; training goes on without it, and log.jsonl has all numbers",
        name,
        reason,
    )
