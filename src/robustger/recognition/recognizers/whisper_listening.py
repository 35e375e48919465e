"""Finds where the tokens of a given text are heard, and how probable the text is, from Whisper's encoder states.

One pass of the decoder over the whole text gives both. The places of the tokens come from the cross-attention by
dynamic time warping, as in OpenAI's code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration
from transformers.models.whisper.generation_whisper import _median_filter

from robustger.models.cache_argument import CACHE_ARGUMENT

MEDIAN_FRAMES = 7  # frames over which attention is smoothed
TEXTS_SCORED_AT_ONCE = 8  # texts; bounds the memory that their logits take


def score_texts(
    model: WhisperForConditionalGeneration,
    states: Tensor,
    prompt: Sequence[int],
    texts: Sequence[Sequence[int]],
    end: int,
) -> list[float]:
    """The natural log-probability of each text and the end token behind it, under the softmax over all tokens.

    Args:
        model: the checkpoint.
        states: the encoder's states for one audio, (S, D).
        prompt: the tokens with which every text begins.
        texts: the tokens of each text.
        end: the end token.
    """
    scores: list[float] = []
    for first in range(0, len(texts), TEXTS_SCORED_AT_ONCE):
        some = texts[first : first + TEXTS_SCORED_AT_ONCE]
        longest = max(map(len, some))
        rows = torch.tensor(
            [[*text, *[end] * (1 + longest - len(text))] for text in some], device=states.device
        )
        begun: Any = model.model.decoder(
            input_ids=torch.tensor([list(prompt)], device=states.device),
            encoder_hidden_states=states[None],
            use_cache=True,
        )
        hidden = begun.last_hidden_state[:, -1:].expand(len(some), -1, -1)
        if longest:
            cache = getattr(begun, CACHE_ARGUMENT)
            cache.self_attention_cache.batch_repeat_interleave(
                len(some)
            )  # the cross-attention keeps one row for all texts
            decoded = model.model.decoder(
                input_ids=rows[:, :-1],
                encoder_hidden_states=states[None],
                use_cache=True,
                **{CACHE_ARGUMENT: cache},
            )
            hidden = torch.cat([hidden, decoded.last_hidden_state], dim=1)
        log_probs = model.proj_out(hidden).float().log_softmax(-1)  # (b, 1 + longest, V)
        chosen = log_probs.gather(2, rows[..., None])[..., 0].double()
        scores += [chosen[k, : len(text) + 1].sum().item() for k, text in enumerate(some)]
    return scores


def align_tokens(
    model: WhisperForConditionalGeneration,
    states: Tensor,
    prompt: Sequence[int],
    text: Sequence[int],
    end: int,
    frames: int,
) -> tuple[list[int], list[float]]:
    """The frames in which the tokens of a text begin, and the probabilities of the tokens.

    Args:
        model: the checkpoint.
        states: the encoder's states for one audio, (S, D).
        prompt: the tokens with which the text begins.
        text: T tokens, at least one.
        end: the end token.
        frames: the number of encoder frames that belong to the audio itself.

    Returns:
        the frame in which each token begins and the frame in which the last one ends, T + 1 numbers; and the T
        probabilities, under the softmax over all tokens but the end.
    """
    ids = torch.tensor([[*prompt, *text]], device=states.device)
    before = str(model.config._attn_implementation)
    model.set_attn_implementation("eager")  # the only implementation that returns its weights
    try:
        decoded: Any = model.model.decoder(
            input_ids=ids, encoder_hidden_states=states[None], use_cache=False, output_attentions=True
        )
    finally:
        model.set_attn_implementation(before)
    heads = _alignment_heads(model)
    weights = torch.stack(
        [decoded.cross_attentions[layer][0, head] for layer, head in heads]
    )  # (H, P + T, S)
    weights = weights[..., :frames].float()
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)  # as if there were no padding
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    smooth = _median_filter((weights - mean) / deviation.clamp(min=1e-12), MEDIAN_FRAMES)
    # A token is heard where the attention looks just before the token is written.
    matrix = smooth.mean(0)[len(prompt) - 1 :].cpu().numpy()  # (T + 1, frames); the last row is the end's
    logits = model.proj_out(decoded.last_hidden_state[0, len(prompt) - 1 : -1]).float()
    logits[:, end] = -torch.inf
    chosen = torch.tensor(list(text), device=logits.device)[:, None]
    return first_columns(-matrix), logits.softmax(-1).gather(1, chosen)[:, 0].tolist()


def _alignment_heads(model: WhisperForConditionalGeneration) -> list[tuple[int, int]]:
    """Layers and heads whose attention follows the speech: those of the checkpoint, or all of the upper half."""
    given = getattr(model.generation_config, "alignment_heads", None)
    if given:
        return [(layer, head) for layer, head in given]
    layers, heads = model.config.decoder_layers, model.config.decoder_attention_heads
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]


def first_columns(costs: np.ndarray) -> list[int]:
    """The column at which the cheapest path through a matrix enters each row.

    The path leads from the first row and column to the last ones, by steps to the next row, the next column or both.
    Its cost is the sum of the cells that it passes.

    Args:
        costs: (R, C), at least one of each.
    """
    rows, columns = costs.shape
    # For each cell: the column in which the cheapest path to it entered its row.
    entries = np.zeros((rows, columns), dtype=np.int64)
    # Whether a path that enters a row at a column comes from the column to the left.
    diagonal = np.zeros((rows, columns), dtype=bool)
    reached = np.concatenate([[0.0], np.full(columns - 1, np.inf)])  # cost of reaching the row, by column
    for row in range(rows):
        if row:
            left = np.concatenate([[np.inf], reached[:-1]])
            diagonal[row] = left < reached
            reached = np.minimum(left, reached)
        passed = np.cumsum(costs[row], dtype=np.float64)
        gains = (
            reached - passed + costs[row]
        )  # cost of entering at a column, relative to passing the row to there
        best = np.minimum.accumulate(gains)
        entries[row] = np.maximum.accumulate(np.where(gains == best, np.arange(columns), 0))
        reached = passed + best
    found = [0] * rows
    column = columns - 1
    for row in range(rows - 1, -1, -1):
        found[row] = column = int(entries[row, column])
        column -= bool(diagonal[row, column])
    return found
