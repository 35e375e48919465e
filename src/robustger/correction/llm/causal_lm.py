"""Computes the probability of texts with a causal language model of transformers."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence

import torch
from torch.nn import functional

from robustger.correction.llm.language_model import load_llm
from robustger.errors import InputError
from robustger.models import resolve_model, torch_device
from robustger.models.loading import load_pretrained

SCORED_TOKENS = 1024  # with their padding: their logits over a large vocabulary fill half a gigabyte


class CausalLanguageModel:
    """log p(Y) of any causal language model of transformers.

    The text stands alone between the model's token for the start of a text (where it has none, the one for the end)
    and the one for the end, whose probability counts too: a hypothesis that breaks off is unlikely.

    Args:
        model: a folder or a name, see `robustger.models.resolve_model`.
        device: None picks the GPU where there is one.
        dtype: the type of the weights; None is float32 on the CPU, and `best_dtype` elsewhere. In bfloat16 the
            logarithms depend on the other texts of the batch by tenths.
        quantization: as for `load_llm`.

    Raises:
        MissingModelError: the model is not to be had.
        InputError: its files are broken, or hold no causal language model; or its tokenizer has no token for the end.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "smollm2-135m",
        device: str | None = None,
        dtype: torch.dtype | None = None,
        quantization: str = "none",
    ) -> None:
        folder = resolve_model(model)
        where = torch_device(device)
        if dtype is None and where.type == "cpu":
            dtype = torch.float32
        self._llm = load_llm(folder, dtype, str(where), None, quantization).eval()
        try:
            self._tokenizer = load_pretrained("AutoTokenizer", folder)
        except (OSError, ValueError):
            raise InputError(f"{folder}: no tokenizer there; copy the tokenizer's files to it") from None
        self._end = self._tokenizer.eos_token_id
        if self._end is None:
            raise InputError(
                f"{folder}: the tokenizer has no eos_token, which ends a text; name one in its config"
            )
        start = self._tokenizer.bos_token_id
        self._start = self._end if start is None else start
        self._context = self._llm.config.get_text_config().max_position_embeddings

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        """Natural logarithm of the probability of each text with its end.

        Minus infinity where the text exceeds the model's context.
        """
        rows = [[self._start, *self._tokens(text), self._end] for text in texts]
        result = [-math.inf] * len(rows)
        fitting = [index for index, row in enumerate(rows) if len(row) <= self._context]
        for batch in _batches(rows, fitting):
            for index, value in zip(batch, self._score([rows[index] for index in batch]), strict=True):
                result[index] = value
        return result

    def _tokens(self, text: str) -> list[int]:
        # A hypothesis may spell a special token, which is then text and does not end the answer.
        return self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    @torch.no_grad()
    def _score(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """Scores one batch. It is padded on the right, so that no mask besides the causal one is needed."""
        ignored, longest = -100, max(map(len, rows))
        inputs = torch.tensor([[*row, *[self._end] * (longest - len(row))] for row in rows])
        labels = torch.tensor([[*row, *[ignored] * (longest - len(row))] for row in rows])
        logits = self._llm(input_ids=inputs[:, :-1].to(self._llm.device), use_cache=False).logits  # (B, T, V)
        losses = functional.cross_entropy(
            logits.float().flatten(0, 1),
            labels[:, 1:].flatten().to(logits.device),
            ignore_index=ignored,
            reduction="none",
        )
        return (-losses.view(len(rows), -1).sum(1)).tolist()


def _batches(rows: Sequence[Sequence[int]], indices: Sequence[int]) -> Iterator[list[int]]:
    """The indices of rows of similar length that are scored together."""
    batch: list[int] = []
    for index in sorted(indices, key=lambda index: len(rows[index])):
        if batch and (len(batch) + 1) * len(rows[index]) > SCORED_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
