"""Passes of fixed shapes write what others write; on a GPU they are recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.correction.cases import LIMIT, ROWS, Case, near
from transformers import PreTrainedModel

from robustger.correction import Corrector
from robustger.correction.decoding.reading import Reading
from robustger.correction.fixed_shapes import FixedPasses
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.hypotheses import NBest

PROMPTS = [[5, 17, 3, 44, 9, 21, 30], [8, 2, 41, 12], [7, 7, 19, 33, 28, 6, 1, 40, 15, 22, 3], [31]]
NOISE = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(7))
LISTS = [
    NBest.from_texts(f"{number}", [f"{'what is ' * (number % 5)}the fair", "what is the fare", "a fare"])
    for number in range(21)
]


def decoded(
    conditioned: ConditionedLLM, drafts: Sequence[Sequence[list[int]]], fixed: FixedPasses | None
) -> tuple[list[list[int]], list[float], list[int]]:
    reading = Reading(conditioned, PROMPTS, NOISE, 3, fixed)
    answers, _ = reading.decode(drafts, [16] * len(PROMPTS))
    return (
        [answer.tokens for answer in answers],
        [answer.log_probability for answer in answers],
        reading.passes,
    )


def test_every_family_writes_the_same(
    family: str, tiny_model: Callable[..., PreTrainedModel], open_gates: Callable[..., None]
) -> None:
    """Windows included, which count slots; in turns, so that buffers hold what was there before."""
    conditioned = ConditionedLLM(tiny_model(family), "paper", n_best=3, noise_dimension=8)
    open_gates(conditioned.adapter)
    fixed = FixedPasses(conditioned)
    for turn in range(3):
        drafts = [[[*[(turn + row + place) % 50 for place in range(6)], 3]] for row in range(len(PROMPTS))]
        drafts = [[[token for token in guess[:-1] if token != 3] + [3] for guess in row] for row in drafts]
        expected, log_probabilities, passes = decoded(conditioned, drafts, None)
        found, own, own_passes = decoded(conditioned, drafts, fixed)
        assert found == expected
        assert own == [pytest.approx(value, abs=2e-4) for value in log_probabilities]
        assert own_passes == passes
        assert max(passes) > 2


@pytest.fixture(scope="module")
def fixed(case: Case) -> FixedPasses:
    return FixedPasses(case.corrector.llm)


@given(data=st.data())
@settings(max_examples=20)
def test_whatever_the_drafts_and_the_batch_it_is_greedy(
    case: Case, greedy: list[list[int]], fixed: FixedPasses, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.sampled_from(ROWS), min_size=1, max_size=7, unique=True), label="rows")
    drafts = [
        [[*data.draw(st.lists(st.integers(30, 90), max_size=12), label=f"draft of {row}"), case.end]]
        for row in rows
    ]
    reading = Reading(
        case.corrector.llm, [case.prompts[row] for row in rows], case.noise[rows], case.end, fixed
    )
    answers, log_probabilities = reading.decode(drafts, [LIMIT] * len(rows))
    for at, row in enumerate(rows):
        case.check(row, answers[at], greedy[row])
        assert log_probabilities[at] == near(case.log_probability(row, drafts[at][0]))


@pytest.mark.parametrize("guard", ["none", "margin"])
@pytest.mark.parametrize("batch_size", [3, 21])  # of 21 lists, more rows go on than there are buffers for
def test_transcripts_are_the_same(
    tiny_corrector: Callable[..., Corrector], guard: str, batch_size: int
) -> None:
    corrector = tiny_corrector()
    expected = corrector.correct(LISTS, guard=guard, batch_size=batch_size)
    for _ in range(2):
        found = corrector.correct(LISTS, guard=guard, batch_size=batch_size, fixed_shapes=True)
        assert [each.text for each in found] == [each.text for each in expected]
        assert [each.passes for each in found] == [each.passes for each in expected]
    assert max(each.passes for each in expected) > 2


@pytest.mark.gpu
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3"])
def test_recordings_write_the_same(
    family: str,
    tiny_model: Callable[..., PreTrainedModel],
    open_gates: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conditioned = ConditionedLLM(tiny_model(family).to("cuda"), "paper", n_best=3, noise_dimension=8)  # type: ignore[arg-type]
    open_gates(conditioned.adapter)
    conditioned.adapter.to("cuda")
    replayed: list[Any] = []
    replay = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(
        torch.cuda.CUDAGraph, "replay", lambda graph: (replayed.append(graph), replay(graph))[1]
    )
    fixed = FixedPasses(conditioned)
    for turn in range(3):
        drafts = [[[*[4 + (turn + row + place) % 40 for place in range(6)], 3]] for row in range(4)]
        expected, log_probabilities, passes = decoded(conditioned, drafts, None)
        before = len(replayed)
        found, own, _ = decoded(conditioned, drafts, fixed)
        assert found == expected
        assert own == [pytest.approx(value, abs=2e-4) for value in log_probabilities]
        assert len(replayed) - before == max(passes) - 1
    assert len(set(map(id, replayed))) < len(replayed)
