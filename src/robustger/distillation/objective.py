"""What all distillation objectives have in common: the two steps of Algorithm 1, and what they demand of input."""

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
"""The objective's network, as it is or with its parameters as constants."""


@dataclass(frozen=True, slots=True)
class DistillationShape:
    """Sizes of what distillation compares, read off the adapter and the data.

    Attributes:
        noise_dimension: width of the stored noise embedding (384 for MiniLM).
        tuned_width: width of the adapter's tuned noise embeddings.
        audio_dimension: width of the audio embeddings; 0 where there are none.
        hidden: hidden width of the objective's network; None for a quarter of `tuned_width`, as released.
        output: output of the statistics network, "sigmoid" or "identity"; the other networks have none.
    """

    noise_dimension: int
    tuned_width: int
    audio_dimension: int = 0
    hidden: int | None = None
    output: str = "sigmoid"


class Distillation(nn.Module, ABC):
    """One objective; its parameters are theta. Everything is computed in float32, under autocast too.

    Losses are over the batch they are given. Where one holds a log-mean-exp or negatives, pieces of a batch do not
    average to the whole, so give it at once: no method runs the language model.

    Attributes:
        needs_audio: whether embeddings of the noisy audio must be given.
        needs_clean: whether embeddings of the paired clean audio must be given.
        network: holds theta.

    Args:
        shape: sizes of what is compared.

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
        """Step 1 of Algorithm 1: what theta is to descend on.

        Args:
            noise: E_LN in the sign of the paper, (B, U, noise_dimension).
            noisy: embedding of the noisy audio, (B, audio_dimension).
            clean: embedding of the paired clean audio, (B, audio_dimension).

        Returns:
            scalar whose graph leads to theta alone: inputs are detached. For the mutual-information objectives it is
            -I. None where there is nothing to fit.

        Raises:
            InputError: an embedding is missing, has another width or number of items, or is not finite.
        """
        _check_finite("noise embedding", noise)
        noisy, clean = self._checked(noise, noisy, clean)
        with torch.autocast(noise.device.type, enabled=False):
            return self._loss(self.network, noise.detach().float(), noisy, clean, tuned=False)

    def adapter_loss(self, tuned: Sequence[Tensor], noisy: Tensor | None, clean: Tensor | None) -> Tensor:
        """Step 2 of Algorithm 1: the term that lambda multiplies and that is added to the language model's loss.

        Args:
            tuned: what the adapter makes of E_LN, each (B, U, tuned_width); the losses of several are averaged. The
                trainer gives U = 1, the tuned mean row: no more of it is looked at.
            noisy: embedding of the noisy audio, (B, audio_dimension); detached here.
            clean: embedding of the paired clean audio, (B, audio_dimension); detached here.

        Returns:
            scalar whose graph leads to `tuned` alone: theta takes part as constants and gets no gradient.

        Raises:
            InputError: an audio embedding is missing, has another width or number of items, or is not finite; `tuned`
                has another width, or is empty, as that of the adapter `ger` is. Where `tuned` is not finite, training
                has diverged, and the loss is not finite either.
        """
        if not tuned:
            raise InputError(
                "distillation teaches the noise embedding, and this adapter uses none; set objective: none"
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
        """What the objective says language and audio have in common, for the log; higher is more.

        Args:
            language: stored E_LN, or with `tuned` one tuned noise embedding.
            noisy: embedding of the noisy audio, (B, audio_dimension).
            clean: embedding of the paired clean audio, (B, audio_dimension).
            tuned: which of the two `language` is.

        Returns:
            `paper`: the Donsker-Varadhan value in nats; `contrastive`: the InfoNCE value in nats; `released`: the
            difference of means; `teacher_student`: minus the divergence in nats; None where nothing is compared.

        Raises:
            InputError: as in `statistics_loss`.
        """
        noisy, clean = self._checked(language, noisy, clean)
        with torch.autocast(language.device.type, enabled=False):
            loss = self._loss(self.network, language.float(), noisy, clean, tuned=tuned)
        return self.estimate_of(loss, len(language))

    def estimate_of(self, loss: Tensor, lists: int) -> float:
        """The estimate that belongs to a loss of step 1, without computing anything again.

        Args:
            loss: what `statistics_loss` gave.
            lists: items of its batch.
        """
        return self._most(lists) - loss.item()

    @abstractmethod
    def _network(self, shape: DistillationShape) -> nn.Module:
        """The network that holds theta."""

    @abstractmethod
    def _loss(
        self, network: Network, language: Tensor, noisy: Tensor, clean: Tensor, *, tuned: bool
    ) -> Tensor:
        """Step 1's loss, for either entry."""

    def _adapter_loss(self, network: Network, tuned: Tensor, noisy: Tensor, clean: Tensor) -> Tensor:
        """Step 2's loss for one tuned embedding."""
        return self._loss(network, tuned, noisy, clean, tuned=True)

    def _most(self, batch: int) -> float:
        """The estimate where the loss is 0."""
        return 0.0

    def _checked(self, language: Tensor, noisy: Tensor | None, clean: Tensor | None) -> tuple[Tensor, Tensor]:
        """The audio embeddings in float32, detached; of one that the objective does not look at, an empty tensor."""
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
