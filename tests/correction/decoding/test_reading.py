"""Decoding from drafts against greedy decoding: same tokens, same probabilities, fewer passes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.correction.cases import LIMIT, ROWS, Case, near
from torch import Tensor
from transformers import PreTrainedModel

from robustger.correction import Corrector
from robustger.correction.decoding.reading import SCORED_AT_ONCE, Reading
from robustger.correction.llm.cache import RowCache
from robustger.correction.llm.conditioning import ConditionedLLM

Greedy = list[list[int]]


def read(case: Case, rows: Sequence[int] = ROWS) -> Reading:
    return Reading(case.corrector.llm, [case.prompts[row] for row in rows], case.noise[list(rows)], case.end)


def text_of(tokens: list[int], end: int) -> list[int]:
    """The answer without its end; one that was cut off is cut shorter, to be a draft within the limit."""
    return tokens[:-1] if tokens[-1] == end else tokens[: LIMIT - 20]


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


@pytest.mark.parametrize("others", [[], ["right"], list(DRAFTS)], ids=["alone", "right", "all"])
@pytest.mark.parametrize("kind", DRAFTS)
def test_decoding_from_drafts_equals_greedy(case: Case, greedy: Greedy, kind: str, others: list[str]) -> None:
    drafts = [
        [[*DRAFTS[name](text_of(tokens, case.end)), case.end] for name in [kind, *others]]
        for tokens in greedy
    ]
    limits = [max(LIMIT, len(guesses[0])) for guesses in drafts]
    answers, log_probabilities = read(case).decode(drafts, limits)
    for row in ROWS:
        assert limits[row] == LIMIT or greedy[row][-1] == case.end  # else the reference would be too short
        case.check(row, answers[row], greedy[row])
        assert log_probabilities[row] == near(case.log_probability(row, drafts[row][0]))


@st.composite
def mutations(draw: st.DrawFn, tokens: list[int]) -> list[int]:
    """A text with a few tokens replaced, put in or left out, at times something else altogether."""
    text = list(tokens)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        new = draw(st.lists(st.integers(30, 90), max_size=3))
        text[at : at + draw(st.integers(0, 3))] = new
    return text


@given(data=st.data())
@settings(max_examples=25)
def test_whatever_the_drafts_and_the_batch_it_is_greedy(
    case: Case, greedy: Greedy, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.sampled_from(ROWS), min_size=1, max_size=5, unique=True), label="rows")
    drafts, limits = [], []
    for row in rows:
        text = text_of(greedy[row], case.end)
        guesses = data.draw(st.lists(mutations(text), min_size=1, max_size=4), label=f"drafts of {row}")
        drafts.append([[*guess, case.end] for guess in guesses])
        least = min(LIMIT, len(drafts[-1][0]))
        drafts[-1][0] = [*drafts[-1][0][: least - 1], case.end]
        limits.append(data.draw(st.integers(least, LIMIT), label=f"limit of {row}"))
    reading = read(case, rows)
    answers, log_probabilities = reading.decode(drafts, limits)
    for at, row in enumerate(rows):
        expected = greedy[row][: limits[at]]
        case.check(row, answers[at], expected)
        assert log_probabilities[at] == near(case.log_probability(row, drafts[at][0]))
        assert 1 <= reading.passes[at] <= len(expected)


def test_every_answer_keeps_to_its_own_limit(case: Case, greedy: Greedy) -> None:
    limits = [1, 2, 3, 5, 8, 13, 21, 34]
    texts = [[token for token in tokens if token != case.end] for tokens in greedy]
    drafts = [[[*text[: limit - 1], case.end]] for text, limit in zip(texts, limits, strict=True)]
    answers, _ = read(case).decode(drafts, limits)
    for row, limit in enumerate(limits):
        case.check(row, answers[row], greedy[row][:limit])
    assert {answer.finished for answer in answers} == {False, True}


def finished_rows(case: Case, greedy: Greedy, length: int) -> list[int]:
    rows = [row for row in ROWS if greedy[row][-1] == case.end and len(greedy[row]) > length]
    assert rows, "the tiny model must end an answer of some length"
    return rows


def test_passes_are_one_and_one_for_each_edit_of_a_token(case: Case, greedy: Greedy) -> None:
    rows = finished_rows(case, greedy, 4)
    texts = {row: greedy[row][:-1] for row in rows}

    def passes(*edits: Callable[[list[int]], list[int]]) -> set[int]:
        reading = read(case, rows)
        drafts = [[[*edit(texts[row]), case.end] for edit in edits] for row in rows]
        answers, _ = reading.decode(drafts, [LIMIT] * len(rows))
        assert [answer.tokens for answer in answers] == list(texts.values())
        return set(reading.passes)

    def replaced(text: list[int]) -> list[int]:
        return [text[0], other(text[1]), *text[2:]]

    def two_replaced(text: list[int]) -> list[int]:
        return [text[0], other(text[1]), other(text[2]), *text[3:]]

    assert passes(lambda text: text) == {1}
    assert passes(replaced) == {2}
    assert passes(two_replaced) == {3}
    assert passes(two_replaced, lambda text: [other(text[0]), *text[1:]]) == {2}  # the second has the rest
    assert passes(lambda text: [60, 61, *text]) <= {2, 3}
    assert passes(lambda text: text[:-1]) == {2}


def test_who_is_finished_leaves_the_batch(
    case: Case, greedy: Greedy, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    extend = case.corrector.llm.extend

    def spy(cache: Any, input_ids: Tensor, *args: Any, **options: Any) -> Tensor:
        sizes.append(len(input_ids))
        return extend(cache, input_ids, *args, **options)

    monkeypatch.setattr(case.corrector.llm, "extend", spy)
    reading = read(case)
    drafts = [[[*DRAFTS["wrong in the middle"](text_of(tokens, case.end)), case.end]] for tokens in greedy]
    reading.decode(drafts, [LIMIT] * len(ROWS))
    assert sizes[0] == len(ROWS)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < len(ROWS)
    assert sum(sizes) == sum(reading.passes)
    assert len(sizes) == max(reading.passes)


@pytest.mark.parametrize("decoded", [False, True])
def test_scores_are_log_probabilities(case: Case, greedy: Greedy, decoded: bool) -> None:
    reading = read(case)
    if decoded:
        reading.decode([[[60, case.end]] for _ in ROWS], [LIMIT] * len(ROWS))
    before = list(reading.passes)
    rows = [row % len(ROWS) for row in range(SCORED_AT_ONCE + 9)]
    answers = [[*greedy[row][:3], *range(60, 60 + at % 7), case.end] for at, row in enumerate(rows)]
    for at, score in enumerate(reading.score(rows, answers)):
        assert score == near(case.log_probability(rows[at], answers[at]))
    own = 2 if decoded else 3  # two turns; the prompts are read once
    assert [now - then for now, then in zip(reading.passes, before, strict=True)] == [own] * len(ROWS)
    assert reading.score([], []) == []


def test_one_answer_each_is_scored_in_one_pass(case: Case, greedy: Greedy) -> None:
    reading = read(case)
    answers = [[*tokens[:3], *range(60, 60 + at), case.end] for at, tokens in enumerate(greedy)]
    for row, score in enumerate(reading.score(range(len(ROWS)), answers)):
        assert score == near(case.log_probability(row, answers[row]))
    assert reading.passes == [1] * len(ROWS)


FAMILY_PROMPTS = [[5, 17, 3, 44, 9, 21, 30], [8, 2, 41, 12], [7, 7, 19, 33, 28, 6, 1, 40, 15, 22, 3], [31]]
FAMILY_NOISE = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(7))
FAMILY_LIMIT = 16


@torch.no_grad()
def step_by_step(conditioned: ConditionedLLM, row: int) -> tuple[list[int], list[float]]:
    """Greedy decoding that reads everything anew for every token: neither batch, padding nor cache."""
    tokens: list[int] = []
    steps = []
    for _ in range(FAMILY_LIMIT):
        ids = torch.tensor([[*FAMILY_PROMPTS[row], *tokens]])
        last = conditioned(ids, FAMILY_NOISE[row : row + 1])[0, -1].log_softmax(-1)
        tokens.append(int(last.argmax()))
        steps.append(last.max().item())
    return tokens, steps


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_every_family_writes_what_it_writes_step_by_step(
    family: str,
    attention: str,
    tiny_model: Callable[..., PreTrainedModel],
    open_gates: Callable[..., None],
) -> None:
    """Sliding windows included: prompts and answers are longer than the four tokens that some layers see."""
    if (family, attention) == ("gemma2", "sdpa"):
        pytest.skip("transformers has no sdpa for Gemma 2")
    conditioned = ConditionedLLM(tiny_model(family, attention), "paper", n_best=3, noise_dimension=8)
    open_gates(conditioned.adapter)
    written = [step_by_step(conditioned, row) for row in range(len(FAMILY_PROMPTS))]
    end = written[0][0][-1]  # the first answer ends late, others perhaps never
    generator = torch.Generator().manual_seed(3)
    for turn in range(4):
        rows = list(itertools.chain(range(turn % 2, 4), range(turn % 2)))
        drafts = []
        for row in rows:
            text = [token for token in written[row][0] if token != end][: FAMILY_LIMIT - 1]
            guesses = []
            for _ in range(1 + turn):  # with one token in five another one
                wrong = torch.rand(len(text), generator=generator) < 0.2
                guess = [(token + 1) % 50 if bad else token for token, bad in zip(text, wrong, strict=True)]
                guesses.append([*(token for token in guess if token != end), end])
            drafts.append(guesses)
        prompts = [FAMILY_PROMPTS[row] for row in rows]
        reading = Reading(conditioned, prompts, FAMILY_NOISE[rows], end)
        answers, _ = reading.decode(drafts, [FAMILY_LIMIT] * len(rows))
        for row, answer in zip(rows, answers, strict=True):
            tokens, steps = written[row]
            length = tokens.index(end) + 1 if end in tokens else FAMILY_LIMIT
            assert answer.tokens == [token for token in tokens[:length] if token != end]
            assert answer.finished == (end in tokens)
            assert answer.log_probability == pytest.approx(sum(steps[:length]), abs=2e-4)
        assert max(reading.passes) < FAMILY_LIMIT


def test_no_two_noises_share_the_keys_of_an_instruction(case: Case) -> None:
    """Which is why every prompt is read from its first token on."""
    llm, prompt = case.corrector.llm, torch.tensor([case.prompts[0]])

    def keys(noise: Tensor) -> list[Tensor]:
        cache = RowCache()
        llm.extend(cache, prompt, [0], llm.noise_arguments(noise), torch.tensor([[0, 0]]))
        cache.place([prompt.shape[1]], 0, llm.device)  # writes nothing more, and reads all
        nothing = torch.empty(1, 2, 0, 8)
        return [cache.update(nothing, nothing, layer)[0] for layer in range(3)]

    with torch.no_grad():
        pairs = zip(keys(case.noise[:1]), keys(case.noise[1:2]), strict=True)
        same = [torch.allclose(own[:, :, 1], theirs[:, :, 1], atol=1e-4) for own, theirs in pairs]
    assert same == [layer <= llm.first_layer for layer in range(3)]


@dataclass(frozen=True)
class Rounded:
    """A corrector in bfloat16, and one with the same weights that computes in float32."""

    case: Case
    exact: Case

    def shortfalls(self, row: int, tokens: list[int]) -> Tensor:
        """By how much each token's exact logit is below the greatest, (T,)."""
        logits = self.exact.logits(row, tokens)[:-1]
        return logits.max(-1).values - logits.gather(-1, torch.tensor(tokens)[:, None])[:, 0]


@pytest.fixture(scope="module")
def rounded(case: Case) -> Rounded:
    cases = []
    for dtype in (torch.bfloat16, torch.float32):
        corrector = Corrector.create(case.corrector.config, dtype, "cpu")
        corrector.llm.adapter.load_state_dict(case.corrector.llm.adapter.state_dict())
        for parameter in corrector.llm.llm.parameters():
            parameter.data = parameter.data.to(torch.bfloat16).to(dtype)
        cases.append(Case(corrector, case.prompts, case.noise, case.end))
    return Rounded(*cases)


def test_in_bfloat16_answers_part_only_where_rounding_decides(rounded: Rounded) -> None:
    """Logits of a pass over many tokens are rounded in other places than those of a pass over one.

    Two tokens are tied where their exact logits differ by no more than the rounding errors of both account for. Every
    token of an answer, drafted or not, is the most probable one or tied with it.
    """
    case, exact = rounded.case, rounded.exact
    errors, distances, shortfalls = [], [], []
    for row in ROWS:
        written = case.generate(row).tolist()
        logits = exact.logits(row, written)
        errors.append(case.logits(row, written).float() - logits)
        best, second = logits.topk(2, -1).values.unbind(-1)
        distances.append(best - second)
        shortfalls.append(rounded.shortfalls(row, written))
        text = text_of(written, case.end)
        for edit in DRAFTS.values():
            guesses = [[*edit(text), case.end], [*text[1:], case.end]]
            reading = Reading(case.corrector.llm, [case.prompts[row]], case.noise[[row]], case.end)
            [answer], _ = reading.decode([guesses], [max(LIMIT, len(guesses[0]))])
            tokens = [*answer.tokens, case.end] if answer.finished else answer.tokens
            shortfalls.append(rounded.shortfalls(row, tokens))
    tie = 4 * float(torch.cat(errors).square().mean().sqrt())  # nearly three deviations of a difference
    assert torch.cat(shortfalls).max() < tie
    assert (torch.cat(distances) < tie).float().mean() < 0.4, (
        "ties must be the exception, or this shows nothing"
    )


def test_an_exact_tie_goes_to_the_token_greedy_decoding_takes(rounded: Rounded) -> None:
    """The first one, also where the draft has the other."""
    case = rounded.case
    firsts = [int(case.generate(row)[0]) for row in ROWS]
    rows = [row for row in ROWS if firsts[row] > 2]
    assert rows
    head = case.corrector.llm.llm.lm_head.weight.data
    for row in rows:
        first, twin = firsts[row], 2  # no special token
        before = head[twin].clone()
        head[twin] = head[first]
        try:
            assert int(case.generate(row)[0]) == twin
            reading = Reading(case.corrector.llm, [case.prompts[row]], case.noise[[row]], case.end)
            [answer], _ = reading.decode([[[first, case.end]]], [2])
        finally:
            head[twin] = before
        assert answer.tokens[0] == twin
