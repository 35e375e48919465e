"""The embedding of the noisy audio in the place of E_LN: the paper's baseline "+ audio denoising".

The language space is what the paper adds; this is the same adapter conditioned on the recognizer's encoder instead. The
paper does not say how the encoder's frames become N(N-1) rows. Here every row is their mean over time, scaled to length
one as the sentence encoder's vectors are, so that the tuner T_w sees numbers of the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from robustger.errors import InputError
from robustger.hypotheses import NBest

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Heard = Callable[[NBest], "np.ndarray | None"]
"""Gives the embedding of a list's noisy audio, float32 (D,), or None where it has none."""


def heard_in(lists: Sequence[NBest], heard: Heard | None) -> Tensor:
    """The embeddings of the noisy audio of lists, (B, D).

    Raises:
        InputError: a list has none.
    """
    import torch

    rows = [None if heard is None else heard(nbest) for nbest in lists]
    for nbest, row in zip(lists, rows, strict=True):
        if row is None:
            raise InputError(
                f"list {nbest.id!r} has no embedding of its audio, which this checkpoint needs (noise: audio); make "
                "lists with `robustger nbest ... --embeddings` and keep the embeddings beside them"
            )
    return torch.stack([torch.as_tensor(row) for row in rows])


def in_every_row(heard: Tensor, rows: int, width: int) -> Tensor:
    """The embeddings of audio as a noise embedding.

    Args:
        heard: time-means of the encoder's last hidden state, (B, D).
        rows: U.
        width: E, which D must be.

    Returns:
        (B, U, E), a view of (B, 1, E).

    Raises:
        InputError: they have another width.
    """
    from torch.nn import functional

    if heard.shape[-1] != width:
        raise InputError(
            f"the embeddings of the audio are {heard.shape[-1]} wide, and corrector.noise_dimension is {width}: take "
            f"lists of the same recognizer, or train with {heard.shape[-1]}"
        )
    return functional.normalize(heard.float(), dim=-1)[:, None].expand(-1, rows, -1)
