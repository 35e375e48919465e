"""Batches by number or by tokens, and what happens when memory runs out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robustger.correction import Corrector
from robustger.correction.batch import ReadingBatch, in_parts, prepared
from robustger.correction.decoding.batch_size import (
    AUTO_CPU_TOKENS,
    AUTO_GPU_TOKENS,
    COUNTED_BATCH_TOKENS,
    FEWEST_TOKENS,
    BatchSize,
    BatchSizes,
    bytes_per_token,
    tokens_at_once,
)
from robustger.correction.list_prompts import ListPrompt
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript

LISTS = [
    NBest.from_texts(f"{number}", [f"{'what is ' * (number % 7)}the fair", "what is the fare", "the fare"])
    for number in range(24)
]


@pytest.fixture(scope="module")
def corrector(tiny_corrector: Callable[..., Corrector]) -> Corrector:
    return tiny_corrector()


def sizes_of(size: BatchSize) -> BatchSizes:
    return BatchSizes(size, SimpleNamespace(device=torch.device("cpu")))  # type: ignore[arg-type]


@given(
    size=st.one_of(st.just("auto"), st.integers(1, 40)),
    lengths=st.lists(
        st.tuples(st.one_of(st.integers(1, 300), st.integers(1_000, 5_000)), st.integers(1, 90)), max_size=60
    ),
)
def test_batches_hold_every_list_once_and_keep_to_their_bounds(
    size: Any, lengths: list[tuple[int, int]]
) -> None:
    sizes = sizes_of(size)
    nbest = LISTS[0]
    prompts = [ListPrompt(place, nbest, [0] * p, [1] * d) for place, (p, d) in enumerate(lengths)]
    batches = list(sizes.batches(prompts))
    assert sorted(prompt.index for batch in batches for prompt in batch) == list(range(len(lengths)))
    tokens = AUTO_CPU_TOKENS if size == "auto" else COUNTED_BATCH_TOKENS
    for batch in batches:
        longest = max(len(prompt.tokens) + len(prompt.draft) for prompt in batch)
        assert len(batch) == 1 or len(batch) * longest <= tokens
        assert size == "auto" or len(batch) <= size
    for batch, following in itertools.pairwise(batches):  # none could have taken one more
        more = (len(batch) + 1) * (len(following[0].tokens) + len(following[0].draft))
        assert len(batch) == size or more > tokens


@pytest.mark.parametrize("size", [0, -3, "many", 2.5])
def test_sizes_that_are_none_are_told(corrector: Corrector, size: Any) -> None:
    with pytest.raises(InputError, match=re.escape(f"batch size {size!r}: give a number of lists")):
        corrector.correct(LISTS[:1], batch_size=size)


def test_auto_writes_what_other_sizes_write(corrector: Corrector) -> None:
    alone = corrector.correct(LISTS, batch_size=1)
    for size in ("auto", 5):
        found = corrector.correct(LISTS, batch_size=size)
        assert [each.text for each in found] == [each.text for each in alone]
        assert [each.passes for each in found] == [each.passes for each in alone]


def batch_of(lists: Sequence[NBest], corrector: Corrector) -> ReadingBatch:
    prompts = [
        ListPrompt(
            index, nbest, corrector.prompt_tokens(nbest.texts), draft=corrector.answer_tokens(nbest.best)
        )
        for index, nbest in enumerate(lists)
    ]
    return ReadingBatch.of(prompts, corrector.tokens, corrector.noise)


def test_a_batch_holds_what_is_known_before_the_language_model_is_asked(corrector: Corrector) -> None:
    batch = batch_of(LISTS, corrector)
    texts = [nbest.texts for nbest in LISTS]
    assert torch.equal(batch.noise, corrector.noise_embedding(texts))
    assert batch.drafts == [[corrector.answer_tokens(text) for text in each] for each in texts]
    assert batch.tokens == len(LISTS) * max(len(p.tokens) + len(p.draft) for p in batch.prompts)


@pytest.mark.parametrize("fitting", [1, 3, 5, 24])
def test_where_memory_runs_out_the_batch_goes_in_parts(corrector: Corrector, fitting: int) -> None:
    """Each list once and in order, with its own prompt and noise, and later batches no larger than what fitted."""
    batch = batch_of(LISTS, corrector)
    sizes = sizes_of(100)

    def run(part: ReadingBatch) -> list[Transcript]:
        if len(part) > fitting:
            raise torch.OutOfMemoryError
        assert torch.equal(part.noise, batch.noise[[prompt.index for prompt in part.prompts]])
        assert list(part.drafts) == [batch.drafts[prompt.index] for prompt in part.prompts]
        lists = [prompt.nbest for prompt in part.prompts]
        return [
            Transcript(nbest.id, nbest.best, nbest.best, "", "llm", "none", 1.0, passes=1, tokens=1)
            for nbest in lists
        ]

    found = [
        (prompt.index, transcript.id)
        for part, of_part in in_parts(batch, run, sizes)
        for prompt, transcript in zip(part.prompts, of_part, strict=True)
    ]
    assert found == [(number, nbest.id) for number, nbest in enumerate(LISTS)]
    later = list(sizes.batches(batch.prompts))
    assert max(map(len, later)) <= max(1, 2 * fitting - 1)
    assert (len(later) == 1) == (fitting == 24)


def test_one_list_too_many_for_memory_is_one_line(corrector: Corrector) -> None:
    def run(part: ReadingBatch) -> list[Transcript]:
        raise torch.OutOfMemoryError

    with pytest.raises(InputError, match=r"list .0., of .* tokens, does not fit") as error:
        list(in_parts(batch_of(LISTS[:3], corrector), run, sizes_of(4)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("ahead", [False, True])
def test_what_is_prepared_ahead_comes_in_order(ahead: bool) -> None:
    begun, done = [], []

    def prepare(number: int) -> int:
        begun.append(number)
        return number * number

    for square in prepared(iter(range(6)), prepare, ahead):
        done.append(square)
        assert len(begun) <= len(done) + ahead  # one ahead, and no more
    assert done == [0, 1, 4, 9, 16, 25]
    assert list(prepared([], prepare, ahead)) == []

    def refuse(number: int) -> int:
        raise InputError(f"list {number}")

    with pytest.raises(InputError, match="list 3"):
        list(prepared([3, 4], refuse, ahead))


def test_bytes_of_a_token_grow_with_the_model(tiny_corrector: Callable[..., Corrector]) -> None:
    llm = tiny_corrector().llm
    config = llm.llm.config.get_text_config()
    keys_values = 2 * 3 * 2 * 8 * 4  # both, layers, heads, width of a head, bytes
    assert bytes_per_token(llm) > 2 * keys_values + config.vocab_size * 4 // 2
    whole = bytes_per_token(llm)
    base: Any = llm.llm
    base.to(torch.bfloat16)
    assert bytes_per_token(llm) < whole
    assert tokens_at_once(llm) == AUTO_CPU_TOKENS


@pytest.mark.gpu
def test_a_gpu_takes_as_many_tokens_as_it_has_room_for(tiny_base: Any, tiny_encoder: Any) -> None:
    from robustger.correction import CorrectorConfig

    config = CorrectorConfig(base=str(tiny_base), encoder=str(tiny_encoder), noise_dimension=16)
    corrector = Corrector.create(config, torch.float32, "cuda")
    assert FEWEST_TOKENS <= tokens_at_once(corrector.llm) <= AUTO_GPU_TOKENS
    on_gpu = corrector.correct(LISTS, batch_size="auto")
    on_cpu = Corrector.create(config, torch.float32, "cpu")
    on_cpu.llm.adapter.load_state_dict(corrector.llm.adapter.state_dict())
    assert [each.text for each in on_gpu] == [each.text for each in on_cpu.correct(LISTS)]
