"""Finetuning the adapter: Algorithm 1 over batches of N-best lists, the language model frozen (paper, eq. 2-3)."""

from __future__ import annotations

import errno
import logging
import math
import os
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from tqdm import tqdm

from robustger.correction.checkpoint import checkpoint_folder, load_weights, trained_parameters
from robustger.correction.llm.language_model import best_dtype, default_device
from robustger.correction.model import Corrector
from robustger.distillation import DISTILLATIONS, Distillation, DistillationShape
from robustger.errors import InputError, RobustGERError
from robustger.evaluation.wer import wer
from robustger.text import get_normalizer
from robustger.training.algorithm import AdapterStep, Algorithm1, StatisticsStep, WholeBatch
from robustger.training.audio_rows import heard_beside
from robustger.training.checkpoint import (
    CACHE,
    Digests,
    Trained,
    TrainingLog,
    TrainingState,
    keep_earlier,
    load_state,
    save_state,
    settle_interrupted_writes,
    told_in_one_line,
)
from robustger.training.config import TrainingConfig
from robustger.training.data import epoch_batches
from robustger.training.examples import make_examples
from robustger.training.gradient_checkpointing import checkpoint_layers
from robustger.training.lists import Lists, expanded
from robustger.training.measurements import Measurements, gate_norms
from robustger.training.noise_rows import noise_rows
from robustger.training.optimization import (
    adapter_optimizer,
    learning_rate_share,
    set_learning_rates,
    statistics_optimizer,
    total_steps,
)
from robustger.training.processes import Processes, make_accelerator
from robustger.training.same_run import check_same_run, warn_of_new_schedule
from robustger.training.tracking import end_tracking, start_tracking, track, tracker_of

logger = logging.getLogger(__name__)

DECODING_BATCH = 16  # lists decoded at a time for their WER


class Trainer:
    """One training run, from configuration to checkpoint folders `last` and `best`.

    Args:
        config: the resolved configuration; it is saved beside the checkpoints.
        rehearsal: write nothing and embed no noise: all is as large as in a run, and zero stands for the noise.

    Raises:
        InputError: a file is missing or broken, no list there can be trained on, the output folder cannot be written,
            or the configuration names something unknown or that does not go together.
        MissingModelError: a model is not to be had.
        MissingExtraError: the tracker or what quantizes the language model is not installed.
    """

    def __init__(self, config: TrainingConfig, *, rehearsal: bool = False) -> None:
        self.config = config
        self.output = Path(expanded(config.output))
        # What is wrong with the input is told before anything slow is begun.
        get_normalizer(config.evaluation.normalizer)
        objective, tracker = self._objective(), tracker_of(config.tracking)
        self.train_lists, dev_lists = Lists("train", config.data.train), Lists("dev", config.data.dev)
        if not rehearsal:
            self._make_output()
        device = default_device()
        self.dtype = best_dtype(device) if config.dtype == "auto" else getattr(torch, config.dtype)
        self.accelerator = make_accelerator(device, self.output, tracker)
        self.processes = Processes(self.accelerator)
        torch.manual_seed(config.seed)
        # On a CPU the fused attention's backward pass takes three times as long as the plain one.
        attention = "eager" if device == "cpu" else "sdpa"
        self.corrector = Corrector.create(config.corrector, self.dtype, str(self.processes.device), attention)
        if config.optimization.gradient_checkpointing:
            checkpoint_layers(self.corrector.llm.llm)
        self.parameters = trained_parameters(self.corrector.llm)
        for parameter in self.parameters.values():
            parameter.data = parameter.data.float()  # bfloat16 steps would round small updates away
            parameter.requires_grad_(True)
        if config.initial is not None:  # in float32 by now: nothing of these weights is rounded
            load_weights(self.corrector.llm, checkpoint_folder(expanded(config.initial)))
        self.pad = self.corrector.tokenizer.pad_token_id or 0
        self._read(self.train_lists, dev_lists, objective, rehearsal)
        self._prepare(objective)
        self.steps_per_epoch = math.ceil(len(self.train_examples) / config.optimization.batch_size)
        self.total_steps = total_steps(self.steps_per_epoch, config.optimization)
        self.state = TrainingState()

    def _objective(self) -> type[Distillation] | None:
        """The distillation objective; None without any."""
        config = self.config
        if config.evaluation.best_by == "wer" and not (config.evaluation.wer_lists and config.data.dev):
            raise InputError("evaluation.best_by = wer needs data.dev and evaluation.wer_lists > 0")
        objective = DISTILLATIONS.get(config.distillation.objective)
        if config.distillation.objective == "none":
            return None
        if config.corrector.variant == "ger":
            raise InputError(
                "distillation.objective: the variant ger sees no noise that could be taught; set corrector.variant to "
                "paper or released, or the objective to none"
            )
        if config.corrector.noise == "audio":
            raise InputError(
                "distillation.objective: with corrector.noise = audio there is no language-space noise that could be "
                "taught; set corrector.noise to real, or the objective to none"
            )
        return objective

    def _make_output(self) -> None:
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            if not os.access(self.output, os.W_OK):
                raise PermissionError(errno.EACCES, "no permission")
        except OSError as error:
            raise InputError(f"output: {self.output} cannot be written: {error.strerror}") from None

    def _read(self, train: Lists, dev: Lists, objective: type[Distillation] | None, rehearsal: bool) -> None:
        """Makes the examples of both parts; the lists themselves are kept only where they are decoded."""
        data = self.config.data
        kinds = ()
        if objective is not None:
            needed = {"noisy": objective.needs_audio, "clean": objective.needs_clean}
            kinds = tuple(kind for kind, need in needed.items() if need)
        folder = Path(expanded(data.cache)) if data.cache else self.output / CACHE
        with self.processes.main_first():
            noise = noise_rows(self.corrector, (train, dev), folder, self.config.seed, rehearsal=rehearsal)
        self.train_examples = make_examples(self.corrector, train, noise[0], data.max_tokens, kinds)
        self.dev_examples = make_examples(self.corrector, dev, noise[1], data.max_tokens)
        decoded = list(islice(dev, self.config.evaluation.wer_lists))
        self.decoded_lists = [nbest for _, nbest in decoded]
        self.heard = heard_beside(decoded)
        self.corrector.borrow_noise_among(self.decoded_lists)

    @property
    def data(self) -> Digests:
        """Digests of the lists that are trained on, and of those that the run is judged by."""
        return {"train": self.train_examples.digests, "dev": self.dev_examples.digests}

    def _prepare(self, objective: type[Distillation] | None) -> None:
        """Optimizers, theta, and the algorithm that they serve."""
        config = self.config
        self.optimizer = self.accelerator.prepare(adapter_optimizer(self.parameters, config.optimization))
        self.distillation: Distillation | None = None
        if objective is not None:
            audio = self.train_examples.audio
            torch.manual_seed(config.seed)
            self.distillation = objective(
                DistillationShape(
                    noise_dimension=self.corrector.llm.shape.noise_dimension,
                    tuned_width=self.corrector.llm.adapter.tuned_width,
                    audio_dimension=audio.width if audio else 0,
                    hidden=config.distillation.hidden,
                    output=config.distillation.output,
                )
            ).to(self.processes.device)
        theta = dict(self.distillation.named_parameters()) if self.distillation else {}
        self.statistics_optimizer = statistics_optimizer(
            theta.values(), config.optimization, config.distillation.lr_share
        )
        self.algorithm = Algorithm1(
            self.corrector.llm,
            self.parameters,
            self.optimizer,
            self.distillation,
            self.statistics_optimizer,
            weight=config.distillation.weight,
            max_grad_norm=config.optimization.max_grad_norm,
            processes=self.processes,
            dtype=self.dtype,
        )
        self.trained = Trained(self.corrector, self.optimizer.optimizer, theta, self.statistics_optimizer)

    def run(self) -> Path:
        """Trains to the end, from `last` where a run was interrupted; returns the folder of the best checkpoint.

        An interrupted run ends with the same weights as one that was not.

        Raises:
            InputError: `last` holds a run with other settings or other data, or a checkpoint cannot be written.
            RobustGERError: too many losses or gradients in a row are no numbers; or no evaluation gave a number, so
                that there is no best checkpoint; or another process of the run is gone.
        """
        self.processes.in_main(partial(settle_interrupted_writes, self.output))
        last = self.output / "last"
        if last.is_dir():
            check_same_run(last, self.config, self.data)
            self.state = load_state(last, self.trained)
            warn_of_new_schedule(last, self.config.optimization, self.steps_per_epoch, self.state)
            logger.info("going on at step %d of %d", self.state.step, self.total_steps)
        self.processes.take_from_main([*self.parameters.values(), *self.trained.theta.values()])
        self.processes.in_main(self._start_log)
        measured = Measurements()  # since the last checkpoint, so that going on from one forgets none
        tokens_seen, since = 0, time.monotonic()
        silent = None if self.processes.is_main else True  # None: where there is no terminal
        with tqdm(total=self.total_steps, initial=self.state.step, desc="training", disable=silent) as bar:
            for indices in self.batches():
                statistics, adapter = self.step(indices)
                measured.add(statistics, adapter)
                tokens_seen += adapter.tokens
                bar.set_postfix_str(
                    measured.shown(
                        gate_norms(self.corrector.llm.adapter),
                        lr=self._learning_rate,
                        best_dev=self.state.best_loss,
                        tokens_s=tokens_seen / (time.monotonic() - since),
                    ),
                    refresh=False,
                )
                bar.update()
                self._stop_if_diverged(statistics, adapter)
                if self.state.step % self.config.evaluation.every_steps == 0 or self._at_the_end:
                    self.evaluate_and_save(measured)
                    measured = Measurements()
        try:
            self.processes.in_main(self._say_what_was_done)
        finally:
            end_tracking(self.accelerator)
        return self.output / "best"

    def _say_what_was_done(self) -> None:
        """The last line of a run, and whether there is a best checkpoint.

        Raises:
            RobustGERError: there is none.
        """
        examples = self.train_examples
        left_out = f"; left out of data.train: {examples.told_left_out()}" if examples.left_out else ""
        logger.info("%d steps done on %d lists%s", self.state.step, len(examples), left_out)
        if not (self.output / "best").is_dir():
            raise RobustGERError(
                f"{self.output / 'best'}: does not exist: no evaluation found a dev {self.config.evaluation.best_by} "
                f"that is a number, or the folder was removed; the latest weights are in {self.output / 'last'}"
            )

    def _start_log(self) -> None:
        self.log = TrainingLog(self.output, self.state.step)
        start_tracking(self.accelerator, self.config, self.state.step)

    def batches(self) -> Iterator[list[int]]:
        """The batches that are still to come, epoch by epoch; a pure function of the seed and the step."""
        lengths, options = self.train_examples.lengths.tolist(), self.config.optimization
        while not self._at_the_end:
            epoch, at = divmod(self.state.step, self.steps_per_epoch)
            for indices in epoch_batches(lengths, options.batch_size, self.config.seed, epoch)[at:]:
                yield indices
                if self._at_the_end:
                    return

    @property
    def _at_the_end(self) -> bool:
        patience = self.config.evaluation.patience
        return self.state.step >= self.total_steps or (patience is not None and self.state.stale >= patience)

    def step(self, indices: Sequence[int]) -> tuple[StatisticsStep | None, AdapterStep]:
        """One iteration of Algorithm 1 on the examples at `indices`."""
        options = self.config.optimization
        share = learning_rate_share(self.state.step, self.steps_per_epoch, self.total_steps, options)
        set_learning_rates((self.optimizer, self.statistics_optimizer), share)
        # What dropout drops is a function of the step, so that a run that was interrupted drops the same.
        torch.manual_seed(self.processes.seed(self.config.seed * 1_000_003 + self.state.step))
        examples = self.train_examples
        whole = self._whole(indices)
        statistics = None if whole is None else self.algorithm.statistics_step(whole)
        batches = examples.batches(
            self.processes.share(indices), options.micro_batch_size, options.micro_batch_tokens, self.pad
        )
        adapter = self.algorithm.adapter_step(batches, examples.target_tokens(indices), whole)
        self.state.step += 1
        return statistics, adapter

    def _whole(self, indices: Sequence[int]) -> WholeBatch | None:
        """What distillation sees of these examples; None without it."""
        examples, device = self.train_examples, self.processes.device
        if self.distillation is None:
            return None
        noise = examples.noise.read(examples.places[list(indices)]).to(device)
        heard = (examples.audio and examples.audio.read(kind, indices) for kind in ("noisy", "clean"))
        noisy, clean = (None if part is None else part.to(device) for part in heard)
        return WholeBatch(noise, noisy, clean)

    def _stop_if_diverged(self, statistics: StatisticsStep | None, adapter: AdapterStep) -> None:
        """Counts an iteration of which a step was skipped, because its loss or gradient is no number.

        Raises:
            RobustGERError: it is the last of too many in a row.
        """
        state, most = self.state, self.config.optimization.max_skipped
        if adapter.finite and (statistics is None or statistics.finite):
            state.skipped_in_a_row = 0
            return
        state.skipped += 1
        state.skipped_in_a_row += 1
        said = f"the loss is {adapter.h2t_loss} and its gradient {adapter.gradient_norm}"
        if statistics is not None:
            said += f", mutual information {statistics.mutual_information} and its {statistics.gradient_norm}"
        if state.skipped_in_a_row >= most:
            raise RobustGERError(
                f"step {state.step}: {said}, as in every step of the last {most}; train anew with lower "
                "optimization.adapter_lr and optimization.lora_lr"
            )
        logger.warning("step %d is skipped: %s (%d so far)", state.step, said, state.skipped)

    @property
    def _learning_rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    @torch.no_grad()
    def dev_loss(self) -> float:
        """Mean cross-entropy per target token over the dev lists."""
        options, examples = self.config.optimization, self.dev_examples
        everything = range(len(examples))
        batches = examples.batches(
            self.processes.share(everything), options.micro_batch_size, options.micro_batch_tokens, self.pad
        )
        (total,) = self.processes.total(sum(self.algorithm.h2t_loss_sum(batch).item() for batch in batches))
        return total / examples.target_tokens(everything)

    def dev_wer(self) -> float | None:
        """WER of what is written now for the first `evaluation.wer_lists` dev lists; None where there is none."""
        lists = self.decoded_lists
        with self.algorithm.autocast():
            transcripts = self.corrector.correct(lists, batch_size=DECODING_BATCH, heard=self.heard)
        texts = [transcript.text for transcript in transcripts]
        normalizer = self.config.evaluation.normalizer
        errors = wer([nbest.reference or "" for nbest in lists], texts, normalizer=normalizer)
        return errors.rate if errors.words else None

    def evaluate_and_save(self, measured: Measurements) -> None:
        """Measures the dev loss and WER, and writes `best` when it is the best so far, `log.jsonl` and `last`.

        Without dev lists the latest checkpoint counts as the best.

        Raises:
            InputError: there is no room for it; what was there before is kept.
        """
        dev_loss = self.dev_loss() if self.dev_examples else None
        dev_wer = self.processes.in_main(self.dev_wer)
        improved = self.state.note(dev_loss, dev_wer, self.config.evaluation.best_by)
        self.processes.in_main(partial(self._save, measured, dev_loss, dev_wer, improved))

    def _save(
        self, measured: Measurements, dev_loss: float | None, dev_wer: float | None, improved: bool
    ) -> None:
        record = {
            "step": self.state.step,
            "train_loss": measured.mean("train_loss"),
            "dev_loss": dev_loss,
            "dev_wer": dev_wer,
            "lr": self._learning_rate,
            "mutual_information": measured.mean("mutual_information"),
            "distillation_loss": measured.mean("distillation_loss"),
            **gate_norms(self.corrector.llm.adapter),
            "skipped": self.state.skipped,
            "left_out": sum(self.train_examples.left_out.values()),
        }
        shown = (f"{name} {value:.4g}" for name, value in list(record.items())[1:] if value is not None)
        logger.info("step %d: %s", self.state.step, ", ".join(shown))
        # `last` comes at the end: what is interrupted before is done again, and gives the same.
        with told_in_one_line(self.output):
            if improved:
                self.corrector.save_pretrained(self.output / "best")
            self.log.append(record)
            track(self.accelerator, record)
            keep_earlier(self.output, self.config.evaluation.keep_last - 1)
            save_state(self.output / "last", self.config, self.state, self.trained, self.data)
