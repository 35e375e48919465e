"""The training loop: Algorithm 1 of the paper over batches of N-best lists, the language model frozen (eq. 2-3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from robustger.errors import RobustGERError
from robustger.training.algorithm import AdapterStep, StatisticsStep
from robustger.training.batching import epoch_batches
from robustger.training.checkpoint import TrainingState, checkpoint_write_errors, load_state, save_state
from robustger.training.config import TrainingConfig
from robustger.training.divergence import stop_if_diverged
from robustger.training.measurements import DISTILLED, Measurements, gate_norms
from robustger.training.model_card import training_card
from robustger.training.optimization import set_learning_rates
from robustger.training.parts import TrainingParts
from robustger.training.preparation import prepare_training
from robustger.training.progress_bar import ProgressBar
from robustger.training.run_folder import (
    BEST,
    LAST,
    TrainingLog,
    keep_earlier,
    owned_run_folder,
    settle_interrupted_writes,
)
from robustger.training.same_run import check_same_run, warn_of_new_schedule
from robustger.training.tracking import end_tracking, start_tracking, track
from robustger.training.validation import dev_loss, dev_wer

logger = logging.getLogger(__name__)


def finetune(config: TrainingConfig) -> Path:
    """Finetunes an adapter, from its configuration to checkpoints; returns the folder of the best checkpoint.

    Raises:
        InputError: as for `prepare_training` and `Trainer.run`; or another training is writing to the output folder.
        RobustGERError: as for `Trainer.run`.
        MissingModelError, MissingExtraError: as for `prepare_training`.
    """
    with ExitStack() as held:
        parts = prepare_training(
            config, make_folder=lambda output: held.enter_context(owned_run_folder(output))
        )
        return Trainer(parts).run()


class Trainer:
    """Trains prepared parts and writes the checkpoint folders `last` and `best`.

    Attributes:
        parts: model, data, noise and optimizers.
        state: the progress of the run.
    """

    def __init__(self, parts: TrainingParts) -> None:
        self.parts = parts
        self.state = TrainingState()

    def run(self) -> Path:
        """Trains to the end and returns the folder of the best checkpoint.

        An interrupted run goes on from `last`, and ends with the same weights as one that was not interrupted.

        Raises:
            InputError: `last` belongs to a run with other settings or other data, or a checkpoint cannot be written.
            RobustGERError: too many losses or gradients in a row are not finite; no evaluation gave a number, so that
                there is no best checkpoint; or another process of the run is gone.
        """
        options = self.parts.config
        self._go_on_from_last()
        since_checkpoint = Measurements()
        with ProgressBar(self.parts, self.state) as bar:
            for indices in self.batches():
                statistics, adapter = self.step(indices)
                since_checkpoint.add(statistics, adapter)
                bar.advance(since_checkpoint, adapter)
                stop_if_diverged(self.state, statistics, adapter, options.optimization.max_skipped)
                if self.state.step % options.evaluation.every_steps == 0 or self._at_the_end:
                    self.evaluate_and_save(since_checkpoint)
                    since_checkpoint = Measurements()
        try:
            self.parts.processes.in_main(self._report_end)
        finally:
            end_tracking(self.parts.accelerator)
        return self.parts.output / BEST

    def step(self, indices: Sequence[int]) -> tuple[StatisticsStep | None, AdapterStep]:
        """One iteration of Algorithm 1, on a batch of B training lists.

        Args:
            indices: positions of the lists among the training examples.
        """
        parts, algorithm = self.parts, self.parts.algorithm
        self._set_learning_rates()
        self._seed_dropout()

        # The batch: E_LN of the lists, asr(X_n) of their noisy audio and asr(X_c) of their clean audio.
        batch = parts.whole_batch(indices)

        # Step 1. I = mean psi(E_LN, asr(X_n)) - log mean exp psi(E_LN, asr(X_c));  theta <- gradient ascent on I.
        statistics = algorithm.statistics_step(batch)

        # Step 2. L_H2T with T_w(E_LN) conditioning the language model;  I_1 = mean psi(T_w(E_LN), asr(X_n));
        #         adapter and tuner <- gradient descent on L_H2T - lambda I_1.
        adapter = algorithm.adapter_step(
            parts.micro_batches(parts.train, indices), parts.train.target_tokens(indices), batch
        )
        self.state.step += 1
        return statistics, adapter

    def batches(self) -> Iterator[list[int]]:
        """The batches still to come, epoch by epoch. They are a function of the seed and the step alone."""
        lengths, options = self.parts.train.lengths.tolist(), self.parts.config.optimization
        while not self._at_the_end:
            epoch, at = divmod(self.state.step, self.parts.schedule.steps_per_epoch)
            for indices in epoch_batches(lengths, options.batch_size, self.parts.config.seed, epoch)[at:]:
                yield indices
                if self._at_the_end:
                    return

    @property
    def _at_the_end(self) -> bool:
        patience = self.parts.config.evaluation.patience
        tired = patience is not None and self.state.stale >= patience
        return self.state.step >= self.parts.schedule.total_steps or tired

    def _set_learning_rates(self) -> None:
        algorithm = self.parts.algorithm
        share = self.parts.schedule.learning_rate_share(self.state.step)
        set_learning_rates((algorithm.optimizer, algorithm.statistics_optimizer), share)

    def _seed_dropout(self) -> None:
        """Makes dropout a function of the step, so that a resumed run drops what an undisturbed one would."""
        torch.manual_seed(self.parts.processes.seed(self.parts.config.seed * 1_000_003 + self.state.step))

    def _go_on_from_last(self) -> None:
        """Restores the latest checkpoint, if there is one, and opens the log.

        Raises:
            InputError: the checkpoint belongs to a run with other settings or other data.
        """
        parts, processes = self.parts, self.parts.processes
        processes.in_main(partial(settle_interrupted_writes, parts.output))
        last = parts.output / LAST
        if last.is_dir():
            check_same_run(last, parts.config, parts.digests)
            self.state = load_state(last, parts.trained)
            warn_of_new_schedule(last, parts.schedule, self.state)
            logger.info("going on at step %d of %d", self.state.step, parts.schedule.total_steps)
        processes.take_from_main([*parts.parameters.values(), *parts.trained.theta.values()])
        processes.in_main(self._start_log)

    def _start_log(self) -> None:
        self.log = TrainingLog(self.parts.output, self.state.step)
        start_tracking(self.parts.accelerator, self.parts.config, self.state.step)

    def evaluate_and_save(self, measured: Measurements) -> None:
        """Measures the dev loss and WER, then writes `best` if this is the best so far, `log.jsonl` and `last`.

        Without dev lists the latest checkpoint counts as the best.

        Args:
            measured: the measurements since the last checkpoint.

        Raises:
            InputError: there is no room for the checkpoint; the one before it is kept.
        """
        parts = self.parts
        loss = dev_loss(parts) if parts.dev else None
        rate = parts.processes.in_main(partial(dev_wer, parts))
        improved = self.state.note(loss, rate, parts.config.evaluation.best_by)
        parts.processes.in_main(partial(self._save, measured, loss, rate, improved))

    def _save(
        self, measured: Measurements, dev_loss: float | None, dev_wer: float | None, improved: bool
    ) -> None:
        parts = self.parts
        record = {
            "step": self.state.step,
            "train_loss": measured.mean("train_loss"),
            "dev_loss": dev_loss,
            "dev_wer": dev_wer,
            "lr": parts.algorithm.learning_rate,
            **{name: measured.mean(name) for name in DISTILLED},
            **gate_norms(parts.corrector.llm.adapter),
            "skipped": self.state.skipped,
            "left_out": sum(parts.train.left_out.values()),
        }
        shown = (f"{name} {value:.4g}" for name, value in list(record.items())[1:] if value is not None)
        logger.info("step %d: %s", self.state.step, ", ".join(shown))
        card = training_card(parts, self.state.step, dev_loss, dev_wer)
        # `last` is written at the end: a run that is interrupted before does all of this again, with the same result.
        with checkpoint_write_errors(parts.output):
            if improved:
                parts.corrector.save_pretrained(parts.output / BEST, card=card)
            self.log.append(record)
            track(parts.accelerator, record)
            keep_earlier(parts.output, parts.config.evaluation.keep_last - 1)
            save_state(parts.output / LAST, parts.config, self.state, parts.trained, parts.digests, card)

    def _report_end(self) -> None:
        """Logs what was done.

        Raises:
            RobustGERError: there is no best checkpoint.
        """
        output, examples = self.parts.output, self.parts.train
        left_out = f"; left out of data.train: {examples.told_left_out()}" if examples.left_out else ""
        logger.info("%d steps done on %d lists%s", self.state.step, len(examples), left_out)
        if not (output / BEST).is_dir():
            raise RobustGERError(
                f"{output / BEST}: does not exist: no evaluation found a dev {self.parts.config.evaluation.best_by} "
                f"that is a number, or the folder was removed; the latest weights are in {output / LAST}"
            )
