"""Stops a training whose losses or gradients are no longer finite."""

from __future__ import annotations

import logging

from robustger.errors import RobustGERError
from robustger.training.algorithm import AdapterStep, StatisticsStep
from robustger.training.checkpoint import TrainingState

logger = logging.getLogger(__name__)


def stop_if_diverged(
    state: TrainingState, statistics: StatisticsStep | None, adapter: AdapterStep, most: int
) -> None:
    """Counts an iteration in which a step was skipped because its loss or gradient is not finite.

    Args:
        state: holds the counts.
        statistics: step 1 of the iteration; None without distillation.
        adapter: step 2 of the iteration.
        most: skipped iterations in a row at which training stops.

    Raises:
        RobustGERError: this is the last of `most` skipped iterations in a row.
    """
    if adapter.finite and (statistics is None or statistics.finite):
        state.skipped_in_a_row = 0
        return
    state.skipped += 1
    state.skipped_in_a_row += 1
    values = f"the loss is {adapter.h2t_loss} and its gradient {adapter.gradient_norm}"
    if statistics is not None:
        values += f", mutual information {statistics.mutual_information} and its {statistics.gradient_norm}"
    if state.skipped_in_a_row >= most:
        raise RobustGERError(
            f"step {state.step}: {values}, as in every step of the last {most}; train anew with lower "
            "optimization.adapter_lr and optimization.lora_lr"
        )
    logger.warning("step %d is skipped: %s (%d so far)", state.step, values, state.skipped)
