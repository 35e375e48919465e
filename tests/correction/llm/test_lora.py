"""Low-rank updates that are folded into the weights give the same function with fewer products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer
from tests.correction.cases import LIMIT, ROWS, TEXTS, Case
from torch.testing import assert_close
from transformers import PreTrainedModel

from robustger.correction import Corrector, LoraConfig
from robustger.correction.checkpoint import trained_parameters
from robustger.correction.decoding.reading import Reading
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.correction.llm.lora import add_lora, fold_lora
from robustger.errors import InputError
from robustger.hypotheses import NBest

IDS = torch.tensor([[5, 17, 3, 44, 9, 21, 30], [8, 2, 41, 12, 6, 6, 1]])
NOISE = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(7))
LORA = LoraConfig(r=3, alpha=5.0)


@pytest.fixture(scope="module")
def checkpoint(tiny_corrector: Callable[..., Corrector], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lora") / "checkpoint"
    tiny_corrector(lora={"r": 4, "alpha": 0.5}).save_pretrained(folder)
    return folder


@pytest.fixture
def tuned(
    tiny_model: Callable[..., PreTrainedModel], open_gates: Callable[..., None]
) -> Callable[..., ConditionedLLM]:
    """A tiny model of a family with a noise prompt and low-rank updates, all random."""

    def build(family: str, lora: LoraConfig = LORA, **changes: Any) -> ConditionedLLM:
        conditioned = ConditionedLLM(tiny_model(family, **changes), "paper", n_best=3, noise_dimension=8)
        add_lora(conditioned.llm, lora)
        open_gates(conditioned.adapter)
        generator = torch.Generator().manual_seed(4)
        with torch.no_grad():
            for name, parameter in trained_parameters(conditioned).items():
                if name.startswith("lora."):
                    parameter.normal_(std=0.2, generator=generator)
        return conditioned

    return build


def layers_left(conditioned: ConditionedLLM) -> list[str]:
    return [name for name, module in conditioned.llm.named_modules() if isinstance(module, LoraLayer)]


@torch.no_grad()
def test_folded_weights_compute_the_same(family: str, tuned: Callable[..., ConditionedLLM]) -> None:
    conditioned = tuned(family)
    before = conditioned(IDS, NOISE).log_softmax(-1)
    assert layers_left(conditioned)
    fold_lora(conditioned.llm)
    assert layers_left(conditioned) == []
    assert_close(conditioned(IDS, NOISE).log_softmax(-1), before, atol=1e-5, rtol=1e-5)
    names = {name.partition(".")[0] for name in trained_parameters(conditioned)}
    assert names == {"adapter"}


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")  # PEFT's own, and true
@torch.no_grad()
def test_a_weight_that_serves_elsewhere_is_left_alone(tuned: Callable[..., ConditionedLLM]) -> None:
    """What is added to an output layer tied to the embeddings would be added to these, too."""
    lora = LoraConfig(r=3, alpha=5.0, targets=["q_proj", "lm_head"])
    conditioned = tuned("llama", lora, tie_word_embeddings=True)
    before = conditioned(IDS, NOISE)
    embeddings = conditioned.llm.get_input_embeddings().weight.clone()  # type: ignore[union-attr]
    fold_lora(conditioned.llm)
    assert layers_left(conditioned) == ["lm_head"]
    assert torch.equal(conditioned.llm.get_input_embeddings().weight, embeddings)  # type: ignore[union-attr]
    assert_close(conditioned(IDS, NOISE), before, atol=1e-4, rtol=1e-5)


@torch.no_grad()
def test_in_bfloat16_the_sum_is_rounded_once(tuned: Callable[..., ConditionedLLM]) -> None:
    conditioned = tuned("llama")
    llm: Any = conditioned.llm
    llm.to(torch.bfloat16)
    layer: Any = llm.get_submodule("model.layers.1.mlp.up_proj")
    down, up = layer.lora_A["default"].weight.double(), layer.lora_B["default"].weight.double()
    exact = layer.get_base_layer().weight.double() + 5 / 3 * up @ down
    fold_lora(llm)
    weight = llm.get_submodule("model.layers.1.mlp.up_proj").weight
    assert weight.dtype == torch.bfloat16
    assert ((weight.double() - exact).abs() <= 2.0**-8 * exact.abs() + 1e-6).all()


def test_a_checkpoint_is_folded_unless_it_is_to_be_trained(checkpoint: Path, tmp_path: Path) -> None:
    folded = Corrector.from_pretrained(checkpoint, torch.float32, "cpu")
    whole = Corrector.from_pretrained(checkpoint, torch.float32, "cpu", trainable=True)
    assert not layers_left(folded.llm)
    assert len(layers_left(whole.llm)) == 3 * 7
    tokens = torch.tensor([whole.prompt_tokens(TEXTS[0])])
    noise = whole.noise_embedding(TEXTS[:1])
    logits = whole.logits(tokens, noise)
    assert_close(folded.logits(tokens, noise), logits, atol=1e-5, rtol=1e-5)
    untuned = whole.config.model_copy(update={"lora": None})
    untuned = Corrector.create(untuned, torch.float32, "cpu")
    untuned.llm.adapter.load_state_dict(whole.llm.adapter.state_dict())
    assert not torch.allclose(untuned.logits(tokens, noise), logits, atol=1e-2)

    whole.save_pretrained(tmp_path / "again")
    again = Corrector.from_pretrained(tmp_path / "again", torch.float32, "cpu", trainable=True)
    assert torch.equal(again.logits(tokens, noise), logits)
    with pytest.raises(InputError, match=r"folded .* trainable=True") as error:
        folded.save_pretrained(tmp_path / "folded")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "folded").exists()


def test_folded_drafted_is_greedy_and_writes_the_same(checkpoint: Path, case: Case) -> None:
    folded = Corrector.from_pretrained(checkpoint, torch.float32, "cpu")
    own = replace(case, corrector=folded)
    drafts = [[folded.answer_tokens(text) for text in texts] for texts in TEXTS]
    limits = [max(LIMIT, len(guesses[0])) for guesses in drafts]
    answers, _ = Reading(folded.llm, own.prompts, own.noise, own.end).decode(drafts, limits)
    for row in ROWS:
        own.check(row, answers[row], own.generate(row).tolist())
    whole = Corrector.from_pretrained(checkpoint, torch.float32, "cpu", trainable=True)
    lists = [NBest.from_texts(f"{row}", TEXTS[row]) for row in ROWS]
    assert [found.generated for found in folded.correct(lists)] == [
        found.generated for found in whole.correct(lists)
    ]
