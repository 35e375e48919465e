"""Finetuning the adapter: cross-entropy on the reference tokens, the language model frozen (paper, eq. 2-3)."""

from __future__ import annotations

import errno
import glob
import logging
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from robustger.correction.checkpoint import checkpoint_folder, load_weights, trained_parameters
from robustger.correction.model import Corrector, best_dtype, default_device
from robustger.errors import InputError, RobustGERError
from robustger.evaluation.wer import wer
from robustger.hypotheses import NBest, load_nbest
from robustger.text import get_normalizer
from robustger.training.checkpoint import (
    TrainingLog,
    TrainingState,
    check_same_run,
    load_state,
    save_state,
    settle_interrupted_writes,
)
from robustger.training.config import TrainingConfig
from robustger.training.data import IGNORED, Batch, Example, epoch_batches, micro_batches, usable_lists

logger = logging.getLogger(__name__)

EMBEDDING_BATCH = 256  # lists whose noise is embedded at a time
DECODING_BATCH = 16  # lists decoded at a time for their WER


class Trainer:
    """One training run, from configuration to checkpoint folders `last` and `best` (lowest dev loss).

    Args:
        config: the resolved configuration; it is saved beside the checkpoints.

    Raises:
        InputError: a file is missing or broken, no list there can be trained on, the output folder cannot be written,
            or the configuration names something unknown.
        MissingModelError: a model is not to be had.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.output = Path(_expanded(config.output))
        # What is wrong with the input is told before anything slow is begun.
        get_normalizer(config.evaluation.normalizer)
        train_lists = self._usable("train", config.data.train)
        self.dev_lists = self._usable("dev", config.data.dev)
        self._make_output()
        device = default_device()
        self.dtype = best_dtype(device) if config.dtype == "auto" else getattr(torch, config.dtype)
        # Its own mixed precision would hold for every later run of this process; see `_autocast`.
        self.accelerator = Accelerator(mixed_precision="no", cpu=device == "cpu")
        torch.manual_seed(config.seed)
        # On a CPU the fused attention's backward pass takes three times as long as the plain one.
        attention = "eager" if device == "cpu" else "sdpa"
        self.corrector = Corrector.create(
            config.corrector, self.dtype, str(self.accelerator.device), attention
        )
        if config.initial is not None:
            load_weights(self.corrector.llm, checkpoint_folder(_expanded(config.initial)))
        self.pad = self.corrector.tokenizer.pad_token_id or 0
        self.train_examples = self._examples("train", train_lists)
        self.dev_examples = self._examples("dev", self.dev_lists)
        self.parameters = trained_parameters(self.corrector.llm)
        for parameter in self.parameters.values():
            parameter.data = parameter.data.float()  # bfloat16 steps would round small updates away
            parameter.requires_grad_(True)
        self.optimizer = self.accelerator.prepare(self._optimizer())
        self.steps_per_epoch = math.ceil(len(self.train_examples) / config.optimization.batch_size)
        self.total_steps = self.steps_per_epoch * config.optimization.epochs
        if config.optimization.max_steps is not None:
            self.total_steps = min(self.total_steps, config.optimization.max_steps)
        self.state = TrainingState()

    def _usable(self, part: str, patterns: Sequence[str]) -> list[NBest]:
        """The lists of the files matching the patterns that have a reference."""
        lists = load_files(patterns)
        usable = usable_lists(lists)
        if patterns and not usable:
            raise InputError(f"data.{part}: no list there has a reference")
        if dropped := len(lists) - len(usable):
            logger.warning("data.%s: %d lists have no reference and are left out", part, dropped)
        return usable

    def _make_output(self) -> None:
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            if not os.access(self.output, os.W_OK):
                raise PermissionError(errno.EACCES, "no permission")
        except OSError as error:
            raise InputError(f"output: {self.output} cannot be written: {error.strerror}") from None

    def _optimizer(self) -> torch.optim.Optimizer:
        options = self.config.optimization
        groups = [
            {
                "params": [p for n, p in self.parameters.items() if n.startswith("adapter.")],
                "lr": options.adapter_lr,
            },
            {
                "params": [p for n, p in self.parameters.items() if n.startswith("lora.")],
                "lr": options.lora_lr,
            },
        ]
        groups = [group for group in groups if group["params"]]
        for group in groups:
            group["peak_lr"] = group["lr"]
        return torch.optim.AdamW(groups, weight_decay=options.weight_decay)

    def _examples(self, part: str, lists: Sequence[NBest]) -> list[Example]:
        """Token ids and noise of every list that is short enough."""
        examples: list[Example] = []
        corrector, too_long = self.corrector, 0
        starts = range(0, len(lists), EMBEDDING_BATCH)
        for start in tqdm(starts, desc=f"embedding data.{part}", leave=False, disable=None):
            chunk = lists[start : start + EMBEDDING_BATCH]
            noise = corrector.noise_embedding([nbest.texts for nbest in chunk]).half()
            for nbest, embedding in zip(chunk, noise, strict=True):
                prompt = corrector.prompt_tokens(nbest.texts)
                target = corrector.answer_tokens(" ".join((nbest.reference or "").split()))
                if len(prompt) + len(target) > self.config.data.max_tokens:
                    too_long += 1
                    continue
                examples.append(Example(nbest.id, prompt, target, embedding.clone()))
        if lists and not examples:
            raise InputError(
                f"data.{part}: every list is longer than data.max_tokens = {self.config.data.max_tokens}; raise it"
            )
        if too_long:
            logger.warning("data.%s: %d lists exceed data.max_tokens and are left out", part, too_long)
        return examples

    def run(self) -> Path:
        """Trains to the end, from `last` where a run was interrupted; returns the folder of the best checkpoint.

        An interrupted run ends with the same weights as one that was not.

        Raises:
            InputError: `last` holds a run with other settings.
            RobustGERError: the loss or its gradient is no longer a number.
        """
        settle_interrupted_writes(self.output)
        last = self.output / "last"
        if last.is_dir():
            check_same_run(last, self.config)
            self.state = load_state(last, self.corrector, self.parameters, self.optimizer.optimizer)
            logger.info("going on at step %d of %d", self.state.step, self.total_steps)
        self.log = TrainingLog(self.output, self.state.step)
        options, evaluation = self.config.optimization, self.config.evaluation
        lengths = [len(example) for example in self.train_examples]
        losses: list[float] = []  # since the last checkpoint, so that going on from one forgets none
        tokens_seen, since = 0, time.monotonic()
        with tqdm(total=self.total_steps, initial=self.state.step, desc="training", disable=None) as bar:
            while self.state.step < self.total_steps:
                epoch, at = divmod(self.state.step, self.steps_per_epoch)
                for indices in epoch_batches(lengths, options.batch_size, self.config.seed, epoch)[at:]:
                    loss, tokens = self.step(indices)
                    losses.append(loss)
                    tokens_seen += tokens
                    mean, rate = sum(losses) / len(losses), tokens_seen / (time.monotonic() - since)
                    bar.set_postfix(
                        loss=f"{mean:.4f}", best_dev=f"{self.state.best_loss:.4f}", tokens_s=f"{rate:.0f}"
                    )
                    bar.update()
                    if self.state.step % evaluation.every_steps == 0 or self.state.step == self.total_steps:
                        self.evaluate_and_save(mean)
                        losses.clear()
                    if self.state.step == self.total_steps:
                        break
        return self.output / "best"

    def step(self, indices: Sequence[int]) -> tuple[float, int]:
        """One optimizer step on the examples at `indices`; returns the mean loss per target token, and all tokens.

        Every micro-batch is weighted by its target tokens, so the gradient is that of the whole batch at once.

        Raises:
            RobustGERError: the loss or its gradient is not finite; the weights are as before the step.
        """
        self._set_learning_rate()
        # What dropout drops is a function of the step, so that a run that was interrupted drops the same.
        torch.manual_seed(self.config.seed * 1_000_003 + self.state.step)
        self._switch_dropout(on=True)
        targets = sum(len(self.train_examples[index].target) for index in indices)
        total, tokens = 0.0, 0
        options = self.config.optimization
        pieces = (options.micro_batch_size, options.micro_batch_tokens)
        for batch in micro_batches(self.train_examples, indices, *pieces, self.pad):
            loss = self._loss_sum(batch) / targets
            self.accelerator.backward(loss)
            total += loss.item()
            tokens += batch.input_ids.numel()
        self._switch_dropout(on=False)
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), options.max_grad_norm)
        if not (math.isfinite(total) and norm.isfinite()):
            raise RobustGERError(
                f"step {self.state.step + 1}: the loss is {total} and its gradient {norm.item()}; train anew with "
                "lower optimization.adapter_lr and optimization.lora_lr"
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.state.step += 1
        return total, tokens

    def _switch_dropout(self, on: bool) -> None:
        """Of LoRA alone: the frozen language model's own stays off."""
        for name, module in self.corrector.llm.named_modules():
            if ".lora_dropout" in name:
                module.train(on)

    def _autocast(self) -> torch.autocast:
        """The trained parameters stay float32; beside a bfloat16 language model they are computed with in bfloat16."""
        enabled = self.dtype == torch.bfloat16
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=enabled)

    def _set_learning_rate(self) -> None:
        """Linear warm-up, then linear decay to `final_lr_share` of the peak."""
        options, step = self.config.optimization, self.state.step
        warmup = max(1, round(options.warmup_epochs * self.steps_per_epoch))
        progress = max(0, step - warmup) / max(1, self.total_steps - warmup)
        factor = min(1.0, (step + 1) / warmup) * (1 - (1 - options.final_lr_share) * progress)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor

    def _loss_sum(self, batch: Batch) -> Tensor:
        """Summed cross-entropy over the target tokens; the output layer runs on those positions only."""
        device = self.accelerator.device
        input_ids, labels, noise = (part.to(device) for part in (batch.input_ids, batch.labels, batch.noise))
        with self._autocast():
            llm = self.corrector.llm
            arguments = llm.noise_arguments(noise)
            hidden = llm.llm.base_model(input_ids=input_ids, use_cache=False, **arguments).last_hidden_state
            kept = labels != IGNORED
            output_layer = llm.llm.get_output_embeddings()
            assert output_layer is not None  # it is a causal language model
            logits = output_layer(hidden[kept])
        return functional.cross_entropy(logits.float(), labels[kept], reduction="sum")

    @torch.no_grad()
    def dev_loss(self) -> float:
        """Mean cross-entropy per target token over the dev lists."""
        options, examples = self.config.optimization, self.dev_examples
        pieces = (options.micro_batch_size, options.micro_batch_tokens)
        batches = micro_batches(examples, range(len(examples)), *pieces, self.pad)
        total = sum(self._loss_sum(batch).item() for batch in batches)
        return total / sum(len(example.target) for example in examples)

    def dev_wer(self) -> float | None:
        """WER of what is written now for the first `evaluation.wer_lists` dev lists; None where there is none."""
        options = self.config.evaluation
        lists = self.dev_lists[: options.wer_lists]
        with self._autocast():
            transcripts = self.corrector.correct(lists, batch_size=DECODING_BATCH)
        texts = [transcript.text for transcript in transcripts]
        errors = wer([nbest.reference for nbest in lists], texts, normalizer=options.normalizer)
        return errors.rate if errors.words else None

    def evaluate_and_save(self, train_loss: float) -> None:
        """Measures the dev loss and WER, and writes `best` when the loss is the lowest so far, `log.jsonl` and `last`.

        Without dev lists the latest checkpoint counts as the best.
        """
        dev_loss = self.dev_loss() if self.dev_examples else None
        improved = dev_loss is None or dev_loss < self.state.best_loss
        if improved and dev_loss is not None:
            self.state.best_loss = dev_loss
        record = {
            "step": self.state.step,
            "train_loss": train_loss,
            "dev_loss": dev_loss,
            "dev_wer": self.dev_wer(),
            "lr": self.optimizer.param_groups[0]["lr"],
        }
        shown = (f"{name} {value:.4g}" for name, value in list(record.items())[1:] if value is not None)
        logger.info("step %d: %s", self.state.step, ", ".join(shown))
        # `last` comes at the end: what is interrupted before is done again, and gives the same.
        if improved:
            self.corrector.save_pretrained(self.output / "best")
        self.log.append(record)
        save_state(self.output / "last", self.corrector, self.config, self.state, self.optimizer.optimizer)


def load_files(patterns: Sequence[str]) -> list[NBest]:
    """All lists of the files matching the patterns.

    Raises:
        InputError: a pattern matches no file.
    """
    lists: list[NBest] = []
    for pattern in patterns:
        files = sorted(glob.glob(expanded := _expanded(pattern)))
        if not files:
            unset = "; is the variable set?" if "$" in expanded else ""
            raise InputError(f"data: no file matches {pattern}{unset}")
        for file in files:
            lists += load_nbest(file)
    return lists


def _expanded(path: str) -> str:
    """`path` with `~` and environment variables filled in."""
    return os.path.expandvars(os.path.expanduser(path))
