"""Whisper's decoder, which extends several texts for each of several audios.

All texts of an audio share the keys and values of its cross-attention. These are stored once and not once per text, and
one matrix product serves all texts. With ten beams, the cross-attention needs a tenth of the memory and reads a tenth
at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from robustger.models.cache_argument import CACHE_ARGUMENT

SHARED = "sdpa+shared"  # the name of the attention below, in transformers' tables


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, Tensor | None]:
    """Stock `sdpa`, in which R / A consecutive rows of queries (R, H, L, D) may share a row of keys (A, H, S, D)."""
    attend = ALL_ATTENTION_FUNCTIONS["sdpa"]
    rows, heads, length, width = query.shape
    if rows == len(key):
        return attend(module, query, key, value, attention_mask, **kwargs)
    grouped = (
        query.view(len(key), -1, heads, length, width).transpose(1, 2).flatten(2, 3)
    )  # (A, H, R / A * L, D)
    output, weights = attend(module, grouped, key, value, attention_mask, is_causal=False, **kwargs)
    return output.reshape(rows, length, heads, width), weights


ALL_ATTENTION_FUNCTIONS.register(SHARED, _attend)
# Without a mask function of the same name, transformers masks nothing.
ALL_MASK_ATTENTION_FUNCTIONS.register(SHARED, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


class WhisperDecoder:
    """A `robustger.recognition.search.beam_search.Decoder`; the attention of the model must be `SHARED`.

    Args:
        model: the checkpoint.
        states: the states of the encoder, (B, S, D).
        prompts: the tokens with which all texts of an audio begin, for each audio; all prompts have one length.
        suppressed: tokens that are never written.
        suppressed_at_first: tokens with which no text begins.
    """

    def __init__(
        self,
        model: WhisperForConditionalGeneration,
        states: Tensor,
        prompts: Sequence[Sequence[int]],
        suppressed: Sequence[int] | None = None,
        suppressed_at_first: Sequence[int] | None = None,
    ) -> None:
        self._model = model
        self._states = states
        self._suppressed = torch.tensor(suppressed or [], dtype=torch.long, device=states.device)
        at_first = torch.tensor(suppressed_at_first or [], dtype=torch.long, device=states.device)
        ids = torch.tensor([list(prompt) for prompt in prompts], device=states.device)
        decoded = model.model.decoder(input_ids=ids, encoder_hidden_states=states, use_cache=True)
        self._cache: Any = getattr(decoded, CACHE_ARGUMENT)
        self._first = self._log_probs(decoded.last_hidden_state).index_fill(1, at_first, -torch.inf)

    def first(self) -> Tensor:
        """As `Decoder.first`."""
        return self._first

    def advance(self, audios: Tensor | None, rows: Tensor, tokens: Tensor) -> Tensor:
        """As `Decoder.advance`."""
        self._cache.self_attention_cache.batch_select_indices(rows)
        if audios is not None:
            self._cache.cross_attention_cache.batch_select_indices(audios)
        decoded = self._model.model.decoder(
            input_ids=tokens[:, None],
            encoder_hidden_states=self._states,  # only turns cross-attention on: their keys and values are in the cache
            use_cache=True,
            **{CACHE_ARGUMENT: self._cache},
        )
        return self._log_probs(decoded.last_hidden_state)

    def _log_probs(self, states: Tensor) -> Tensor:
        """Log-probabilities of the next token under the softmax over all tokens, float32 (R, V)."""
        logits = self._model.proj_out(states[:, -1])
        return logits.float().log_softmax(-1).index_fill_(1, self._suppressed, -torch.inf)
