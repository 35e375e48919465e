"""Lists for the tests of decoding, and the probabilities that a corrector's language model gives to answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from robustger.correction import Corrector
from robustger.correction.decoding.stepwise import Answer

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
