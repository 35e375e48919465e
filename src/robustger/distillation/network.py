"""The networks of distillation: the statistics network psi(language, audio) of the paper, and two for ablations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustger.errors import InputError
from robustger.registry import Registry

OUTPUTS: Registry[Callable[[Tensor], Tensor]] = Registry("distillation output")
OUTPUTS.register("sigmoid")(torch.sigmoid)
OUTPUTS.register("identity")(lambda score: score)


class LanguageBranch(nn.Module):
    """Maps a noise embedding to one vector: the mean over the rows of W_1 x (tuned) or of W_1 W_0 x (stored).

    The network has two entries. The stored E_LN first passes the interface W_0, which gives it the width of tuned
    embeddings. Both maps are linear and without bias, so the mean over the U rows may be taken before or after them.
    The network therefore sees only the mean row of a noise embedding.

    Args:
        noise_dimension: width of the stored noise embedding (384 for MiniLM).
        tuned_width: width of a tuned noise embedding (that of the language model's hidden states in the paper).
        hidden: width of the result.
    """

    def __init__(self, noise_dimension: int, tuned_width: int, hidden: int) -> None:
        super().__init__()
        self.interface = nn.Linear(noise_dimension, tuned_width, bias=False)
        self.projection = nn.Linear(tuned_width, hidden, bias=False)

    def forward(self, language: Tensor, *, tuned: bool) -> Tensor:
        """(B, U, tuned_width if tuned else noise_dimension) to (B, hidden)."""
        entry = self.projection if tuned else self.interface
        if language.dim() != 3 or language.shape[-1] != entry.in_features:
            raise InputError(
                f"the {'tuned' if tuned else 'stored'} noise embedding has shape {tuple(language.shape)}, but "
                f"distillation was set up for (lists, rows, {entry.in_features}); set it up with that width"
            )
        row = language.mean(dim=1)
        return self.projection(row if tuned else self.interface(row))


def _check_audio(audio: Tensor, dimension: int) -> None:
    if audio.dim() != 2 or audio.shape[-1] != dimension:
        raise InputError(
            f"the audio embedding has shape {tuple(audio.shape)}, but distillation was set up for "
            f"(items, {dimension}); all embeddings must come from one recognizer"
        )


def _hidden_width(hidden: int | None, tuned_width: int) -> int:
    """The hidden width: a quarter of the tuned width, as in the released code, unless it is given."""
    return hidden or max(1, tuned_width // 4)


class StatisticsNetwork(nn.Module):
    """psi_theta(language, audio), appendix B.2, as the released code computes it:

        psi = output(w_4 . silu(W_3 (silu(mean_U W_1 x) + silu(W_2 a))))

    with x a tuned embedding, or W_0 E_LN for a stored one, and a the audio embedding. No layer has a bias. The released
    code takes encoder frames and averages W_2 a_t over time before the first non-linearity. That is W_2 times the
    average frame, so only the mean over time is needed. The released sizes are 384, 4096 and 1280, the hidden widths a
    quarter and a sixteenth of the language model's width, and the output is the sigmoid.

    Args:
        noise_dimension: width of the stored noise embedding.
        tuned_width: width of a tuned noise embedding.
        audio_dimension: width of the audio embedding.
        hidden: width of both branches; a quarter of `tuned_width` unless given. The next layer has a quarter of it.
        output: a name in `OUTPUTS`: "sigmoid" (paper: psi in (0, 1)) or "identity" (unbounded).

    Raises:
        InputError: unknown output.
    """

    def __init__(
        self,
        noise_dimension: int,
        tuned_width: int,
        audio_dimension: int,
        hidden: int | None = None,
        output: str = "sigmoid",
    ) -> None:
        super().__init__()
        hidden = _hidden_width(hidden, tuned_width)
        self.language = LanguageBranch(noise_dimension, tuned_width, hidden)
        self.audio = nn.Linear(audio_dimension, hidden, bias=False)
        self.joint = nn.Linear(hidden, max(1, hidden // 4), bias=False)
        self.score = nn.Linear(self.joint.out_features, 1, bias=False)
        self.output = OUTPUTS.get(output)

    def forward(self, language: Tensor, audio: Tensor, *, tuned: bool) -> Tensor:
        """One number per item.

        Args:
            language: E_LN (B, U, noise_dimension), or T_w(E_LN) (B, U, tuned_width) if `tuned`.
            audio: time-mean of the recognizer's encoder states, (B, audio_dimension).
            tuned: whether `language` is tuned.

        Returns:
            psi, shape (B,).

        Raises:
            InputError: a width is not the one the network was made for.
        """
        _check_audio(audio, self.audio.in_features)
        branches = functional.silu(self.language(language, tuned=tuned)) + functional.silu(self.audio(audio))
        return self.output(self.score(functional.silu(self.joint(branches))).squeeze(-1))


class Student(nn.Module):
    """Maps a noise embedding to one logit per channel of the audio embedding: W_2 silu(mean_U W_1 x).

    For `teacher_student`.

    Args:
        noise_dimension, tuned_width, audio_dimension, hidden: as for `StatisticsNetwork`.
    """

    def __init__(
        self, noise_dimension: int, tuned_width: int, audio_dimension: int, hidden: int | None = None
    ) -> None:
        super().__init__()
        self.language = LanguageBranch(noise_dimension, tuned_width, _hidden_width(hidden, tuned_width))
        self.channels = nn.Linear(self.language.projection.out_features, audio_dimension)

    def forward(self, language: Tensor, *, tuned: bool) -> Tensor:
        """(B, U, width of the entry) to (B, audio_dimension)."""
        return self.channels(functional.silu(self.language(language, tuned=tuned)))


class Contrast(nn.Module):
    """Compares noise and audio embeddings by their cosine in a shared space of `hidden` dimensions, for `contrastive`.

    Args:
        noise_dimension, tuned_width, audio_dimension, hidden: as for `StatisticsNetwork`.
    """

    def __init__(
        self, noise_dimension: int, tuned_width: int, audio_dimension: int, hidden: int | None = None
    ) -> None:
        super().__init__()
        hidden = _hidden_width(hidden, tuned_width)
        self.language = LanguageBranch(noise_dimension, tuned_width, hidden)
        self.audio = nn.Linear(audio_dimension, hidden, bias=False)

    def forward(self, language: Tensor, audio: Tensor, *, tuned: bool) -> Tensor:
        """(B, U, width of the entry) and (M, audio_dimension) to cosines (B, M)."""
        _check_audio(audio, self.audio.in_features)
        one, other = self.language(language, tuned=tuned), self.audio(audio)
        return functional.normalize(one, dim=-1) @ functional.normalize(other, dim=-1).T
