"""Writing the answers: batched greedy and beam decoding, and the likelihood of a given answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LogitsProcessor, LogitsProcessorList

from robustger.correction.conditioning import ConditionedLLM


@dataclass(frozen=True, slots=True)
class Answer:
    """What the language model wrote for one list.

    Attributes:
        tokens: token ids, without the token that ends the text.
        log_probability: natural logarithm, summed over the tokens and the end.
        finished: False when the token budget ran out before the end: the text is cut off.
    """

    tokens: list[int]
    log_probability: float
    finished: bool


class _RecordGreedy(LogitsProcessor):
    """Comes last and keeps the log-probability of every greedy choice; the whole logits would fill the memory."""

    def __init__(self) -> None:
        self.steps: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.steps.append(scores.float().log_softmax(-1).amax(-1))
        return scores


def decode(
    llm: ConditionedLLM,
    prompts: Sequence[Sequence[int]],
    noise: Tensor,
    *,
    end: int,
    max_new_tokens: int,
    num_beams: int = 1,
    processors: Sequence[LogitsProcessor] = (),
) -> list[Answer]:
    """Decodes one batch, padded on the left, with a KV cache.

    Args:
        llm: the conditioned language model.
        prompts: token ids of every prompt.
        noise: noise embeddings, shape (B, U, E).
        end: id of the token that ends an answer; also used to pad.
        max_new_tokens: upper bound of the answer's length.
        num_beams: 1 decodes greedily.
        processors: constraints on the next token.
    """
    input_ids, attention_mask = _pad_left(prompts, end)
    input_ids, attention_mask = input_ids.to(llm.device), attention_mask.to(llm.device)
    recorder = _RecordGreedy()
    result = llm.generate(
        input_ids,
        noise,
        attention_mask,
        do_sample=False,
        num_beams=num_beams,
        length_penalty=0.0,  # beams are compared by log-probability, not by its mean per token
        max_new_tokens=max_new_tokens,
        eos_token_id=end,
        pad_token_id=end,
        return_dict_in_generate=True,
        output_scores=num_beams > 1,
        logits_processor=LogitsProcessorList([*processors, *([recorder] if num_beams == 1 else [])]),
    )
    rows = result.sequences[:, input_ids.shape[1] :].tolist()
    answers = []
    for index, row in enumerate(rows):
        finished = end in row
        tokens = row[: row.index(end)] if finished else row
        if num_beams == 1:
            steps = len(tokens) + finished
            log_probability = sum(step[index].item() for step in recorder.steps[:steps])
        else:
            log_probability = result.sequences_scores[index].item()
        answers.append(Answer(tokens, log_probability, finished))
    return answers


@torch.no_grad()
def answer_log_probabilities(
    llm: ConditionedLLM, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], noise: Tensor
) -> list[float]:
    """Log-probability of every answer (with its end token) after its prompt, in one forward pass.

    Args:
        llm: the conditioned language model.
        prompts: token ids of every prompt.
        answers: token ids of every answer, each with the token that ends it.
        noise: noise embeddings, shape (B, U, E).
    """
    tokens = [torch.tensor([*prompt, *answer]) for prompt, answer in zip(prompts, answers, strict=True)]
    longest = max(len(answer) for answer in answers)
    input_ids, attention_mask = _pad_left([row.tolist() for row in tokens], 0)
    logits = llm(
        input_ids.to(llm.device), noise, attention_mask.to(llm.device), logits_to_keep=longest + 1
    )  # (B, longest + 1, V)
    log_probabilities = logits[:, :-1].float().log_softmax(-1)
    chosen = log_probabilities.gather(-1, input_ids[:, -longest:, None].to(llm.device))[
        ..., 0
    ]  # (B, longest)
    return [chosen[row, longest - len(answer) :].sum().item() for row, answer in enumerate(answers)]


def _pad_left(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both (B, T)."""
    tensors = [torch.tensor(list(row), dtype=torch.long) for row in rows]
    input_ids = pad_sequence(tensors, batch_first=True, padding_value=pad, padding_side="left")
    masks = [torch.ones_like(tensor) for tensor in tensors]
    return input_ids, pad_sequence(masks, batch_first=True, padding_value=0, padding_side="left")
