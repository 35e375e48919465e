"""The variant `released` against numbers of the released implementation: every output, and every gradient.

The numbers come from YUCHEN005/RobustGER @ ad4e37f in float32; see `reference` in conftest.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from robustger.correction.llm.adapter import ReleasedAdapter
from robustger.correction.llm.conditioning import ConditionedLLM

assert_close = partial(torch.testing.assert_close, atol=1e-5, rtol=0.0)
LAYERS = (2, 3)


@pytest.fixture
def conditioned(
    reference_llama: LlamaForCausalLM, reference_weights: Mapping[str, Tensor], released_layout
) -> ConditionedLLM:
    conditioned = ConditionedLLM(reference_llama, "released")
    for name, ours in released_layout(conditioned.adapter, LAYERS).items():
        ours.copy_(reference_weights[name])
    return conditioned


def loss_of(logits: Tensor, ids: Tensor) -> Tensor:
    """Mean next-token cross-entropy."""
    return cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def test_logits_and_loss(conditioned: ConditionedLLM, reference: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        logits = conditioned(reference["ids"], reference["E"])
    assert_close(logits, reference["logits"])
    loss = loss_of(logits, reference["ids"])
    assert_close(loss.double(), reference["loss"])


def test_every_gradient(
    conditioned: ConditionedLLM, reference: Mapping[str, Tensor], released_layout
) -> None:
    loss_of(conditioned(reference["ids"], reference["E"]), reference["ids"]).backward()
    ours = released_layout(conditioned.adapter, LAYERS, gradients=True)
    theirs = {name.removeprefix("g/"): value for name, value in reference.items() if name.startswith("g/")}
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        largest = gradient.abs().max().item()
        assert largest > 1e-6, f"{name}: too small to prove anything"
        off = (ours[name] - gradient).abs().max().item()
        assert off <= min(1e-5, 1e-4 * largest), f"{name}: off by {off:.1e}, largest gradient {largest:.1e}"
    assert all(parameter.grad is None for parameter in conditioned.llm.parameters())


def test_what_the_statistics_network_sees(
    conditioned: ConditionedLLM, reference: Mapping[str, Tensor]
) -> None:
    adapter = conditioned.adapter
    assert isinstance(adapter, ReleasedAdapter)
    tuned = adapter.tuned_noise(reference["E"])
    assert len(tuned) == 4
    for index, part in enumerate(tuned):
        assert_close(part, -reference[f"mid/{index}"])


def test_the_numbers_depend_on_the_noise(
    conditioned: ConditionedLLM, reference: Mapping[str, Tensor]
) -> None:
    """Else agreement would prove nothing: without the noise, or with its sign turned, the logits are others."""
    with torch.no_grad():
        for noise in (torch.zeros_like(reference["E"]), -reference["E"]):
            assert (conditioned(reference["ids"], noise) - reference["logits"]).abs().max() > 1e-3
