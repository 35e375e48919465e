"""Finetuning the adapter: cross-entropy on the reference tokens, the language model frozen (paper, eq. 2-3)."""

from __future__ import annotations

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

from robustger.correction.checkpoint import trained_parameters
from robustger.correction.model import Corrector, best_dtype, default_device
from robustger.errors import InputError
from robustger.hypotheses import NBest, load_nbest
from robustger.training.checkpoint import TrainingState, load_state, save_state
from robustger.training.config import TrainingConfig
from robustger.training.data import (
    IGNORED,
    Batch,
    Example,
    collate,
    epoch_batches,
    micro_batches,
    usable_lists,
)

logger = logging.getLogger(__name__)

EMBEDDING_BATCH = 256  # lists whose noise is embedded at a time


class Trainer:
    """One training run, from configuration to checkpoint folders `last` and `best` (lowest dev loss).

    Args:
        config: the resolved configuration; it is saved beside the checkpoints.

    Raises:
        InputError: no usable training list, or the output folder cannot be written.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.output = Path(config.output)
        device = default_device()
        dtype = best_dtype(device) if config.dtype == "auto" else getattr(torch, config.dtype)
        precision = "bf16" if dtype == torch.bfloat16 else "no"
        self.accelerator = Accelerator(mixed_precision=precision, cpu=device == "cpu")
        torch.manual_seed(config.seed)
        # On a CPU the fused attention's backward pass takes three times as long as the plain one.
        attention = "eager" if device == "cpu" else "sdpa"
        self.corrector = Corrector.create(config.corrector, dtype, str(self.accelerator.device), attention)
        self.pad = self.corrector.tokenizer.pad_token_id or 0
        self.train_examples = self._examples(load_files(config.data.train))
        self.dev_lists = load_files(config.data.dev)
        self.dev_examples = self._examples(self.dev_lists)
        if not self.train_examples:
            raise InputError("data.train: no list there has a reference to train on")
        self.parameters = trained_parameters(self.corrector.llm)
        for parameter in self.parameters.values():
            parameter.data = parameter.data.float()  # bfloat16 steps would round small updates away
            parameter.requires_grad_(True)
        self.optimizer = self.accelerator.prepare(self._optimizer())
        self.steps_per_epoch = math.ceil(len(self.train_examples) / config.optimization.batch_size)
        self.total_steps = self.steps_per_epoch * config.optimization.epochs
        self.state = TrainingState()

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

    def _examples(self, lists: Sequence[NBest]) -> list[Example]:
        """Token ids and noise of every list that has a reference and is short enough."""
        usable = usable_lists(lists)
        if dropped := len(lists) - len(usable):
            logger.warning("%d lists have no reference and are left out", dropped)
        examples: list[Example] = []
        corrector, too_long = self.corrector, 0
        for start in tqdm(range(0, len(usable), EMBEDDING_BATCH), desc="embedding noise", leave=False):
            chunk = usable[start : start + EMBEDDING_BATCH]
            noise = corrector.noise_embedding([nbest.texts for nbest in chunk]).half()
            for nbest, embedding in zip(chunk, noise, strict=True):
                prompt = corrector.prompt_tokens(nbest.texts)
                target = corrector.answer_tokens(" ".join((nbest.reference or "").split()))
                if len(prompt) + len(target) > self.config.data.max_tokens:
                    too_long += 1
                    continue
                examples.append(Example(nbest.id, prompt, target, embedding.clone()))
        if too_long:
            logger.warning("%d lists exceed data.max_tokens and are left out", too_long)
        return examples

    def run(self) -> Path:
        """Trains to the end, from `last` where a run was interrupted; returns the folder of the best checkpoint."""
        self.output.mkdir(parents=True, exist_ok=True)
        if (self.output / "last").is_dir():
            self.state = load_state(
                self.output / "last", self.corrector, self.parameters, self.optimizer.optimizer
            )
            logger.warning("resuming at step %d of %d", self.state.step, self.total_steps)
        options = self.config.optimization
        lengths = [len(example) for example in self.train_examples]
        bar = tqdm(total=self.total_steps, initial=self.state.step, desc="training")
        running, tokens_seen, since = 0.0, 0, time.monotonic()
        while self.state.step < self.total_steps:
            epoch, at = divmod(self.state.step, self.steps_per_epoch)
            for indices in epoch_batches(lengths, options.batch_size, self.config.seed, epoch)[at:]:
                loss, tokens = self.step(indices)
                running = loss if running == 0.0 else 0.95 * running + 0.05 * loss
                tokens_seen += tokens
                rate = tokens_seen / (time.monotonic() - since)
                bar.set_postfix(
                    loss=f"{running:.4f}", dev=f"{self.state.best_loss:.4f}", tokens_s=f"{rate:.0f}"
                )
                bar.update()
                if self.state.step % self.config.evaluation.every_steps == 0:
                    self.evaluate_and_save(running)
        if self.state.step % self.config.evaluation.every_steps:
            self.evaluate_and_save(running)
        bar.close()
        return self.output / "best"

    def step(self, indices: Sequence[int]) -> tuple[float, int]:
        """One optimizer step on the examples at `indices`; returns the mean loss per target token, and all tokens.

        Every micro-batch is weighted by its target tokens, so the gradient is that of the whole batch at once.
        """
        self._set_learning_rate()
        targets = sum(len(self.train_examples[index].target) for index in indices)
        total, tokens = 0.0, 0
        options = self.config.optimization
        pieces = (options.micro_batch_size, options.micro_batch_tokens)
        for batch in micro_batches(self.train_examples, indices, *pieces, self.pad):
            loss = self._loss_sum(batch) / targets
            self.accelerator.backward(loss)
            total += loss.item()
            tokens += batch.input_ids.numel()
        nn.utils.clip_grad_norm_(self.parameters.values(), self.config.optimization.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.state.step += 1
        return total, tokens

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
        with self.accelerator.autocast():
            llm = self.corrector.llm
            arguments = llm.noise_arguments(noise)
            hidden = llm.llm.base_model(input_ids=input_ids, use_cache=False, **arguments).last_hidden_state
            kept = labels != IGNORED
            logits = llm.llm.get_output_embeddings()(hidden[kept])
        return functional.cross_entropy(logits.float(), labels[kept], reduction="sum")

    @torch.no_grad()
    def dev_loss(self) -> float:
        """Mean cross-entropy per target token over the dev lists."""
        ordered = sorted(self.dev_examples, key=len)
        total = sum(
            self._loss_sum(collate(ordered[start : start + 8], self.pad)).item()
            for start in range(0, len(ordered), 8)
        )
        return total / max(1, sum(len(example.target) for example in ordered))

    def evaluate_and_save(self, train_loss: float) -> None:
        """Measures the dev loss and writes `last`, and `best` when it is the lowest so far."""
        dev_loss = self.dev_loss() if self.dev_examples else train_loss
        improved = dev_loss < self.state.best_loss
        self.state.best_loss = min(dev_loss, self.state.best_loss)
        logger.warning("step %d: train loss %.4f, dev loss %.4f", self.state.step, train_loss, dev_loss)
        save_state(self.output / "last", self.corrector, self.config, self.state, self.optimizer.optimizer)
        if improved:
            self.corrector.save_pretrained(self.output / "best")


def load_files(patterns: Sequence[str]) -> list[NBest]:
    """All lists of the files matching the patterns.

    Raises:
        InputError: a pattern matches no file.
    """
    lists: list[NBest] = []
    for pattern in patterns:
        expanded = os.path.expandvars(os.path.expanduser(pattern))
        files = sorted(glob.glob(expanded))
        if not files:
            raise InputError(f"data: no file matches {pattern}")
        for file in files:
            lists += load_nbest(file)
    return lists
