"""Noise rows made of the noisy audio itself: the paper's baseline "+ audio denoising".

The paper's method takes the noise from the language space. Its baseline conditions the same adapter on the recognizer's
encoder instead. The paper does not say how the encoder's frames become N(N-1) rows. Here every row is their mean over
time, scaled to length one as the sentence encoder's vectors are, so that the tuner T_w sees numbers of the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from robustger.errors import InputError
from robustger.hypotheses import NBest

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

AudioLookup = Callable[[NBest], "np.ndarray | None"]
"""Gives the embedding of a list's noisy audio, float32 (D,), or None where the list has none."""


def audio_embeddings_of(lists: Sequence[NBest], heard: AudioLookup | None) -> Tensor:
    """The embeddings of the noisy audio of lists, shape (B, D).

    Args:
        lists: the lists.
        heard: looks up the embedding of a list; None finds nothing.

    Raises:
        InputError: a list has no embedding.
    """
    import torch

    found = [None if heard is None else heard(nbest) for nbest in lists]
    for nbest, embedding in zip(lists, found, strict=True):
        if embedding is None:
            raise InputError(
                f"list {nbest.id!r} has no embedding of its audio, which this checkpoint needs (noise: audio); make "
                "lists with `robustger nbest ... --embeddings` and keep the embeddings beside them"
            )
    return torch.stack([torch.as_tensor(embedding) for embedding in found])


def in_every_row(embeddings: Tensor, rows: int, width: int) -> Tensor:
    """Noise rows that all hold the embedding of the audio, scaled to length one.

    Args:
        embeddings: the mean over time of the encoder's last hidden state, shape (B, D).
        rows: U, the number of rows.
        width: E, the width of a row, which D must equal.

    Returns:
        shape (B, U, E), a view of (B, 1, E).

    Raises:
        InputError: D differs from E.
    """
    from torch.nn import functional

    if embeddings.shape[-1] != width:
        raise InputError(
            f"the embeddings of the audio are {embeddings.shape[-1]} wide, and corrector.noise_dimension is {width}: "
            f"take lists of the same recognizer, or train with {embeddings.shape[-1]}"
        )
    return functional.normalize(embeddings.float(), dim=-1)[:, None].expand(-1, rows, -1)
