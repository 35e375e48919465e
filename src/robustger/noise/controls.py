"""What may stand in the place of E_LN, to find out whether it is the noise that helps.

A corrector with 20 extra vectors, whatever they hold, has more parameters and more to attend to than one without. So
its gain is compared with that of the same corrector on

- `zero`      E_LN = 0
- `shuffled`  the E_LN of another list: real noise embeddings that tell nothing about this one
- `random`    rows of independent Gaussians, each of the norm of the row it stands for: only how much the hypotheses
  differ is left of E_LN

in training and in correction alike; in correction the other lists are those of the same call (`Corrector.correct`; of a
file, those of the same chunk of lines). The paper has no such controls.

Which part of E_LN helps is what `one_level` is for: the paper's Table 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def random_like(noise: Tensor, lists: Sequence[Sequence[str]]) -> Tensor:
    """Gaussian rows with the norms of the rows of `noise`, drawn for each list from a seed that its texts alone give.

    So a list gets the same in training and in correction, and in any batch.

    Args:
        noise: shape (B, U, E).
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
    """`noise`, shape (B, U, E), with zeros outside of the rows that are kept.

    The paper does not say what its ablation puts in the place of the other level; with zeros, the number of prompt
    vectors and of parameters stays the same.
    """
    import torch

    result = torch.zeros_like(noise)
    result[:, kept] = noise[:, kept]
    return result


def donors(count: int, seed: int = 0) -> list[int]:
    """For each of `count` lists, another one, whose E_LN it gets: every list gives once, and none to itself.

    One list alone has no other: there the only entry is 0, its own.
    """
    import torch

    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    result = torch.empty(count, dtype=torch.long)
    result[order] = order.roll(1)
    return result.tolist()
