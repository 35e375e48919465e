"""The GPU benchmark on its toy: the random model writes its chain, and every row has its number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks.chain import TOY, answer_text, chain_corrector, lists_to_correct
from benchmarks.gpu import corrected, measure, one_token_at_a_time
from benchmarks.roofline import layer_weights, matmul_rate, read_rate

from benchmarks import training_gpu

SMALL = replace(TOY, vocabulary=60, answer=5)


def test_the_model_writes_its_chain_behind_any_list(tmp_path: Path) -> None:
    corrector = chain_corrector(SMALL, tmp_path, torch.float32, "cpu")
    lists, wrong_places = lists_to_correct(SMALL, 12)
    right = answer_text(SMALL)
    transcripts = corrected(corrector, lists, 4, right)
    assert wrong_places > 0
    assert sum(nbest.best != right for nbest in lists) >= 3
    passes = {nbest.best == right: t.passes for nbest, t in zip(lists, transcripts, strict=True)}
    assert passes[True] < passes[False] < SMALL.answer + 1
    prompt = corrector.prompt_tokens(lists[0].texts)
    noise = corrector.noise_embedding([lists[0].texts])
    assert one_token_at_a_time(corrector, prompt, noise) == corrector.answer_tokens(right)[:-1]
    with pytest.raises(RuntimeError, match="12 of 12 answers"):
        corrected(corrector, lists, 4, "something else")


def test_every_row_has_its_number() -> None:
    rows = {row.name: row for row in measure(toy=True)}
    assert len(rows) == 6
    assert all(value > 0 for row in rows.values() for value in row.values)
    passes = next(row for name, row in rows.items() if name.startswith("passes"))
    assert 1 <= passes.median < TOY.answer
    assert sum(passes.details["histogram"].values()) == 24  # type: ignore[attr-defined]


def test_the_papers_recipe_takes_its_steps() -> None:
    rows = {row.name: row for row in training_gpu.measure(toy=True, steps=2)}
    assert len(rows) == 3  # the fourth is the GPU's memory
    step, tokens, share = rows.values()
    assert len(step.values) == 2
    assert step.details["micro_batch_size"] == 4  # of the recipe
    read = float(step.details["tokens_of_a_list"]) * 4  # type: ignore[arg-type]
    assert tokens.values[0] * step.values[0] == pytest.approx(read, rel=0.1)
    assert 0 < share.median < 1


def test_rates_are_counted_in_operations_and_bytes() -> None:
    assert matmul_rate(32, 64, 16, torch.float32, repeats=2) > 1e6
    assert read_rate(0.001, repeats=2) > 1e6
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))
    assert layer_weights(model) == 12 + 8
