"""Tests in a few seconds, on a tiny random language model, whether the attention is right on this device."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.correction.llm.language_model import best_dtype, default_device
from robustger.models import MODELS
from robustger.version import __version__

_TOLERANCE = 1e-4  # float32, a few layers


@dataclass(frozen=True, slots=True)
class Check:
    """One result of the self-test."""

    name: str
    passed: bool
    detail: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def environment() -> dict[str, str]:
    """The versions and the device that a bug report needs."""
    device = default_device()
    facts = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "robustger": __version__,  # it may run from its source folder, without being installed
    }
    for package in ("torch", "transformers", "peft", "accelerate", "safetensors"):
        facts[package] = metadata.version(package)
    facts["device"] = (
        torch.cuda.get_device_name() if device == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    )
    facts["precision"] = str(best_dtype(device)).removeprefix("torch.")
    for model in MODELS.values():
        facts[model.alias] = str(model.source() or f"not installed: {model.install_command}")
    return facts


@torch.no_grad()
def run_checks() -> list[Check]:
    """Runs the noise prompt on a tiny random Llama in float32, and compares outputs that must be equal."""
    device = default_device()
    tokens = torch.randint(3, 100, (2, 33), generator=torch.Generator().manual_seed(0)).to(device)
    padded = torch.cat([torch.zeros(2, 5, dtype=torch.long, device=device), tokens], dim=1)
    mask = (torch.arange(38, device=device) >= 5).long().expand(2, -1)
    noise = torch.randn(2, 20, 384, generator=torch.Generator().manual_seed(1)).to(device)

    plain = _tiny_llama("sdpa").to(device)
    untouched = plain(tokens).logits
    conditioned = ConditionedLLM(plain)
    conditioned.adapter.to(device)
    fresh = conditioned(tokens, noise)
    checks = [_check("a fresh adapter changes nothing", untouched, fresh, 0.0)]

    for parameter in conditioned.adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator(device).manual_seed(2))
    reference = conditioned(tokens, noise)
    eager = ConditionedLLM(_tiny_llama("eager").to(device))
    eager.adapter.to(device).load_state_dict(conditioned.adapter.state_dict())
    checks += [
        Check("noise reaches the logits", not torch.equal(reference, fresh), "gates open"),
        _check("sdpa equals eager attention", eager(tokens, noise), reference, _TOLERANCE),
        _check(
            "left padding changes nothing", conditioned(padded, noise, mask)[:, 5:], reference, _TOLERANCE
        ),
        _check(
            "a list alone equals the list in a batch",
            conditioned(tokens[:1], noise[:1]),
            reference[:1],
            _TOLERANCE,
        ),
    ]
    return checks


def _tiny_llama(attention: str) -> Any:
    config = LlamaConfig(
        vocab_size=100,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    torch.random.set_rng_state(state)
    return model


def _check(name: str, expected: torch.Tensor, got: torch.Tensor, tolerance: float) -> Check:
    difference = (expected - got).abs().max().item()
    return Check(
        name, difference <= tolerance, f"largest difference {difference:.1e}, allowed {tolerance:.0e}"
    )
