"""The loss of training and of the dev lists is the cross-entropy of the own logits of every family of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.errors import UnsupportedModelError
from robustger.training.algorithm import Algorithm1
from robustger.training.batching import Example, collate
from robustger.training.processes import Processes, make_accelerator

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "moe_intermediate_size": 16,
}
# What these families do with the logits behind their output layer: a soft cap, a divisor, a factor.
TRANSFORMED: dict[str, dict[str, Any]] = {
    "cohere": {"logit_scale": 0.25},
    "cohere2": {"logit_scale": 0.25},
    "gemma2": {"final_logit_softcapping": 3.0},
    "gemma3_text": {"final_logit_softcapping": 3.0},
    "granite": {"logits_scaling": 8.0},
    "granitemoe": {"logits_scaling": 8.0},
    "hyperclovax": {"logits_scaling": 8.0},
    "vaultgemma": {"final_logit_softcapping": 3.0},
}
PLAIN = (
    "gemma",
    "glm4",
    "gpt2",
    "gpt_neox",
    "llama",
    "mistral",
    "mixtral",
    "olmo2",
    "phi",
    "phi3",
    "qwen2",
    "qwen3",
)
MOST_PARAMETERS = 3e6  # some families ignore the small sizes


def tiny(family: str, **changes: Any) -> PreTrainedModel:
    config = CONFIG_MAPPING[family](**SIZES | changes)
    with torch.device("meta"):
        count = sum(weight.numel() for weight in AutoModelForCausalLM.from_config(config).parameters())
    if count > MOST_PARAMETERS:
        pytest.skip("not to be had in a small size")
    model = AutoModelForCausalLM.from_config(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.4, generator=generator)  # so that a soft cap shows
    return model


def check_loss(model: PreTrainedModel, folder: Path) -> float:
    """Compares the loss with the cross-entropy of `model(...).logits`; returns the loss of the output layer alone."""
    llm = ConditionedLLM(model, "paper", n_best=3, noise_dimension=8)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in llm.adapter.parameters():
            parameter.normal_(std=0.2, generator=generator)
    processes = Processes(make_accelerator("cpu", folder, None))
    parameters = dict(llm.adapter.named_parameters())
    algorithm = Algorithm1(
        llm,
        parameters,
        torch.optim.AdamW(parameters.values()),
        None,
        None,
        weight=0.5,
        max_grad_norm=1.0,
        processes=processes,
        dtype=torch.float32,
    )
    examples = [Example("a", [5, 17, 3, 44], [9, 21, 30]), Example("b", [8, 2], [41, 12])]
    batch = collate(examples, torch.randn(2, 6, 8, generator=generator), pad=0)
    arguments = llm.noise_arguments(batch.noise)
    logits = model(input_ids=batch.input_ids, use_cache=False, **arguments).logits
    own = functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), reduction="sum")
    loss = algorithm.h2t_loss_sum(batch)
    torch.testing.assert_close(loss, own, atol=1e-4, rtol=1e-5)
    loss.backward()
    assert parameters["prompt"].grad is not None
    with torch.no_grad():
        hidden = model.base_model(input_ids=batch.input_ids, use_cache=False, **arguments).last_hidden_state
        bare = model.get_output_embeddings()(hidden)  # type: ignore[misc]
    return (
        functional.cross_entropy(bare.flatten(0, 1), batch.labels.flatten(), reduction="sum").item()
        / own.item()
    )


@pytest.mark.parametrize("family", [*TRANSFORMED, *PLAIN])
def test_the_loss_is_that_of_the_models_own_logits(family: str, tmp_path: Path) -> None:
    share = check_loss(tiny(family, **TRANSFORMED.get(family, {})), tmp_path)
    assert (abs(share - 1) > 0.01) == (family in TRANSFORMED)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))
def test_every_family_that_is_accepted(family: str, tmp_path: Path) -> None:
    """All that the installed transformers has, in a tiny size; those that cannot carry a noise prompt are refused."""
    try:
        model = tiny(family)
    except (
        TypeError,
        ValueError,
        KeyError,
        AttributeError,
        RuntimeError,
        ImportError,
        AssertionError,
    ) as error:
        pytest.skip(f"cannot be built from these sizes: {error}")
    except Exception as error:
        pytest.skip(f"cannot be built from these sizes: {error}")
    try:
        check_loss(model, tmp_path)
    except UnsupportedModelError:
        pytest.skip("refused")
