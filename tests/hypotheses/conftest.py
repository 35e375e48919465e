"""Fixtures of the tests of N-best lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.hypotheses.released_items import FRAMES, LISTS, PROMPT, WIDTH
from torch import Tensor


@pytest.fixture(scope="session")
def tokenizer(tiny_base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


@pytest.fixture(scope="session")
def item_of(tokenizer: Any) -> Callable[..., dict[str, Any]]:
    """What the script makes of one utterance; `emb_diff` and the audio are random."""

    def encode(text: str, eos: bool) -> Tensor:  # lit_gpt's Tokenizer.encode
        ids = [tokenizer.bos_token_id, *tokenizer(text)["input_ids"]] + [tokenizer.eos_token_id] * eos
        return torch.tensor(ids[:1024], dtype=torch.int)

    def build(id_: str, seed: int = 0, frames: int = FRAMES) -> dict[str, Any]:
        hypotheses, reference = LISTS[id_]
        generator = torch.Generator().manual_seed(seed)
        prompt = PROMPT.format(hypotheses[0] + ".", ". ".join(hypotheses[1:]) + ".")
        input_ids, without = encode(prompt + reference, eos=True), encode(prompt, eos=False)
        labels = input_ids.clone()
        labels[: len(without)] = -1
        return {
            "id": id_,
            "input_ids": input_ids,
            "input_ids_no_response": without,
            "labels": labels,
            "input": list(hypotheses),
            "ground_truth": reference,
            "am_score": [-0.25, -0.5, -0.75, -1.0, -1.5],
            "emb_diff": torch.randn(20, 16, generator=generator),
            "audio_features": torch.randn(
                frames, WIDTH, generator=generator
            ).half(),  # Whisper decodes in half
            "clean_audio_features": torch.randn(frames, WIDTH, generator=generator),
        }

    return build


@pytest.fixture
def items(item_of: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    return [item_of(id_, seed) for seed, id_ in enumerate(LISTS)]
