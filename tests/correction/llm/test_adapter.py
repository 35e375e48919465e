"""The noise enters the adapter at the right place, in numbers worked out by hand.

`project` stands for the layer's own projections.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from robustger.correction.llm.adapter import (
    AdapterShape,
    GerAdapter,
    PaperAdapter,
    ReleasedAdapter,
    matched_slots,
)

# N = 2: two prompt vectors a layer. One layer, width 2, two heads on two key heads of 1, sentence vectors of 3.
SHAPE = AdapterShape(
    layers=1, slots=2, width=2, heads=2, key_value_heads=2, head_dimension=1, noise_dimension=3
)
NOISE = torch.tensor([[[1.0, 0.0, 2.0], [0.0, -1.0, 1.0]], [[0.0, 0.0, 0.0], [3.0, 1.0, 0.0]]])  # (B, U, E)
PROMPT = torch.tensor([[10.0, 20.0], [30.0, 40.0]])


def project(layer: int, prompt: Tensor) -> tuple[Tensor, Tensor]:
    """Keys are the prompt and values its negative, one channel a head."""
    assert layer == 0
    keys = prompt.transpose(1, 2)[..., None]  # (B, H_kv, U, D)
    return keys, -keys


def flat(bank: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values of the only layer, each (B, U, H_kv * D)."""
    keys, values = bank[:, 0].unbind(1)
    return keys.transpose(1, 2).flatten(2), values.transpose(1, 2).flatten(2)


@torch.no_grad()
def test_equation_13() -> None:
    """G_dn = G - g_dn * T_w(E_LN), before the projections."""
    adapter = PaperAdapter(SHAPE)
    adapter.prompt[0] = PROMPT
    adapter.tuner.weight.copy_(torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]]))
    adapter.noise_gate.fill_(0.1)
    # T_w(E_LN): [1 + 0, 2 * 2] = [1, 4], [-1, 2]; [0, 0], [4, 0]
    denoised = torch.tensor([[[9.9, 19.6], [30.1, 39.8]], [[10.0, 20.0], [29.6, 40.0]]])
    keys, values = flat(adapter.keys_values(NOISE, project))
    torch.testing.assert_close(keys, denoised)
    torch.testing.assert_close(values, -denoised)


@torch.no_grad()
def test_the_paper_takes_the_noise_away() -> None:
    """With E_LN itself as the prompt, an identity for T_w and an open gate, nothing is left."""
    shape = AdapterShape(1, 2, width=3, heads=3, key_value_heads=3, head_dimension=1, noise_dimension=3)
    adapter = PaperAdapter(shape)
    adapter.prompt[0] = NOISE[1]
    adapter.tuner.weight.copy_(torch.eye(3))
    adapter.noise_gate.fill_(1.0)
    assert not adapter.keys_values(NOISE[1:], project).any()


@torch.no_grad()
def test_released_adds_the_normed_noise_behind_the_projections() -> None:
    """K + rms(W_k E) * gate_k, V + rms(W_v E + b) * gate_v; the stored E is -E_LN, so this is taken away too."""
    adapter = ReleasedAdapter(SHAPE)
    adapter.prompt[0] = PROMPT
    for name, value in {
        "noise_key.0.weight": [[1.0, 0.0, 1.0], [0.0, 4.0, 0.0]],
        "noise_value.0.weight": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        "noise_value.0.bias": [1.0, 7.0],
        "key_norm.0.weight": [1.0, 2.0],
        "value_norm.0.weight": [1.0, 1.0],
    }.items():
        adapter.get_parameter(name).copy_(torch.tensor(value))
    adapter.noise_key_gate[0] = torch.tensor([[[0.1], [0.2]], [[0.3], [0.4]]])  # (H_kv, U, D)
    adapter.noise_value_gate.fill_(0.5)
    keys, values = flat(adapter.keys_values(NOISE[:1], project))
    # W_k E: [3, 0], mean square 4.5; [1, -4], mean square 8.5
    first, second = 4.5**-0.5, 8.5**-0.5
    expected = [[10 + 3 * first * 0.1, 20.0], [30 + second * 0.2, 40 - 4 * second * 2 * 0.4]]
    torch.testing.assert_close(keys[0], torch.tensor(expected), atol=1e-4, rtol=0)
    # W_v E + b: [1, 7] in both slots, mean square 25
    expected = [[-10 + 0.1, -20 + 0.7], [-30 + 0.1, -40 + 0.7]]
    torch.testing.assert_close(values[0], torch.tensor(expected), atol=1e-4, rtol=0)
    tuned_key, tuned_value = adapter.tuned_noise(
        NOISE[:1]
    )  # before norms and gates; negated, as the stored E is
    assert tuned_key[0].tolist() == [[-3, 0], [-1, 4]]
    assert tuned_value[0].tolist() == [[-1, -7], [-1, -7]]
    assert adapter.tuned_width == 2


@torch.no_grad()
def test_the_paper_tunes_the_noise_once_for_all_layers() -> None:
    adapter = PaperAdapter(SHAPE)
    adapter.tuner.weight.copy_(torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]]))
    (tuned,) = adapter.tuned_noise(NOISE.double())  # computed in the type of the weights
    assert tuned.tolist() == [[[1.0, 4.0], [-1.0, 2.0]], [[0.0, 0.0], [4.0, 0.0]]]
    assert adapter.tuned_width == 2


@torch.no_grad()
def test_without_disagreement_the_paper_has_no_noise() -> None:
    """T_w is a matrix: no constant hides in it, neither from the language model nor from the distillation."""
    adapter = PaperAdapter(SHAPE)
    adapter.noise_gate.fill_(1.0)
    (tuned,) = adapter.tuned_noise(torch.zeros_like(NOISE))
    assert not tuned.any()
    assert [name for name, _ in adapter.named_parameters() if "bias" in name] == []


@torch.no_grad()
def test_the_vanilla_adapter_ignores_the_noise() -> None:
    adapter = GerAdapter(SHAPE)
    adapter.prompt[0] = PROMPT
    bank = adapter.keys_values(NOISE, project)
    assert bank.shape == (2, 1, 2, 2, 2, 1)
    keys, values = flat(bank)
    assert torch.equal(keys, PROMPT.expand(2, -1, -1))
    assert torch.equal(values, -PROMPT.expand(2, -1, -1))
    assert adapter.tuned_noise(NOISE) == []
    assert adapter.tuned_width == 0


@pytest.mark.parametrize("variant", [PaperAdapter, ReleasedAdapter])
def test_a_baseline_of_the_same_size(variant: type[GerAdapter]) -> None:
    """SmolLM2-135M: within half a prompt vector a layer of the parameters of the variant with noise."""
    sizes = {"width": 576, "heads": 9, "key_value_heads": 3, "head_dimension": 64, "noise_dimension": 384}
    with torch.device("meta"):
        adapter = variant(AdapterShape(layers=30 - variant.first_layer, slots=20, **sizes))
        for layers in (adapter.shape.layers, 28):
            slots = matched_slots(adapter, layers)
            baseline = GerAdapter(AdapterShape(layers=layers, slots=slots, **sizes))
            counts = [sum(p.numel() for p in model.parameters()) for model in (adapter, baseline)]
            assert slots > 20
            assert abs(counts[0] - counts[1]) <= layers * 576 / 2
    assert matched_slots(adapter) == matched_slots(adapter, adapter.shape.layers)


@pytest.mark.parametrize("variant", [GerAdapter, PaperAdapter, ReleasedAdapter])
def test_sizes_of_llama_2_7b(variant: type[GerAdapter]) -> None:
    """The numbers of trained parameters the released code reports: 102.1 M with noise; 2.46 M for the vanilla one."""
    slots = 20
    shape = AdapterShape(
        layers=32 - variant.first_layer,
        slots=slots,
        width=4096,
        heads=32,
        key_value_heads=32,
        head_dimension=128,
        noise_dimension=384,
    )
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in variant(shape).parameters())
    vanilla = shape.layers * (slots * 4096 + 32)
    assert (
        count - vanilla
        == {
            GerAdapter: 0,
            PaperAdapter: 384 * 4096 + 31,
            ReleasedAdapter: 30 * (2 * 384 * 4096 + 3 * 4096 + 2 * slots * 4096),
        }[variant]
    )
    if variant is ReleasedAdapter:
        assert round(count / 1e6, 1) == 102.1
    if variant is GerAdapter:
        assert round(count / 1e6, 2) == 2.46
