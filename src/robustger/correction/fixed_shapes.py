"""Passes of a few fixed shapes, which a GPU can be told once: CUDA graphs.

Behind the first pass a batch reads a handful of tokens, in as many kernels as a pass over thousands. With few rows a
kernel is over before the host has launched the next. Here such a pass runs over buffers of fixed shapes, padded to the
next larger one, so that its launches can be recorded once and replayed as one.

Elsewhere than on a GPU nothing is recorded, and a pass only has the padding; results are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from robustger.correction.llm.cache import RowCache
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.errors import UnsupportedModelError

# Few enough that a shape is soon met again. More rows keep a GPU busy as they are.
ROWS = (1, 4, 16)
TOKENS = (2, 8, 32, 128, 512)
FEWEST_SLOTS = 256
WARM_UP = 3  # passes before the one that is recorded, in which libraries settle on their kernels


class FixedPasses:
    """Recorded passes of a language model, kept for as long as this object is.

    Args:
        llm: the conditioned language model.
    """

    def __init__(self, llm: ConditionedLLM) -> None:
        self._llm = llm
        self._caches: dict[tuple[int, int], FixedCache] = {}  # by rows and slots

    def hold(
        self,
        cache: RowCache,
        noise_arguments: Mapping[str, Tensor],
        rows: int,
        slots: int,
        tokens: int,
    ) -> FixedCache | None:
        """What is in a cache, in buffers of a fixed shape. None where they would have to be too large.

        Args:
            cache: of the rows that go on.
            noise_arguments: of these rows.
            rows: how many they are.
            slots: most slots that a row will need.
            tokens: most tokens of a pass.
        """
        if rows > ROWS[-1] or tokens > TOKENS[-1]:
            return None
        padded = slots + _at_least(TOKENS, tokens)
        shape = (_at_least(ROWS, rows), max(FEWEST_SLOTS, 1 << (padded - 1).bit_length()))
        if shape not in self._caches:
            self._caches[shape] = FixedCache(self._llm, cache, noise_arguments, *shape)
        held = self._caches[shape]
        held.fill(cache, noise_arguments, rows)
        return held


class FixedCache(RowCache):
    """A cache that neither grows nor moves, and the passes that read and write it."""

    def __init__(
        self,
        llm: ConditionedLLM,
        like: RowCache,
        noise_arguments: Mapping[str, Tensor],
        rows: int,
        slots: int,
    ) -> None:
        super().__init__()
        device = llm.device
        self._llm = llm
        # Zeros: what no query may see still takes part, times nothing, and must be a number.
        self._keys = [keys.new_zeros(rows, keys.shape[1], slots, keys.shape[3]) for keys in like._keys]
        self._values = [
            values.new_zeros(rows, values.shape[1], slots, values.shape[3]) for values in like._values
        ]
        self._noise = {
            name: value.new_zeros(rows, *value.shape[1:]) for name, value in noise_arguments.items()
        }
        self._offset = self._starts = torch.zeros(rows, dtype=torch.long, device=device)
        self._rows = torch.arange(rows, device=device)[:, None]
        self._passes: dict[int, tuple[Tensor, Callable[[], Tensor]]] = {}  # tokens -> input and pass
        self._pool: Any = None  # of the GPU's memory, shared by all recordings
        self.length = slots

    def fill(self, cache: RowCache, noise_arguments: Mapping[str, Tensor], rows: int) -> None:
        """Takes over the rows of another cache, at most as many as there is room for."""
        for own, theirs in ((self._keys, cache._keys), (self._values, cache._values)):
            for buffer, states in zip(own, theirs, strict=True):
                length = min(self.length, states.shape[2])
                buffer[:rows, :, :length] = states[:, :, :length]
        for name, value in noise_arguments.items():
            self._noise[name][:rows] = value
        self._starts.zero_()

    def extend(self, input_ids: Tensor, starts: Sequence[int]) -> Tensor:
        """As `ConditionedLLM.extend`, with logits of all tokens; valid until the next pass.

        Args:
            input_ids: shape (B, T).
            starts: slot of the first token in the cache, for each row.

        Returns:
            logits, shape (B, T, V).

        Raises:
            UnsupportedModelError: the language model's pass cannot be recorded on this GPU.
        """
        rows, length = input_ids.shape
        size = _at_least(TOKENS, length)
        device = self._starts.device
        self._starts[:rows] = torch.tensor(starts, device=device)
        if size not in self._passes:
            ids = torch.zeros(len(self._starts), size, dtype=torch.long, device=device)
            self._passes[size] = ids, self._recorded(ids)
        ids, run = self._passes[size]
        ids[:rows, :length] = input_ids.to(device)
        return run()[:rows, :length]

    def _pass(self, ids: Tensor) -> Tensor:
        """Everything that is recorded: nothing in it asks the GPU for a value."""
        self._slots = self._starts[:, None] + torch.arange(ids.shape[1], device=ids.device)
        context = self._llm.llm.config.get_text_config().max_position_embeddings
        return self._llm.llm(
            input_ids=ids,
            position_ids=self._slots.clamp(max=context - 1),
            past_key_values=self,
            use_cache=True,
            **self._noise,
        ).logits

    def _recorded(self, ids: Tensor) -> Callable[[], Tensor]:
        """The pass over these buffers, recorded where there is a GPU."""
        if ids.device.type != "cuda":
            return lambda: self._pass(ids)
        try:
            beside = torch.cuda.Stream(ids.device)
            beside.wait_stream(torch.cuda.current_stream(ids.device))
            with torch.cuda.stream(beside):
                for _ in range(WARM_UP):
                    self._pass(ids)
            torch.cuda.current_stream(ids.device).wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                logits = self._pass(ids)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise UnsupportedModelError(
                f"{type(self._llm.llm).__name__}: a pass cannot be recorded as a CUDA graph ({reason}); "
                "correct without fixed_shapes"
            ) from None
        self._pool = graph.pool()

        def replay() -> Tensor:
            graph.replay()
            return logits

        return replay


def _at_least(sizes: Sequence[int], needed: int) -> int:
    return next(size for size in sizes if size >= needed)
