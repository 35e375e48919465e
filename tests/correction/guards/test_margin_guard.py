"""A correction is divided into stretches, and some of them are put back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.correction import Corrector
from robustger.correction.decoding.reading import Reading
from robustger.correction.guards.margin_guard import (
    EditedStretch,
    edited_stretches,
    keep_sure_stretches,
    put_back,
)

texts = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


def test_neighboring_edits_are_one_stretch():
    best = ["the", "fair", "to", "the", "vent", "is", "five", "dollars"]
    text = ["the", "fare", "to", "denver", "is", "five", "dollars", "each"]
    assert edited_stretches(best, text) == [
        EditedStretch((1, 2), (1, 2)),
        EditedStretch((3, 5), (3, 4)),
        EditedStretch((8, 8), (7, 8)),
    ]
    assert (
        put_back(best, text, [edited_stretches(best, text)[1]]) == "the fare to the vent is five dollars each"
    )


@given(best=texts, text=texts)
def test_all_put_back_is_the_best_and_none_is_the_text(best: list[str], text: list[str]):
    stretches = edited_stretches(best, text)
    assert put_back(best, text, stretches) == " ".join(best)
    assert put_back(best, text, []) == " ".join(text)


@given(best=texts, text=texts)
def test_stretches_are_apart_and_in_order(best: list[str], text: list[str]):
    stretches = edited_stretches(best, text)
    for before, after in pairwise(stretches):
        assert before.best[1] < after.best[0] or before.text[1] < after.text[0]
    assert bool(stretches) == (best != text)


@pytest.mark.parametrize("min_gain", [-1e6, 0.0, 1.0, 1e6])
def test_each_stretch_is_judged_by_what_putting_it_back_costs(
    tiny_corrector: Callable[..., Corrector], min_gain: float
):
    corrector = tiny_corrector()
    bests = ["show me the fair to the vent", "turn of the light", "the night train", "show me the fare"]
    texts = ["show me a fare to denver", "turn off the lights", "the night train", "show me that fare"]
    prompts = [corrector.prompt_tokens([best, text]) for best, text in zip(bests, texts, strict=True)]
    noise = corrector.noise_embedding([[best, text] for best, text in zip(bests, texts, strict=True)])

    def log_probability(row: int, text: str) -> float:
        tokens = corrector.answer_tokens(text)
        alone = Reading(corrector.llm, [prompts[row]], noise[[row]], corrector.tokenizer.eos_token_id)
        return alone.score([0], [tokens])[0]

    of_text = [log_probability(row, text) for row, text in enumerate(texts)]
    of_best = [log_probability(row, best) for row, best in enumerate(bests)]
    expected = []
    for row, (best, text) in enumerate(zip(bests, texts, strict=True)):
        old, new = best.split(), text.split()
        weak = [
            stretch
            for stretch in edited_stretches(old, new)
            if of_text[row] - log_probability(row, put_back(old, new, [stretch])) < min_gain
        ]
        expected.append(put_back(old, new, weak))
    reading = Reading(corrector.llm, prompts, noise, corrector.tokenizer.eos_token_id)
    kept = keep_sure_stretches(reading, corrector.answer_tokens, bests, texts, of_text, of_best, min_gain)
    assert kept == expected
    assert kept == {-1e6: texts, 1e6: bests}.get(min_gain, kept)
