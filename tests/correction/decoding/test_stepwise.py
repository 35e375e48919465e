"""Decoding token by token on a tiny random language model in float32, against its own logits and plain `generate`."""

from __future__ import annotations

import pytest
from tests.correction.cases import LIMIT, ROWS, TEXTS, Case, near

from robustger.correction.decoding.stepwise import decode
from robustger.correction.guards.words_guard import ListWords


def test_greedy_takes_the_most_probable_token(case: Case, greedy: list[list[int]]) -> None:
    """The model's folder asks for sampling and penalizes repetition, which no correction could survive."""
    for row in ROWS:
        assert greedy[row] == case.logits(row, greedy[row])[:-1].argmax(-1).tolist()


def test_batched_greedy_equals_generate(case: Case, greedy: list[list[int]]) -> None:
    answers = decode(case.corrector.llm, case.prompts, case.noise, end=case.end, limits=[LIMIT] * len(TEXTS))
    for row in ROWS:
        case.check(row, answers[row], greedy[row])


def test_every_answer_keeps_to_its_own_limit(case: Case, greedy: list[list[int]]) -> None:
    limits = [1, 2, 3, 5, 8, 13, 21, 34]
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
        processors=[ListWords(words, corrector.tokens.of, length, end, num_beams)],
    )
    for row, answer in enumerate(answers):
        tokens = [*answer.tokens, end] if answer.finished else answer.tokens
        assert answer.log_probability == near(case.log_probability(row, tokens))
    assert any(answer.tokens for answer in answers)
