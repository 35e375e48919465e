"""Algorithm 1 of the paper: the two steps of one training iteration.

Each iteration takes a batch of N-best lists with their noisy audio X_n and clean audio X_c:

1. I = mean psi(E_LN, asr(X_n)) - log mean exp psi(E_LN, asr(X_c));
   theta <- gradient ascent on I
2. L_H2T with T_w(E_LN) conditioning the language model;  I_1 = mean psi(T_w(E_LN), asr(X_n));
   adapter and tuner <- gradient descent on L_H2T - lambda I_1

Step 1 runs no language model (the released code does, and discards its output) and takes the whole batch at once,
because a log-mean-exp is not a sum over lists. In step 2 only the language model's part is cut into micro-batches and
shared among processes. Other objectives of `robustger.distillation` replace the losses -I and -I_1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.distillation import Distillation
from robustger.training.batching import IGNORED, TrainingBatch
from robustger.training.processes import Processes


@dataclass(frozen=True, slots=True)
class WholeBatch:
    """The inputs of distillation for a batch of B lists.

    Attributes:
        noise: E_LN in the sign and order of the corrector's variant, shape (B, U, E).
        noisy: asr(X_n), embeddings of the noisy audio, shape (B, D); None where the objective does not use them.
        clean: asr(X_c), embeddings of the clean audio, shape (B, D); None where the objective does not use them.
    """

    noise: Tensor
    noisy: Tensor | None
    clean: Tensor | None


@dataclass(frozen=True, slots=True)
class StatisticsStep:
    """The measurements of step 1.

    What I is without E_LN, or with that of another list, comes from the audio alone: most of I tells noisy from clean
    audio, because the clean audio stands for the product of the marginals.

    Attributes:
        mutual_information: the objective's estimate of I before the step.
        gradient_norm: norm of theta's gradient, before it is clipped.
        without_noise: the estimate with E_LN = 0.
        with_other_noise: the estimate with the E_LN of the next list of the batch; None in a batch of one list.
    """

    mutual_information: float
    gradient_norm: float
    without_noise: float
    with_other_noise: float | None

    @property
    def finite(self) -> bool:
        return math.isfinite(self.mutual_information) and math.isfinite(self.gradient_norm)


@dataclass(frozen=True, slots=True)
class AdapterStep:
    """The measurements of step 2.

    Attributes:
        h2t_loss: L_H2T, mean cross-entropy per target token.
        distillation_loss: the loss that lambda multiplies (-I_1 in the paper); None without distillation.
        gradient_norm: norm of the gradient of both losses together, before it is clipped.
        tokens: tokens of the batch in all processes, with their padding.
        loss_without_noise: the distillation loss of T_w(0). Where it is as low as `distillation_loss`, a constant
            satisfies the objective, and nothing is distilled.
        loss_with_other_noise: the distillation loss with the next list's E_LN; None in a batch of one list.
    """

    h2t_loss: float
    distillation_loss: float | None
    gradient_norm: float
    tokens: int
    loss_without_noise: float | None = None
    loss_with_other_noise: float | None = None

    @property
    def finite(self) -> bool:
        return all(
            math.isfinite(x) for x in (self.h2t_loss, self.distillation_loss or 0.0, self.gradient_norm)
        )


def _next_lists(noise: Tensor) -> Tensor | None:
    """The noise rows (B, U, E) of the next list for every list of a batch; None where there is no other list."""
    return noise.roll(1, 0) if len(noise) > 1 else None


class Algorithm1:
    """The two steps. Each changes its own parameters and no others.

    A step whose loss or gradient is not finite changes nothing; its `finite` is False.

    Args:
        llm: the conditioned language model.
        parameters: the parameters that step 2 trains: adapter, tuner and LoRA.
        optimizer: optimizes these parameters.
        distillation: the objective, whose parameters are theta; None leaves only L_H2T.
        statistics_optimizer: optimizes theta; None where there is no theta.
        weight: lambda.
        max_grad_norm: gradients of either step are scaled down to this norm.
        processes: the processes that share the lists of step 2, and the device of this one. Each of them computes by
            itself what takes the whole batch at once.
        dtype: precision of the language model; with bfloat16, L_H2T is computed in mixed precision.
    """

    def __init__(
        self,
        llm: ConditionedLLM,
        parameters: Mapping[str, nn.Parameter],
        optimizer: torch.optim.Optimizer,
        distillation: Distillation | None,
        statistics_optimizer: torch.optim.Optimizer | None,
        *,
        weight: float,
        max_grad_norm: float,
        processes: Processes,
        dtype: torch.dtype,
    ) -> None:
        self.llm = llm
        self.parameters = parameters
        self.optimizer = optimizer
        self.distillation = distillation
        self.statistics_optimizer = statistics_optimizer
        self.weight = weight
        self.max_grad_norm = max_grad_norm
        self.processes = processes
        self.dtype = dtype

    @property
    def learning_rate(self) -> float:
        """The current learning rate of the adapter."""
        return self.optimizer.param_groups[0]["lr"]

    def statistics_step(self, batch: WholeBatch | None) -> StatisticsStep | None:
        """Step 1: theta <- gradient ascent on I, with E_LN as a constant.

        None without distillation, or where the objective has no theta.
        """
        if self.distillation is None or self.statistics_optimizer is None or batch is None:
            return None
        # The released variant stores -E_LN; the statistics network takes E_LN.
        noise = -batch.noise if self.llm.variant == "released" else batch.noise
        loss = self.distillation.statistics_loss(noise, batch.noisy, batch.clean)  # -I
        assert loss is not None  # there is a theta to fit
        information = self.distillation.estimate_of(loss, len(noise))
        without, other = (
            None if language is None else self.distillation.estimate(language, batch.noisy, batch.clean)
            for language in (torch.zeros_like(noise), _next_lists(noise))
        )
        assert without is not None  # there is a theta
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.distillation.parameters(), self.max_grad_norm)
        found = StatisticsStep(information, norm.item(), without, other)
        if found.finite:
            self.statistics_optimizer.step()
        self.statistics_optimizer.zero_grad()
        return found

    def adapter_step(
        self, batches: Iterable[TrainingBatch], targets: int, whole: WholeBatch | None
    ) -> AdapterStep:
        """Step 2: adapter and tuner <- gradient descent on L_H2T - lambda I_1, with theta as a constant.

        Args:
            batches: this process's share of the lists, in pieces of any size. Each piece is weighted by its target
                tokens, so that the gradient is that of the whole batch at once.
            targets: target tokens of the step's lists in all processes.
            whole: all lists of the step, for distillation; None without it.
        """
        h2t_loss, tokens = 0.0, 0.0
        with self._dropout():
            for batch in batches:
                loss = self.h2t_loss_sum(batch) / targets
                loss.backward()
                h2t_loss += loss.item()
                tokens += batch.input_ids.numel()
        distillation_loss = self._distill(whole)
        without, other = self._distillation_controls(whole)
        self.processes.sum_gradients(self.parameters.values())
        h2t_loss, tokens = self.processes.total(h2t_loss, tokens)
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self.max_grad_norm)
        found = AdapterStep(h2t_loss, distillation_loss, norm.item(), int(tokens), without, other)
        if found.finite:
            self.optimizer.step()
        self.optimizer.zero_grad()
        return found

    def _distill(self, batch: WholeBatch | None) -> float | None:
        """Adds the gradient of lambda times the distillation loss (-I_1) and returns that loss."""
        if self.distillation is None or batch is None:
            return None
        loss = self._distillation_loss(batch.noise, batch)
        if loss is None:
            return math.nan  # the adapter has diverged
        (self.weight / self.processes.count * loss).backward()  # each process adds the same
        return loss.item()

    @torch.no_grad()
    def _distillation_controls(self, batch: WholeBatch | None) -> tuple[float | None, float | None]:
        """The distillation loss with E_LN = 0, and with the E_LN of other lists; None where there is none."""
        if self.distillation is None or batch is None:
            return None, None
        inputs = (torch.zeros_like(batch.noise), _next_lists(batch.noise))
        losses = [None if noise is None else self._distillation_loss(noise, batch) for noise in inputs]
        without, other = (None if loss is None else loss.item() for loss in losses)
        return without, other

    def _distillation_loss(self, noise: Tensor, batch: WholeBatch) -> Tensor | None:
        """-I_1 of the noise rows (B, U, E) and the batch's audio; None where T_w of them is not finite."""
        assert self.distillation is not None
        # T_w is affine, and psi takes the mean of the tuned rows. That is the tuned mean row, which costs a twentieth.
        tuned = self.llm.adapter.tuned_noise(noise.mean(dim=1, keepdim=True))
        if not all(part.isfinite().all() for part in tuned):
            return None
        return self.distillation.adapter_loss(tuned, batch.noisy, batch.clean)

    def h2t_loss_sum(self, batch: TrainingBatch) -> Tensor:
        """L_H2T as a sum over the target tokens, from the model's own logits at their positions alone."""
        device = self.processes.device
        input_ids, labels, noise = (part.to(device) for part in (batch.input_ids, batch.labels, batch.noise))
        kept = labels != IGNORED
        with self.autocast(), self.llm.only(kept.nonzero()):
            arguments = self.llm.noise_arguments(noise)
            logits = self.llm.llm(input_ids=input_ids, use_cache=False, **arguments).logits
        return functional.cross_entropy(logits.float(), labels[kept], reduction="sum")

    def autocast(self) -> torch.autocast:
        """Mixed precision for a bfloat16 language model: float32 parameters take part in computations as bfloat16."""
        enabled = self.dtype == torch.bfloat16
        return torch.autocast(self.processes.device.type, torch.bfloat16, enabled=enabled)

    @contextmanager
    def _dropout(self) -> Iterator[None]:
        """Switches the dropout of LoRA on; that of the frozen language model stays off."""
        modules = [module for name, module in self.llm.named_modules() if ".lora_dropout" in name]
        for module in modules:
            module.train()
        try:
            yield
        finally:
            for module in modules:
                module.eval()
