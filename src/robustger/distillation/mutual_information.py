"""Distillation by mutual information: the objective of the paper, and its form in the released code."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from robustger.distillation.distillation import Distillation, DistillationShape, Network
from robustger.distillation.network import StatisticsNetwork
from robustger.errors import InputError


def log_mean_exp(values: Tensor) -> Tensor:
    """log(mean(exp(values))) of values (B,), without overflow or underflow; shape ()."""
    return torch.logsumexp(values, dim=0) - math.log(values.shape[0])


class PaperDistillation(Distillation):
    """Mutual-information estimation as in Algorithm 1, over the Donsker-Varadhan bound (equations 7-8):

        step 1:  theta   <- ascent on   I   = mean psi(E_LN, a_noisy) - log mean exp psi(E_LN, a_clean)
        step 2:  adapter <- ascent on   I_1 = mean psi(T_w(E_LN), a_noisy)

    A sigmoid bounds I by 1 nat, whatever is compared. With the output "identity" neither psi nor I_1 has a bound. Then
    step 2 ascends on all of I, with T_w(E_LN) in both terms. This is our choice and not the paper's.
    """

    def __init__(self, shape: DistillationShape) -> None:
        super().__init__(shape)
        self._bounded = shape.output == "sigmoid"

    def _network(self, shape: DistillationShape) -> nn.Module:
        return StatisticsNetwork(
            shape.noise_dimension, shape.tuned_width, shape.audio_dimension, shape.hidden, shape.output
        )

    def _loss(
        self, network: Network, language: Tensor, noisy: Tensor, clean: Tensor, *, tuned: bool
    ) -> Tensor:
        joint = network(language, noisy, tuned=tuned).mean()
        return log_mean_exp(network(language, clean, tuned=tuned)) - joint

    def _adapter_loss(self, network: Network, tuned: Tensor, noisy: Tensor, clean: Tensor) -> Tensor:
        if self._bounded:
            return -network(tuned, noisy, tuned=True).mean()
        return self._loss(network, tuned, noisy, clean, tuned=True)


class ReleasedDistillation(PaperDistillation):
    """As `paper`, but step 1 ascends on a difference of means, as the released code does:

        step 1:  theta   <- ascent on   mean psi(E_LN, a_noisy) - mean psi(E_LN, a_clean)
        step 2:  adapter <- ascent on   mean psi(tuned, a_noisy), averaged over all tuned embeddings

    With psi in (0, 1) its largest possible value is the total variation distance between the pairs with noisy audio and
    those with clean audio, at most 1. Without a bound on psi it grows without end, so the output must be the sigmoid.
    """

    def __init__(self, shape: DistillationShape) -> None:
        if shape.output != "sigmoid":
            raise InputError(
                f"distillation objective 'released' grows without end under output {shape.output!r}; "
                "use output 'sigmoid' or objective 'paper'"
            )
        super().__init__(shape)

    def _loss(
        self, network: Network, language: Tensor, noisy: Tensor, clean: Tensor, *, tuned: bool
    ) -> Tensor:
        joint = network(language, noisy, tuned=tuned).mean()
        return network(language, clean, tuned=tuned).mean() - joint
