"""Controls replace E_LN by other rows, to find out whether it is the noise that helps.

A corrector with 20 extra vectors has more parameters and more to attend to than a corrector without, whatever the
vectors hold. So its gain is compared with the gain of the same corrector on

- `zero`      zeros
- `shuffled`  the E_LN of another list: a real noise embedding that carries no information about this list
- `random`    independent Gaussian rows with the norms of the rows of E_LN: only how much the hypotheses differ is left

in training and in correction alike. The paper has no such controls. `one_level` serves the paper's Table 3, which asks
which part of E_LN helps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def random_like(noise: Tensor, lists: Sequence[Sequence[str]]) -> Tensor:
    """Gaussian rows with the norms of the rows of `noise`.

    The seed of a list depends only on its texts, so that a list gets the same rows in training and in correction, and
    in any batch.

    Args:
        noise: noise rows, shape (B, U, E).
        lists: the hypotheses of the B lists.
    """
    import torch

    generator = torch.Generator()
    drawn = torch.empty_like(noise)
    for row, texts in enumerate(lists):
        digest = hashlib.sha256("\n".join(texts).encode("utf-8", "surrogatepass")).digest()
        generator.manual_seed(int.from_bytes(digest[:8], "little"))
        drawn[row] = torch.randn(noise.shape[1:], generator=generator)
    return drawn / drawn.norm(dim=-1, keepdim=True) * noise.norm(dim=-1, keepdim=True)


def one_level(noise: Tensor, kept: slice) -> Tensor:
    """`noise`, shape (B, U, E), with zeros in all rows but those that are kept.

    The paper does not say what replaces the other level in its ablation. With zeros, the numbers of prompt vectors and
    parameters stay the same.
    """
    import torch

    result = torch.zeros_like(noise)
    result[:, kept] = noise[:, kept]
    return result


def donors(count: int, seed: int = 0) -> list[int]:
    """For each of `count` lists the position of another list, whose E_LN it gets.

    Every list is used once, and none by itself. Only a list without any other gets its own position, 0.
    """
    import torch

    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    result = torch.empty(count, dtype=torch.long)
    result[order] = order.roll(1)
    return result.tolist()
