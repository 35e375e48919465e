"""Decoding from drafts with the preset `whisper` on real lists, in float32, against `generate`."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from robustger.correction import Corrector
from robustger.correction.decoding.reading import Reading
from robustger.correction.decoding.stepwise import decode
from robustger.correction.guards.margin_guard import edited_stretches
from robustger.hypotheses import NBest, load_nbest
from robustger.models import MODELS

DATA = os.environ.get("ROBUSTGER_DATA")
FILES = sorted((Path(DATA) / "hyporadise").glob("*.dev.jsonl")) if DATA else []
LIMIT = 256

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES, reason="ROBUSTGER_DATA is not set: no real lists"),
    pytest.mark.skipif(
        any(model.source() is None for model in MODELS.values()),
        reason="needs the embedded models: robustger models fetch smollm2-135m",
    ),
]


@pytest.fixture(scope="module")
def corrector() -> Corrector:
    return Corrector.from_pretrained("whisper", torch.float32, "cpu")


def batches(corrector: Corrector, lists: Sequence[NBest], size: int = 16) -> Iterator[list[NBest]]:
    ordered = sorted(lists, key=lambda nbest: len(corrector.prompt_tokens(nbest.texts)))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.partition(".")[0])
def test_drafted_is_greedy(corrector: Corrector, file: Path) -> None:
    end = corrector.tokenizer.eos_token_id
    different = []
    for batch in batches(corrector, load_nbest(file)):
        prompts = [corrector.prompt_tokens(nbest.texts) for nbest in batch]
        noise = corrector.noise_embedding([nbest.texts for nbest in batch])
        drafts = [
            [corrector.answer_tokens(" ".join(text.split())) for text in nbest.texts[:5]] for nbest in batch
        ]
        limits = [LIMIT] * len(batch)
        drafted, _ = Reading(corrector.llm, prompts, noise, end).decode(drafts, limits)
        greedy = decode(corrector.llm, prompts, noise, end=end, limits=limits)
        for nbest, own, theirs in zip(batch, drafted, greedy, strict=True):
            if (own.tokens, own.finished) != (theirs.tokens, theirs.finished):
                different.append((nbest.id, own.tokens, theirs.tokens))
            else:
                assert own.log_probability == pytest.approx(theirs.log_probability, abs=1e-2)
    assert not different


def test_passes_are_few(corrector: Corrector) -> None:
    lists = [nbest for file in FILES for nbest in list(load_nbest(file))[::8]]
    asked = [found for found in corrector.correct(lists, guard="none", skip_agreeing=False) if found.passes]
    passes = [found.passes for found in asked]
    edits = [len(edited_stretches(found.best.split(), found.generated.split())) for found in asked]
    assert statistics.median(passes) <= 2
    assert statistics.mean(passes) <= 1.3 + statistics.mean(edits)
