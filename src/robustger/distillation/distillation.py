"""The interface of all distillation objectives: a loss for either step of Algorithm 1, and checks of their inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from robustger.errors import InputError

Network = Callable[..., Tensor]
"""The objective's network, with trainable or with constant parameters."""


@dataclass(frozen=True, slots=True)
class DistillationShape:
    """Sizes of the embeddings that distillation compares, known from the adapter and the data.

    Attributes:
        noise_dimension: width of the stored noise embedding (384 for MiniLM).
        tuned_width: width of the adapter's tuned noise embeddings.
        audio_dimension: width of the audio embeddings; 0 without audio embeddings.
        hidden: hidden width of the objective's network; None for a quarter of `tuned_width`, as released.
        output: output of the statistics network, "sigmoid" or "identity"; other networks ignore it.
    """

    noise_dimension: int
    tuned_width: int
    audio_dimension: int = 0
    hidden: int | None = None
    output: str = "sigmoid"


class Distillation(nn.Module, ABC):
    """A distillation objective. Its parameters are theta. It computes in float32, also under autocast.

    Give the whole batch at once: a log-mean-exp, and negatives taken from the batch, give another loss when the batch
    is split. It fits into memory, because no method runs the language model.

    Attributes:
        needs_audio: whether the objective needs embeddings of the noisy audio.
        needs_clean: whether the objective needs embeddings of the paired clean audio.
        network: holds theta.

    Args:
        shape: sizes of the embeddings.

    Raises:
        InputError: there are no audio embeddings, or the output does not go with the objective.
    """

    needs_audio: ClassVar[bool] = True
    needs_clean: ClassVar[bool] = True

    def __init__(self, shape: DistillationShape) -> None:
        super().__init__()
        if self.needs_audio and shape.audio_dimension < 1:
            raise InputError(
                "distillation compares with audio embeddings, but the lists have none; make them with `robustger nbest`"
            )
        self.network = self._network(shape)

    def statistics_loss(self, noise: Tensor, noisy: Tensor | None, clean: Tensor | None) -> Tensor | None:
        """The loss of step 1 of Algorithm 1, on which theta descends.

        Args:
            noise: E_LN in the sign of the paper, (B, U, noise_dimension).
            noisy: embedding of the noisy audio, (B, audio_dimension).
            clean: embedding of the paired clean audio, (B, audio_dimension).

        Returns:
            a scalar whose graph leads to theta alone, because the inputs are detached. For the mutual-information
            objectives it is -I. None where there is no theta to fit.

        Raises:
            InputError: an embedding is missing, has another width or number of items, or is not finite.
        """
        _check_finite("noise embedding", noise)
        noisy, clean = self._checked(noise, noisy, clean)
        with torch.autocast(noise.device.type, enabled=False):
            return self._loss(self.network, noise.detach().float(), noisy, clean, tuned=False)

    def adapter_loss(self, tuned: Sequence[Tensor], noisy: Tensor | None, clean: Tensor | None) -> Tensor:
        """The loss of step 2 of Algorithm 1, which is multiplied by lambda and added to the language model's loss.

        Args:
            tuned: tuned noise embeddings T_w(E_LN), each (B, U, tuned_width); their losses are averaged. The trainer
                gives U = 1, the tuned mean row, because no objective uses more of it.
            noisy: embedding of the noisy audio, (B, audio_dimension); detached here.
            clean: embedding of the paired clean audio, (B, audio_dimension); detached here.

        Returns:
            a scalar whose graph leads to `tuned` alone; theta takes part as constants and gets no gradient. It is not
            finite where `tuned` is not finite, because training has diverged then.

        Raises:
            InputError: an audio embedding is missing, has another width or number of items, or is not finite; `tuned`
                has another width, or is empty (the adapter `ger` tunes no noise).
        """
        if not tuned:
            raise InputError(
                "distillation teaches the noise embedding, but this adapter uses none; set distillation.objective "
                "to none"
            )
        theta = {name: parameter.detach() for name, parameter in self.network.named_parameters()}

        def fixed(*args: Any, **kwargs: Any) -> Tensor:
            return functional_call(self.network, theta, args, kwargs)

        noisy, clean = self._checked(tuned[0], noisy, clean)
        with torch.autocast(tuned[0].device.type, enabled=False):
            return torch.stack(
                [self._adapter_loss(fixed, part.float(), noisy, clean) for part in tuned]
            ).mean()

    @torch.no_grad()
    def estimate(
        self, language: Tensor, noisy: Tensor | None, clean: Tensor | None, *, tuned: bool = False
    ) -> float | None:
        """The objective's estimate of the information that language and audio share, for the log; higher is more.

        Args:
            language: the stored E_LN, or one tuned noise embedding.
            noisy: embedding of the noisy audio, (B, audio_dimension).
            clean: embedding of the paired clean audio, (B, audio_dimension).
            tuned: whether `language` is tuned.

        Returns:
            `paper`: the Donsker-Varadhan value in nats; `contrastive`: the InfoNCE value in nats; `released`: the
            difference of means; `teacher_student`: minus the divergence in nats; `none`: None.

        Raises:
            InputError: as in `statistics_loss`.
        """
        noisy, clean = self._checked(language, noisy, clean)
        with torch.autocast(language.device.type, enabled=False):
            loss = self._loss(self.network, language.float(), noisy, clean, tuned=tuned)
        return self.estimate_of(loss, len(language))

    def estimate_of(self, loss: Tensor, lists: int) -> float:
        """The estimate that follows from a loss of step 1, without another forward pass.

        Args:
            loss: the result of `statistics_loss`.
            lists: number of lists in its batch.
        """
        return self._most(lists) - loss.item()

    @abstractmethod
    def _network(self, shape: DistillationShape) -> nn.Module:
        """The network that holds theta."""

    @abstractmethod
    def _loss(
        self, network: Network, language: Tensor, noisy: Tensor, clean: Tensor, *, tuned: bool
    ) -> Tensor:
        """The loss of step 1, for a stored or a tuned noise embedding."""

    def _adapter_loss(self, network: Network, tuned: Tensor, noisy: Tensor, clean: Tensor) -> Tensor:
        """The loss of step 2 for one tuned noise embedding."""
        return self._loss(network, tuned, noisy, clean, tuned=True)

    def _most(self, batch: int) -> float:
        """The estimate of the mutual information at a loss of 0."""
        return 0.0

    def _checked(self, language: Tensor, noisy: Tensor | None, clean: Tensor | None) -> tuple[Tensor, Tensor]:
        """The audio embeddings, detached and in float32. An embedding that the objective does not use becomes empty."""
        result = []
        for name, audio, needed in (("noisy", noisy, self.needs_audio), ("clean", clean, self.needs_clean)):
            if not needed:
                result.append(language.new_empty(0))
                continue
            if audio is None:
                raise InputError(
                    f"distillation needs the embedding of the {name} audio of every list; "
                    "make them with `robustger nbest`"
                )
            if audio.shape[0] != language.shape[0]:
                raise InputError(
                    f"there are {audio.shape[0]} embeddings of {name} audio for {language.shape[0]} noise embeddings; "
                    "each list needs its own"
                )
            _check_finite(f"embedding of the {name} audio", audio)
            result.append(audio.detach().float())
        return result[0], result[1]


def _check_finite(name: str, values: Tensor) -> None:
    if not values.isfinite().all():
        item = int((~values.isfinite().flatten(1).all(dim=1)).nonzero()[0])
        raise InputError(f"the {name} of item {item} of the batch holds NaN or infinity; make it again")


class NoDistillation(Distillation):
    """No distillation: there is no theta and no step 1, and the loss of step 2 is 0."""

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
