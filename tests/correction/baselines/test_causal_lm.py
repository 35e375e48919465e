"""Texts scored by a causal language model: token by token the model's own probabilities."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from robustger.correction.baselines import load_baseline
from robustger.correction.llm.causal_lm import CausalLanguageModel
from robustger.errors import InputError, MissingModelError
from robustger.hypotheses import NBest

TEXTS = [
    "what is the fare from boston to denver on sunday",
    "half past ten",
    "",
    "the night train </s> to lisbon",
    "half passed ten",
]


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> CausalLanguageModel:
    return CausalLanguageModel(tiny_base, "cpu")


def token_by_token(folder: Path, text: str) -> float:
    """The same, the slow way: one forward pass a token, and nothing in a batch."""
    llm = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    read, total = [tokenizer.bos_token_id], 0.0
    for token in [*tokens, tokenizer.eos_token_id]:
        with torch.no_grad():
            logits = llm(torch.tensor([read])).logits[0, -1]
        total += logits.double().log_softmax(-1)[token].item()
        read.append(token)
    return total


def test_it_is_the_probability_of_every_token_and_the_end(
    model: CausalLanguageModel, tiny_base: Path
) -> None:
    expected = [token_by_token(tiny_base, text) for text in TEXTS]
    assert model.log_probabilities(TEXTS) == pytest.approx(expected, abs=1e-3)


def test_a_text_has_the_same_probability_in_any_company(
    model: CausalLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = model.log_probabilities(TEXTS)
    monkeypatch.setattr("robustger.correction.llm.causal_lm.SCORED_TOKENS", 1)
    assert model.log_probabilities(TEXTS[::-1]) == pytest.approx(together[::-1], abs=1e-3)


def test_a_text_longer_than_the_context_is_impossible(model: CausalLanguageModel) -> None:
    fits, exceeds = model.log_probabilities(["ten", "ten " * 600])
    assert math.isfinite(fits)
    assert exceeds == -math.inf


def test_lm_rank_tunes_its_weight_and_chooses_from_the_list(tiny_base: Path) -> None:
    lists = [
        NBest.from_texts("u1", ["half passed ten", "half past ten"], reference="half past ten"),
        NBest.from_texts("u2", ["the night rain", "the night train"], reference="the night train"),
    ]
    rank = load_baseline("lm-rank", model=tiny_base, dev=lists, device="cpu")
    for nbest, transcript in zip(lists, rank.transcribe(lists), strict=True):
        assert transcript.id == nbest.id
        assert transcript.text in nbest.texts


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path, tiny_base: Path) -> None:
    with pytest.raises(MissingModelError, match=r"no config\.json there"):
        CausalLanguageModel(tmp_path)
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((tiny_base / file).read_bytes())
    with pytest.raises(InputError, match="tokenizer"):
        CausalLanguageModel(tmp_path)
