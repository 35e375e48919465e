"""Writing the answers: batched greedy and beam decoding, and greedy decoding from a draft."""

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
    """Applies the constraints and keeps the probability that the language model itself gives each greedy choice.

    Only the choices': the whole logits would fill the memory.
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
    """Decodes one batch, padded on the left, with a KV cache.

    Args:
        llm: the conditioned language model.
        prompts: token ids of every prompt.
        noise: noise embeddings, shape (B, U, E).
        end: id of the token that ends an answer; also used to pad.
        limits: most tokens of every answer, its end included.
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
        # Beams are compared by log-probability, not by its mean per token; greedy decoding warns of the flag.
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
        row = row[:limit]  # where it is batched with longer ones, an answer ends as it would alone
        finished = end in row
        tokens = row[: row.index(end)] if finished else row
        if num_beams == 1:
            steps = len(tokens) + finished
            log_probability = sum(step[index].item() for step in recorder.steps[:steps])
        else:
            log_probability = result.sequences_scores[index].item()
        answers.append(Answer(tokens, log_probability, finished))
    return answers


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the language model thinks of a draft.

    Attributes:
        log_probability: of the whole draft with its end token.
        greedy: the draft's longest beginning that greedy decoding would have written, and the one token it would write
            next; the whole draft where it agrees to the end.
        greedy_log_probability: of `greedy`.
    """

    log_probability: float
    greedy: list[int]
    greedy_log_probability: float


@torch.no_grad()
def verify(
    llm: ConditionedLLM, prompts: Sequence[Sequence[int]], drafts: Sequence[Sequence[int]], noise: Tensor
) -> list[Verdict]:
    """Compares drafts with greedy decoding in one forward pass.

    Args:
        llm: the conditioned language model.
        prompts: token ids of every prompt.
        drafts: token ids of every draft, each with the token that ends it, and that token nowhere else.
        noise: noise embeddings, shape (B, U, E).
    """
    rows = [[*prompt, *draft] for prompt, draft in zip(prompts, drafts, strict=True)]
    input_ids, attention_mask = _pad_left(rows, 0)
    input_ids, attention_mask = input_ids.to(llm.device), attention_mask.to(llm.device)
    longest = max(len(draft) for draft in drafts)
    logits = llm(input_ids, noise, attention_mask, logits_to_keep=longest + 1)[:, :-1]  # (B, longest, V)
    log_probabilities = logits.float().log_softmax(-1)
    of_draft = log_probabilities.gather(-1, input_ids[:, -longest:, None])[..., 0].cpu()  # (B, longest)
    of_choice, choice = (part.cpu() for part in log_probabilities.max(-1))
    verdicts = []
    for row, draft in enumerate(drafts):
        start = longest - len(draft)
        choices = choice[row, start:].tolist()
        agreed = next((at for at, token in enumerate(draft) if choices[at] != token), len(draft) - 1)
        verdicts.append(
            Verdict(
                of_draft[row, start:].sum().item(),
                [*draft[:agreed], choices[agreed]],
                of_choice[row, start : start + agreed + 1].sum().item(),
            )
        )
    return verdicts


def decode_from_drafts(
    llm: ConditionedLLM,
    prompts: Sequence[Sequence[int]],
    drafts: Sequence[Sequence[int]],
    noise: Tensor,
    *,
    end: int,
    limits: Sequence[int],
) -> tuple[list[Answer], list[float]]:
    """Greedy decoding that starts from a guess: same answers, fewer passes, since most guesses are right.

    One pass verifies all drafts; only the rows that disagree go on, from their first disagreement.

    Args:
        llm: the conditioned language model.
        prompts: token ids of every prompt.
        drafts: token ids of every draft, each with the token that ends it, and that token nowhere else.
        noise: noise embeddings, shape (B, U, E).
        end: id of the token that ends an answer.
        limits: most tokens of every answer, its end included; at least as many as its draft has.

    Returns:
        the answers, and the log-probability of every draft.
    """
    verdicts = verify(llm, prompts, drafts, noise)
    left = [limit - len(verdict.greedy) for limit, verdict in zip(limits, verdicts, strict=True)]
    open_rows = [row for row, verdict in enumerate(verdicts) if verdict.greedy[-1] != end and left[row] > 0]
    endings = {}
    if open_rows:
        begun = [[*prompts[row], *verdicts[row].greedy] for row in open_rows]
        continued = decode(llm, begun, noise[open_rows], end=end, limits=[left[row] for row in open_rows])
        endings = dict(zip(open_rows, continued, strict=True))
    answers = []
    for row, verdict in enumerate(verdicts):
        tokens, log_probability = verdict.greedy, verdict.greedy_log_probability
        if ending := endings.get(row):
            log_probability += ending.log_probability
            answers.append(Answer([*tokens, *ending.tokens], log_probability, ending.finished))
        elif tokens[-1] == end:
            answers.append(Answer(tokens[:-1], log_probability, finished=True))
        else:
            answers.append(Answer(tokens, log_probability, finished=False))
    return answers, [verdict.log_probability for verdict in verdicts]


def _pad_left(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both (B, T)."""
    tensors = [torch.tensor(list(row), dtype=torch.long) for row in rows]
    input_ids = pad_sequence(tensors, batch_first=True, padding_value=pad, padding_side="left")
    masks = [torch.ones_like(tensor) for tensor in tensors]
    return input_ids, pad_sequence(masks, batch_first=True, padding_value=0, padding_side="left")
