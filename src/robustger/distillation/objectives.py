"""What distillation optimizes: the paper's mutual information, its released form, and the ablations of Table 14."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustger.distillation.network import Contrast, StatisticsNetwork, Student
from robustger.distillation.objective import Distillation, DistillationShape, Network
from robustger.errors import InputError
from robustger.registry import Registry

DISTILLATIONS: Registry[type[Distillation]] = Registry("distillation objective")


def log_mean_exp(values: Tensor) -> Tensor:
    """log(mean(exp(values))) of values (B,), without overflow or underflow; shape ()."""
    return torch.logsumexp(values, dim=0) - math.log(values.shape[0])


@DISTILLATIONS.register("none")
class NoDistillation(Distillation):
    """No distillation: no theta, no step 1, and 0 in step 2."""

    needs_audio = False
    needs_clean = False

    def statistics_loss(self, noise: Tensor, noisy: Tensor | None, clean: Tensor | None) -> None:
        return None

    def adapter_loss(self, tuned: Sequence[Tensor], noisy: Tensor | None, clean: Tensor | None) -> Tensor:
        return torch.zeros(())

    def estimate(
        self, language: Tensor, noisy: Tensor | None, clean: Tensor | None, *, tuned: bool = False
    ) -> None:
        return None

    def _network(self, shape: DistillationShape) -> nn.Module:
        return nn.Module()

    def _loss(
        self, network: Network, language: Tensor, noisy: Tensor, clean: Tensor, *, tuned: bool
    ) -> Tensor:
        return language.new_zeros(())


@DISTILLATIONS.register("paper")
class PaperDistillation(Distillation):
    """Mutual-information estimation as in Algorithm 1, over the Donsker-Varadhan bound (equations 7-8):

        step 1:  theta   <- ascent on   I   = mean psi(E_LN, a_noisy) - log mean exp psi(E_LN, a_clean)
        step 2:  adapter <- ascent on   I_1 = mean psi(T_w(E_LN), a_noisy)

    A sigmoid bounds I by 1 nat whatever is compared. With the output "identity" psi has no bound, and neither has I_1;
    step 2 then ascends on all of I, with T_w(E_LN) in both terms, which is our choice and not the paper's.
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


@DISTILLATIONS.register("released")
class ReleasedDistillation(PaperDistillation):
    """As `paper`, but step 1 ascends on a difference of means, as the released code does:

        step 1:  theta   <- ascent on   mean psi(E_LN, a_noisy) - mean psi(E_LN, a_clean)
        step 2:  adapter <- ascent on   mean psi(tuned, a_noisy), averaged over all tuned embeddings

    With psi in (0, 1) its largest possible value is the total variation distance of the pairs with noisy audio from
    those with clean, at most 1. Without a bound on psi it has no largest value, so the output must be the sigmoid.
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


@DISTILLATIONS.register("teacher_student")
class TeacherStudentDistillation(Distillation):
    """The audio embedding teaches the noise embedding by a Kullback-Leibler divergence (Hinton et al., 2015):

        loss = t^2 mean KL(p || q),   p = softmax(standardized(a_noisy) / t),   q = softmax(s(language) / t)

    The channels of the audio embedding are the classes; it is standardized over them so that t means the same for every
    recognizer. s is the `Student`. Step 1 fits it to E_LN, step 2 the adapter to it. The paper's
    Table 14 names this ablation; the equation is the standard form, not known to be its authors'.
    """

    needs_clean = False
    temperature = 2.0

    def _network(self, shape: DistillationShape) -> nn.Module:
        return Student(shape.noise_dimension, shape.tuned_width, shape.audio_dimension, shape.hidden)

    def _loss(
        self, network: Network, language: Tensor, noisy: Tensor, clean: Tensor, *, tuned: bool
    ) -> Tensor:
        teacher = functional.layer_norm(noisy, noisy.shape[-1:]) / self.temperature
        student = network(language, tuned=tuned) / self.temperature
        if student.shape != teacher.shape:
            raise InputError(
                f"the audio embedding is {noisy.shape[-1]} wide, but distillation was set up for {student.shape[-1]}; "
                "all embeddings must come from one recognizer"
            )
        divergence = functional.kl_div(
            student.log_softmax(-1), teacher.log_softmax(-1), reduction="batchmean", log_target=True
        )
        return self.temperature**2 * divergence


@DISTILLATIONS.register("contrastive")
class ContrastiveDistillation(Distillation):
    """The noise embedding is to find its noisy audio among the clean audio of the batch (InfoNCE):

        loss = mean over i of  -log( exp(s_i / t) / (exp(s_i / t) + sum_j exp(s_ij / t)) )

    s_i is the cosine of z_i = projected language i and the projected noisy audio i, s_ij that of z_i and the projected
    clean audio j, both by `Contrast`. Clean audio stands for what is not noise, as in Algorithm 1; noisy audio of other
    utterances is no negative, for it may hold the same noise. The paper's Table 14 names this ablation; the equation is
    the standard form, not known to be its authors'. log(B + 1) - loss is a lower bound on the mutual information where
    the negatives are drawn from the marginal.
    """

    temperature = 0.07

    def _network(self, shape: DistillationShape) -> nn.Module:
        return Contrast(shape.noise_dimension, shape.tuned_width, shape.audio_dimension, shape.hidden)

    def _loss(
        self, network: Network, language: Tensor, noisy: Tensor, clean: Tensor, *, tuned: bool
    ) -> Tensor:
        similarity = network(language, torch.cat([noisy, clean]), tuned=tuned) / self.temperature
        own, negatives = similarity[:, : len(noisy)].diagonal(), similarity[:, len(noisy) :]
        return (torch.logsumexp(torch.cat([own[:, None], negatives], dim=1), dim=1) - own).mean()

    def _most(self, batch: int) -> float:
        return math.log(batch + 1)
