"""Decoding on a tiny random language model in float32, against its own logits and plain `generate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from robustger.correction import Corrector
from robustger.correction.decoding import Answer, decode, decode_from_drafts, verify
from robustger.correction.guard import ListWords

TEXTS = [
    ["what is the fair", "what is the fare", "what is a fare"],
    ["show me the first flight that leaves before nine", "show me the first light"],
    ["half past ten"],
    ["the night train to lisbon", "a night train to lisbon", "the knight train", "the night rain to"],
    ["please turn off the light in the kitchen", "please turn of the light"],
    ["she said", "he said", "we said"],
    ["from boston to denver on sunday", "from austin to denver"],
    ["close the door", "clothes the door"],
]
ROWS = range(len(TEXTS))
LIMIT = 40


def near(value: float) -> Any:
    return pytest.approx(value, abs=1e-4)


@dataclass(frozen=True)
class Case:
    """A corrector, and the lists it reads as prompts and noise."""

    corrector: Corrector
    prompts: list[list[int]]
    noise: Tensor
    end: int

    def logits(self, row: int, tokens: list[int]) -> Tensor:
        """Next-token logits at every place of the answer: neither batch, padding nor cache, (T + 1, V)."""
        ids = torch.tensor([[*self.prompts[row], *tokens]])
        return self.corrector.logits(ids, self.noise[row : row + 1])[0, len(self.prompts[row]) - 1 :]

    def log_probability(self, row: int, tokens: list[int]) -> float:
        """Of the tokens, teacher-forced."""
        log_probabilities = self.logits(row, tokens)[:-1].double().log_softmax(-1)
        return log_probabilities.gather(-1, torch.tensor(tokens)[:, None]).sum().item()

    def check(self, row: int, answer: Answer, tokens: list[int]) -> None:
        """The answer is these tokens, which may end with the end, and their log-probability."""
        finished = tokens[-1] == self.end
        assert answer.tokens == (tokens[:-1] if finished else tokens)
        assert answer.finished == finished
        assert answer.log_probability == near(self.log_probability(row, tokens))

    def generate(self, row: int, **options) -> Any:
        """What plain `generate` writes for one list."""
        ids = torch.tensor([self.prompts[row]])
        written = self.corrector.llm.generate(
            ids,
            self.noise[row : row + 1],
            torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=LIMIT,
            eos_token_id=self.end,
            pad_token_id=self.end,
            **options,
        )
        return written[0, len(self.prompts[row]) :] if isinstance(written, Tensor) else written


@pytest.fixture(scope="module")
def case(tiny_corrector: Callable[..., Corrector]) -> Case:
    corrector = tiny_corrector()
    prompts = [corrector.prompt_tokens(texts) for texts in TEXTS]
    return Case(corrector, prompts, corrector.noise_embedding(TEXTS), corrector.tokenizer.eos_token_id)


@pytest.fixture(scope="module")
def greedy(case: Case) -> list[list[int]]:
    """What plain greedy `generate` writes for each list; some answers end within the limit, others do not."""
    written = [case.generate(row).tolist() for row in ROWS]
    finished = sum(tokens[-1] == case.end for tokens in written)
    assert 2 <= finished <= len(written) - 2, "the tiny model must show both"
    return written


def test_greedy_takes_the_most_probable_token(case: Case, greedy: list[list[int]]) -> None:
    """The model's folder asks for sampling and penalises repetition, which no correction could survive."""
    for row in ROWS:
        assert greedy[row] == case.logits(row, greedy[row])[:-1].argmax(-1).tolist()


def test_batched_greedy_equals_generate(case: Case, greedy: list[list[int]]) -> None:
    answers = decode(case.corrector.llm, case.prompts, case.noise, end=case.end, limits=[LIMIT] * len(TEXTS))
    for row in ROWS:
        case.check(row, answers[row], greedy[row])


def other(token: int) -> int:
    return 60 if token != 60 else 61


DRAFTS: dict[str, Callable[[list[int]], list[int]]] = {
    "right": lambda text: text,
    "wrong at the start": lambda text: [other(text[0]), *text[1:]] if text else [60],
    "wrong in the middle": lambda text: (
        [*text[: len(text) // 2], other(text[len(text) // 2]), *text[len(text) // 2 + 1 :]] if text else [60]
    ),
    "wrong at the end": lambda text: [*text[:-1], other(text[-1])] if text else [60],
    "too short": lambda text: text[:-1],
    "too long": lambda text: [*text, *range(60, 75)],
    "empty": lambda text: [],
}


@pytest.mark.parametrize("kind", DRAFTS)
def test_decoding_from_drafts_equals_greedy(case: Case, greedy: list[list[int]], kind: str) -> None:
    texts = [tokens[:-1] if tokens[-1] == case.end else tokens[: LIMIT - 20] for tokens in greedy]
    drafts = [[*DRAFTS[kind](text), case.end] for text in texts]
    limits = [max(LIMIT, len(draft)) for draft in drafts]
    answers, log_probabilities = decode_from_drafts(
        case.corrector.llm, case.prompts, drafts, case.noise, end=case.end, limits=limits
    )
    for row in ROWS:
        assert limits[row] == LIMIT or greedy[row][-1] == case.end  # else the reference would be too short
        case.check(row, answers[row], greedy[row])
        assert log_probabilities[row] == near(case.log_probability(row, drafts[row]))


def test_a_right_draft_is_verified_in_one_pass(
    case: Case, greedy: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        case.corrector.llm, "generate", lambda *_, **__: pytest.fail("nothing was left to write")
    )
    rows = [row for row in ROWS if greedy[row][-1] == case.end]
    answers, _ = decode_from_drafts(
        case.corrector.llm,
        [case.prompts[row] for row in rows],
        [greedy[row] for row in rows],
        case.noise[rows],
        end=case.end,
        limits=[LIMIT] * len(rows),
    )
    for row, answer in zip(rows, answers, strict=True):
        case.check(row, answer, greedy[row])


def test_verdicts(case: Case, greedy: list[list[int]]) -> None:
    drafts = [[*tokens[:2], other(tokens[2]), 70, case.end] for tokens in greedy]
    for row, verdict in enumerate(verify(case.corrector.llm, case.prompts, drafts, case.noise)):
        assert verdict.greedy == greedy[row][:3]
        assert verdict.log_probability == near(case.log_probability(row, drafts[row]))
        expected = case.log_probability(row, verdict.greedy)
        assert verdict.greedy_log_probability == near(expected)


@pytest.mark.parametrize("from_drafts", [False, True])
def test_every_answer_keeps_to_its_own_limit(case: Case, greedy: list[list[int]], from_drafts: bool) -> None:
    limits = [1, 2, 3, 5, 8, 13, 21, 34]
    if from_drafts:
        texts = [[token for token in tokens if token != case.end] for tokens in greedy]
        drafts = [[*text[: limit - 1], case.end] for text, limit in zip(texts, limits, strict=True)]
        answers, _ = decode_from_drafts(
            case.corrector.llm, case.prompts, drafts, case.noise, end=case.end, limits=limits
        )
    else:
        answers = decode(case.corrector.llm, case.prompts, case.noise, end=case.end, limits=limits)
    for row, limit in enumerate(limits):
        case.check(row, answers[row], greedy[row][:limit])
    assert {answer.finished for answer in answers} == {False, True}


def test_beams_equal_generate(case: Case, greedy: list[list[int]]) -> None:
    answers = decode(
        case.corrector.llm,
        case.prompts,
        case.noise,
        end=case.end,
        limits=[LIMIT] * len(TEXTS),
        num_beams=3,
    )
    gains = []
    for row in ROWS:
        result = case.generate(
            row, num_beams=3, length_penalty=0.0, return_dict_in_generate=True, output_scores=True
        )
        tokens = result.sequences[0, len(case.prompts[row]) :].tolist()
        case.check(row, answers[row], tokens)
        gains.append(answers[row].log_probability - case.log_probability(row, greedy[row]))
    assert max(gains) > 1.0, "beams must find what greedy decoding misses"


@pytest.mark.parametrize("num_beams", [1, 3])
def test_constraints_do_not_change_what_probability_means(case: Case, num_beams: int) -> None:
    """It is the language model's, not a share among the tokens that happen to be allowed."""
    corrector = case.corrector
    words = [{word for text in texts for word in text.split()} for texts in TEXTS]
    length = max(map(len, case.prompts))
    end = int(case.logits(0, [])[0].argmin())  # or beams, which love short answers, would end at once
    answers = decode(
        corrector.llm,
        case.prompts,
        case.noise,
        end=end,
        limits=[LIMIT] * len(TEXTS),
        num_beams=num_beams,
        processors=[ListWords(words, corrector._tokenize, length, end, num_beams)],
    )
    for row, answer in enumerate(answers):
        tokens = [*answer.tokens, end] if answer.finished else answer.tokens
        assert answer.log_probability == near(case.log_probability(row, tokens))
    assert any(answer.tokens for answer in answers)
