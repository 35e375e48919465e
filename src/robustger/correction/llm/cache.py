"""A KV cache whose rows grow independently of each other.

Rows of a batch accept different numbers of drafted tokens. In this cache the slot of a token is its position in its own
row, so that rejected tokens are simply overwritten. Nothing is moved, there are no empty slots between tokens, and
attention windows that a model counts in slots are windows in tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import Cache

ROOM = 32  # slots that are added together, because every growth copies the cache


class RowCache(Cache):
    """The keys and values of a batch, in which every row continues at its own slot.

    Call `place` with these slots before a forward pass. The pass then writes its keys and values there, and sees no
    later slot. The model gets the offset, an integer or one number per row, through the masks of transformers; see
    `mask_by_row`.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self._keys: list[Tensor] = []  # for each layer, (B, H, slots, D)
        self._values: list[Tensor] = []
        self.length = 0  # slots that attention sees
        self._offset: int | Tensor = 0
        self._rows = self._slots = torch.empty(0)

    @property
    def is_compileable(self) -> bool:
        return False

    def place(self, starts: Sequence[int], length: int, device: torch.device) -> Tensor:
        """Sets the slots of the next tokens.

        Args:
            starts: for each row, the slot of its first token.
            length: tokens per row.
            device: device of the cache.

        Returns:
            slots of all tokens, shape (B, length).
        """
        first = torch.tensor(starts, device=device)
        self.length = max(starts) + length
        self._offset = first if len(set(starts)) > 1 else starts[0]
        self._rows = torch.arange(len(starts), device=device)[:, None]
        self._slots = first[:, None] + torch.arange(length, device=device)
        return self._slots

    def select(self, rows: Sequence[int], length: int | None = None) -> RowCache:
        """A new cache with copies of these rows, up to a number of slots; a row may be given several times."""
        chosen = RowCache()
        at = torch.tensor(rows, device=self._keys[0].device)
        chosen._keys = [keys[at, :, :length] for keys in self._keys]
        chosen._values = [values[at, :, :length] for values in self._values]
        return chosen

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Writes keys and values (B, H, T, D) to their slots, and returns those of all slots in use."""
        if layer_idx == len(self._keys):  # the first pass: all rows begin in the first slot
            self._keys.append(key_states)
            self._values.append(value_states)
            return key_states, value_states
        return self._write(self._keys, layer_idx, key_states), self._write(
            self._values, layer_idx, value_states
        )

    def _write(self, tensors: list[Tensor], layer: int, states: Tensor) -> Tensor:
        missing = self.length - tensors[layer].shape[2]
        if missing > 0:
            tensors[layer] = functional.pad(tensors[layer], (0, 0, 0, max(missing, ROOM)))
        tensors[layer][self._rows, :, self._slots] = states.transpose(1, 2)
        return tensors[layer][:, :, : self.length]

    def get_seq_length(self, layer_idx: int = 0) -> Any:
        """The slot of the next token, an integer or a tensor of shape (B,)."""
        return self._offset

    def get_query_offset(self, layer_idx: int = 0) -> Any:
        return self._offset

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """The number of slots that attention sees, and the first of them."""
        return self.length, 0


def mask_by_row(mask: Callable[..., Any]) -> Callable[..., Any]:
    """Extends a mask function of transformers to a `q_offset` of shape (B,), the slot of each row's first query.

    Functions of slots decide which keys a query sees, also within windows. Each row's own slots are passed to them.
    """

    def build(
        *, q_offset: int | Tensor = 0, mask_function: Callable[..., Tensor], **options: Any
    ) -> Tensor | None:
        if not isinstance(q_offset, Tensor) or q_offset.dim() == 0:
            return mask(q_offset=q_offset, mask_function=mask_function, **options)

        def of_row(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            return mask_function(batch, head, query + q_offset[batch], key)

        options["allow_is_causal_skip"] = False
        return mask(q_offset=0, mask_function=of_row, **options)

    return build
