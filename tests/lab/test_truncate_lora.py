"""LoRA updates of lower ranks: the best approximations, in a checkpoint that is read like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lab.truncate_lora import Update, ranks, rounded, truncate
from safetensors.torch import load_file, save_file

from robustger.correction import Corrector
from robustger.correction.checkpoint import trained_parameters
from robustger.correction.config import LoraConfig
from robustger.errors import InputError
from robustger.hypotheses import NBest

LISTS = [NBest.from_texts("a", ["the night train to lisbon", "the light train to lisbon", "night train"])]


def test_an_approximation_is_the_best_of_its_rank() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(8, 30), torch.randn(20, 8)
    product = (b @ a).double()
    values = torch.linalg.svdvals(product)
    update = Update.of(a, b)
    for rank in (1, 3, 8):
        less_a, less_b = update.factors(rank)
        assert less_a.shape == (rank, 30)
        assert less_b.shape == (20, rank)
        # The error of the best approximation is what the other singular values hold (Eckart and Young).
        error = (product - less_b @ less_a).square().sum()
        assert error.item() == pytest.approx(values[rank:8].square().sum().item(), rel=1e-4, abs=1e-6)


def test_directions_are_kept_where_they_hold_most_per_number() -> None:
    def update(*values: float, outputs: int) -> Update:
        count = len(values)
        return Update(torch.zeros(outputs, count), torch.tensor(values).double(), torch.zeros(count, 10))

    small, large = update(4.0, 2.0, 1.0, outputs=10), update(4.0, 3.0, 0.1, outputs=90)
    updates = {"small": small, "large": large}
    total = float(sum((update.s**2).sum() for update in updates.values()))
    # Per number: 16/20, 4/20, 1/20 in the small layer, 16/100, 9/100, 0.01/100 in the large one.
    assert ranks(updates, 16 / total) == {"small": 1, "large": 1}  # at least one direction each
    assert ranks(updates, 20 / total) == {"small": 2, "large": 1}
    assert ranks(updates, 37 / total) == {"small": 2, "large": 2}
    assert ranks(updates, 46 / total) == {"small": 3, "large": 2}
    assert ranks(updates, 1.0) == {"small": 3, "large": 3}


@pytest.fixture
def whole(tiny_corrector: Callable[..., Corrector], tmp_path: Path) -> Path:
    """A checkpoint whose updates of rank 8 are products of rank 2, so that truncating loses nothing."""
    corrector = tiny_corrector(lora=LoraConfig(r=8, alpha=16.0), max_new_tokens=8, skip_agreeing=False)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, value in corrector.llm.named_parameters():
            if ".lora_B." in name:
                value.copy_(0.02 * torch.randn(len(value), 2) @ torch.randn(2, value.shape[1]))
    corrector.save_pretrained(tmp_path / "whole", dtype=torch.float32)
    return tmp_path / "whole"


def test_a_truncated_checkpoint_corrects_alike_and_is_smaller(whole: Path, tmp_path: Path) -> None:
    found = truncate(whole, 0.999, tmp_path / "less")
    assert max(found.values()) == 2
    sizes = [(folder / "adapter.safetensors").stat().st_size for folder in (whole, tmp_path / "less")]
    assert sizes[1] < 0.5 * sizes[0]
    less = Corrector.from_pretrained(tmp_path / "less")
    assert less.config.lora is not None
    assert (less.config.lora.r, less.config.lora.alpha) == (2, 4.0)
    assert less.correct(LISTS)[0].text == Corrector.from_pretrained(whole).correct(LISTS)[0].text
    before, after = (load_file(folder / "adapter.safetensors") for folder in (whole, tmp_path / "less"))
    for name in before:
        if name.startswith("adapter."):
            torch.testing.assert_close(before[name], after[name], rtol=0, atol=0)


def test_a_layer_may_have_a_lower_rank_than_the_configuration(whole: Path) -> None:
    expected = Corrector.from_pretrained(whole).correct(LISTS)
    weights = load_file(whole / "adapter.safetensors")
    layer = next(name for name in weights if ".lora_A." in name)
    other = layer.replace(".lora_A.", ".lora_B.")
    a, b = Update.of(weights[layer], weights[other]).factors(2)
    weights[layer], weights[other] = a.float().contiguous(), b.float().contiguous()
    save_file(weights, whole / "adapter.safetensors")
    corrector = Corrector.from_pretrained(whole, trainable=True)
    own = trained_parameters(corrector.llm)
    torch.testing.assert_close(own[other] @ own[layer], (b @ a).float(), rtol=1e-4, atol=1e-6)
    assert own[layer][2:].abs().sum() > 0  # a training can go on from these directions
    assert corrector.correct(LISTS)[0].text == expected[0].text
    weights[other] = weights[other][:, :1].contiguous()
    save_file(weights, whole / "adapter.safetensors")
    with pytest.raises(InputError, match=r"lora_B.* has shape .*need"):
        Corrector.from_pretrained(whole)


def test_factors_are_rounded_to_significant_bits() -> None:
    values = torch.tensor([1.0, 1.0625, 1.1875, -3.3, 0.0, 1e-9], dtype=torch.float64)
    few = rounded(values, 4)
    assert few[:5].tolist() == [1.0, 1.0, 1.25, -3.25, 0.0]  # steps of 1/8 from 1 to 2, of 1/4 from 2 to 4
    assert few[5].item() == pytest.approx(1e-9, rel=1 / 16)
    assert torch.equal(few.bfloat16().double(), few)
