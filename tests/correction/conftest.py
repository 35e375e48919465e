"""Small language models, and the numbers of the released implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.correction.cases import ROWS, TEXTS, Case
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from robustger.correction import Corrector
from robustger.correction.llm.adapter import GerAdapter

REFERENCE = Path(__file__).parents[1] / "data" / "released_adapter.npz"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Matrices this small are slower on many threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference() -> Mapping[str, Tensor]:
    """Inputs, weights, outputs and gradients of the released implementation at a small size, float32.

    Four layers, four heads of 16, prompts of 20 in layers 2 and 3; all weights random, all gates non-zero.
    `w/NAME` are weights, `g/NAME` gradients of `loss`, both under lit-gpt's names.
    """
    with np.load(REFERENCE) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="session")
def reference_weights(reference: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All weights of the reference under lit-gpt's names, base model and adapter together."""
    return {name.removeprefix("w/"): value for name, value in reference.items() if name.startswith("w/")}


@pytest.fixture
def reference_llama(reference_weights: Mapping[str, Tensor]) -> LlamaForCausalLM:
    """The reference's frozen language model as a stock Llama."""
    weights = reference_weights
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=97,
            hidden_size=64,
            intermediate_size=160,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=64,
            rms_norm_eps=1e-5,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=None,
        )
    )
    state = {
        "model.embed_tokens.weight": weights["transformer.wte.weight"],
        "model.norm.weight": weights["transformer.ln_f.weight"],
        "lm_head.weight": weights["lm_head.weight"],
    }
    for layer in range(4):
        theirs, ours = f"transformer.h.{layer}.", f"model.layers.{layer}."
        packed = weights[theirs + "attn.attn.weight"].view(4, 3, 16, 64)  # (H, q k v, D, width)
        for name, projection in zip("qkv", packed.unbind(1), strict=True):
            state[f"{ours}self_attn.{name}_proj.weight"] = projection.reshape(64, 64)
        for own, released in (
            ("self_attn.o_proj", "attn.proj"),
            ("mlp.gate_proj", "mlp.fc_1"),
            ("mlp.up_proj", "mlp.fc_2"),
            ("mlp.down_proj", "mlp.proj"),
            ("input_layernorm", "norm_1"),
            ("post_attention_layernorm", "norm_2"),
        ):
            state[f"{ours}{own}.weight"] = weights[f"{theirs}{released}.weight"]
    llama.load_state_dict(state)
    return llama


@pytest.fixture(scope="session")
def released_layout() -> Callable[..., dict[str, Tensor]]:
    """Gives an adapter's weights, or their gradients, under the names and in the shapes of the released files.

    The tensors are views: what is written into them is written into the adapter.
    """
    names = {
        "adapter_wte.weight": "prompt",
        "gating_factor": "gate",
        "key_gating_factor": "noise_key_gate",
        "value_gating_factor": "noise_value_gate",
        "ef_key.weight": "noise_key.{}.weight",
        "ef_value.weight": "noise_value.{}.weight",
        "ef_value.bias": "noise_value.{}.bias",
        "projection_rms_key.weight": "key_norm.{}.weight",
        "projection_rms_value.weight": "value_norm.{}.weight",
    }

    def layout(adapter: GerAdapter, layers: Sequence[int], gradients: bool = False) -> dict[str, Tensor]:
        own = dict(adapter.named_parameters())
        tensors = {}
        for slot, layer in enumerate(layers):
            for released, name in names.items():
                if (parameter := own.get(name.format(slot))) is None:
                    continue  # the vanilla adapter has no noise
                tensor = parameter.data
                if gradients:
                    assert parameter.grad is not None
                    tensor = parameter.grad
                if "{}" not in name:
                    tensor = tensor[slot]  # stacked over the layers
                if released == "gating_factor":
                    tensor = tensor.view(1, 1, -1, 1)
                elif released.endswith("_gating_factor"):
                    tensor = tensor[None]
                tensors[f"transformer.h.{layer}.attn.{released}"] = tensor
        return tensors

    return layout


GROUPED = {
    "num_key_value_heads": 2,
    "head_dim": 16,
}  # 4 query heads on 2 key heads; 4 * 16 is not the width 32
WINDOWS = {
    "sliding_window": 4,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": GROUPED,
    "mistral": GROUPED | {"sliding_window": 4},
    "qwen2": {"num_key_value_heads": 2},
    "qwen3": GROUPED,
    "gemma": GROUPED,
    "gemma2": GROUPED | WINDOWS,
    "gemma3_text": GROUPED | WINDOWS,
    "gpt_neox": {},
    "phi3": {"num_key_value_heads": 2},
}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def tiny_model() -> Callable[..., PreTrainedModel]:
    """Builds a random model of a family: 3 layers, 4 heads, width 32, 50 tokens, no token that ends a text.

    The same arguments give the same weights. The weights are large, so that every path shows in the logits.
    """

    def build(family: str, attention: str | None = None, **changes: Any) -> PreTrainedModel:
        sizes = {
            "vocab_size": 50,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "max_position_embeddings": 64,
            "bos_token_id": None,
            "eos_token_id": None,
            "pad_token_id": None,
        }
        config = CONFIG_MAPPING[family](**sizes | FAMILIES.get(family, {}) | changes)
        model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(std=0.25, generator=generator)
                else:  # norms and biases
                    parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
        return model.eval()

    return build


@pytest.fixture(scope="session")
def open_gates() -> Callable[..., None]:
    """Fills an adapter, gates included, with random numbers: as after training, nothing is switched off."""

    def fill(adapter: nn.Module, std: float = 0.3, seed: int = 1) -> None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in adapter.parameters():
                parameter.normal_(std=std, generator=generator)

    return fill


@pytest.fixture(scope="session")
def case(tiny_corrector: Callable[..., Corrector], open_gates: Callable[..., None]) -> Case:
    corrector = tiny_corrector()
    open_gates(corrector.llm.adapter, seed=3)  # with these numbers, some answers end and some do not
    prompts = [corrector.prompt_tokens(texts) for texts in TEXTS]
    return Case(corrector, prompts, corrector.noise_embedding(TEXTS), corrector.tokenizer.eos_token_id)


@pytest.fixture(scope="session")
def greedy(case: Case) -> list[list[int]]:
    """What plain greedy `generate` writes for each list; some answers end within the limit, others do not."""
    written = [case.generate(row).tolist() for row in ROWS]
    finished = sum(tokens[-1] == case.end for tokens in written)
    assert 2 <= finished <= len(written) - 2, "the tiny model must show both"
    return written
