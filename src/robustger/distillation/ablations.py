"""Distillation without mutual information: the ablations of the paper's Table 14."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustger.distillation.distillation import Distillation, DistillationShape, Network
from robustger.distillation.network import Contrast, Student
from robustger.errors import InputError


class TeacherStudentDistillation(Distillation):
    """The audio embedding teaches the noise embedding by a Kullback-Leibler divergence (Hinton et al., 2015):

        loss = t^2 mean KL(p || q),   p = softmax(standardized(a_noisy) / t),   q = softmax(s(language) / t)

    The channels of the audio embedding are the classes. The embedding is standardized over them, so that t means the
    same for every recognizer. s is the `Student`. Step 1 fits it to E_LN, and step 2 fits the adapter to it. Table 14
    of the paper names this ablation without an equation; this is the standard form.
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


class ContrastiveDistillation(Distillation):
    """The noise embedding must find its noisy audio among the clean audio of the batch (InfoNCE):

        loss = mean over i of  -log( exp(s_i / t) / (exp(s_i / t) + sum_j exp(s_ij / t)) )

    With z_i the projected noise embedding i, s_i is the cosine of z_i and the projected noisy audio i, and s_ij that of
    z_i and the projected clean audio j; `Contrast` computes both. The negatives are clean audio, as in Algorithm 1.
    Noisy audio of other utterances is not among them, because it may hold the same noise. Table 14 of the paper names
    this ablation without an equation; this is the standard form. Where the negatives are drawn from the marginal,
    log(B + 1) - loss is a lower bound on the mutual information.
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
