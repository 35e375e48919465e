"""A KV cache whose rows grow by themselves: each takes back what it wrote in vain, and goes on where it was right.

Rows of a batch accept different numbers of drafted tokens. Here a token's slot in the cache is its place in its own
row, so that what was rejected is simply written over. Nothing is moved, no slot lies idle between two tokens, and
windows that a model counts in slots are windows in tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import Cache

ROOM = 32  # slots that are added at once: every growth copies the cache


class RowCache(Cache):
    """Keys and values of a batch whose rows go on from places of their own.

    `place` says where, then the model's forward pass writes there and sees nothing behind what it writes. The model
    gets its offset, an integer or one number per row, through transformers' masks; see `mask_by_row`.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self._keys: list[Tensor] = []  # for each layer, (B, H, slots, D)
        self._values: list[Tensor] = []
        self.length = 0  # slots that attention has to look at
        self._offset: int | Tensor = 0
        self._rows = self._slots = torch.empty(0)

    @property
    def is_compileable(self) -> bool:
        return False

    def place(self, starts: Sequence[int], length: int, device: torch.device) -> Tensor:
        """Says where the next tokens go.

        Args:
            starts: slot of the first one, for each row.
            length: tokens per row.
            device: of the cache.

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
        """A cache of its own for these rows, which may come again, up to a number of slots."""
        chosen = RowCache()
        at = torch.tensor(rows, device=self._keys[0].device)
        chosen._keys = [keys[at, :, :length] for keys in self._keys]
        chosen._values = [values[at, :, :length] for values in self._values]
        return chosen

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Writes keys and values (B, H, T, D) to their slots, and returns all up to the last slot written."""
        if layer_idx == len(self._keys):  # all rows begin in the first slot
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
        """Slot of the first token to come, an integer or of shape (B,)."""
        return self._offset

    def get_query_offset(self, layer_idx: int = 0) -> Any:
        return self._offset

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """Number of slots that attention sees, and the first."""
        return self.length, 0


def mask_by_row(mask: Callable[..., Any]) -> Callable[..., Any]:
    """The mask function of transformers that also takes a `q_offset` of shape (B,): where each row's queries begin.

    What a query sees is decided by functions of slots, windows included; here each row's slots are handed to them.
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
