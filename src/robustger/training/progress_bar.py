"""The progress bar of a training run."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

from robustger.training.algorithm import AdapterStep
from robustger.training.checkpoint import TrainingState
from robustger.training.measurements import Measurements, gate_norms
from robustger.training.parts import TrainingParts


class ProgressBar:
    """Shows the steps done and the latest measurements, in the main process.

    Args:
        parts: the run.
        state: its progress.
    """

    def __init__(self, parts: TrainingParts, state: TrainingState) -> None:
        self._parts = parts
        self._state = state
        hidden = None if parts.processes.is_main else True  # None hides the bar where there is no terminal
        self._bar = tqdm(
            total=parts.schedule.total_steps, initial=state.step, desc="training", disable=hidden
        )
        self._tokens, self._began = 0, time.monotonic()

    def advance(self, measured: Measurements, adapter: AdapterStep) -> None:
        """Counts one step.

        Args:
            measured: the measurements since the last checkpoint.
            adapter: the step.
        """
        self._tokens += adapter.tokens
        shown = measured.shown(
            gate_norms(self._parts.corrector.llm.adapter),
            lr=self._parts.algorithm.learning_rate,
            best_dev=self._state.best_loss,
            tokens_s=self._tokens / (time.monotonic() - self._began),
        )
        self._bar.set_postfix_str(shown, refresh=False)
        self._bar.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
