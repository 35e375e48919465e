"""Writes answers token by token: greedy decoding of batches under constraints, and beam search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LogitsProcessor, LogitsProcessorList

from robustger.correction.llm.conditioning import ConditionedLLM


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of the language model to one prompt.

    Attributes:
        tokens: token ids, without the token that ends the text.
        log_probability: sum of the natural logarithms of the probabilities of the tokens and the end.
        finished: False where the limit was reached before the end, so that the text is cut off.
    """

    tokens: list[int]
    log_probability: float
    finished: bool

    @property
    def length(self) -> int:
        """The number of tokens written, including the end."""
        return len(self.tokens) + self.finished


class _RecordGreedy(LogitsProcessor):
    """Applies the constraints, and records the log-probability that the language model gives to each greedy choice.

    Recording the logits of all tokens would fill the memory.
    """

    def __init__(self, constraints: Sequence[LogitsProcessor]) -> None:
        self._constraints = LogitsProcessorList(constraints)
        self.steps: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        log_probabilities = scores.float().log_softmax(-1)  # (B, V)
        scores = self._constraints(input_ids, scores)  # type: ignore[arg-type]
        choices = scores.argmax(-1, keepdim=True)
        self.steps.append(log_probabilities.gather(-1, choices)[:, 0])
        return scores


def decode(
    llm: ConditionedLLM,
    prompts: Sequence[Sequence[int]],
    noise: Tensor,
    *,
    end: int,
    limits: Sequence[int],
    num_beams: int = 1,
    processors: Sequence[LogitsProcessor] = (),
) -> list[Answer]:
    """Decodes one batch, which is padded on the left, with a KV cache.

    Args:
        llm: the conditioned language model.
        prompts: token ids of every prompt.
        noise: noise embeddings, shape (B, U, E).
        end: id of the token that ends an answer; also used to pad.
        limits: the most tokens of every answer, including its end.
        num_beams: 1 decodes greedily.
        processors: constraints on the next token.
    """
    input_ids, attention_mask = _pad_left(prompts, end)
    input_ids, attention_mask = input_ids.to(llm.device), attention_mask.to(llm.device)
    recorder = _RecordGreedy(processors)
    result = llm.generate(
        input_ids,
        noise,
        attention_mask,
        do_sample=False,
        num_beams=num_beams,
        # Beams are compared by log-probability, not by its mean per token. Greedy decoding would warn about the flag.
        length_penalty=0.0 if num_beams > 1 else None,
        max_new_tokens=max(limits),
        eos_token_id=end,
        pad_token_id=end,
        return_dict_in_generate=True,
        output_scores=num_beams > 1,
        logits_processor=LogitsProcessorList([recorder] if num_beams == 1 else processors),
    )
    rows = result.sequences[:, input_ids.shape[1] :].tolist()
    answers = []
    for index, (row, limit) in enumerate(zip(rows, limits, strict=True)):
        row = row[:limit]  # the batch goes on to the largest limit; alone, the answer would end here
        finished = end in row
        tokens = row[: row.index(end)] if finished else row
        if num_beams == 1:
            steps = recorder.steps[: len(tokens) + finished]
            log_probability = sum(step[index].item() for step in steps)
        else:
            log_probability = result.sequences_scores[index].item()
        answers.append(Answer(tokens, log_probability, finished))
    return answers


def _pad_left(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both (B, T)."""
    tensors = [torch.tensor(list(row), dtype=torch.long) for row in rows]
    input_ids = pad_sequence(tensors, batch_first=True, padding_value=pad, padding_side="left")
    masks = [torch.ones_like(tensor) for tensor in tensors]
    return input_ids, pad_sequence(masks, batch_first=True, padding_value=0, padding_side="left")
