"""Updates of a lower rank: the best there are, and a checkpoint that is read like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lab.truncate_lora import truncate, truncated
from safetensors.torch import load_file

from robustger.correction import Corrector
from robustger.correction.config import LoraConfig
from robustger.hypotheses import NBest


def test_the_approximation_is_that_of_the_singular_values() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(8, 30), torch.randn(20, 8)
    product = (b @ a).double()
    values = torch.linalg.svdvals(product)
    for rank in (1, 3, 8):
        less_a, less_b, kept = truncated(a, b, rank)
        assert less_a.shape == (rank, 30)
        assert less_b.shape == (20, rank)
        # The error of the best approximation is what the other singular values hold (Eckart and Young).
        error = (product - less_b @ less_a).square().sum()
        assert error.item() == pytest.approx(values[rank:8].square().sum().item(), rel=1e-4, abs=1e-6)
        assert kept == pytest.approx((values[:rank].square().sum() / values.square().sum()).item(), rel=1e-5)


def test_a_truncated_checkpoint_corrects_alike_and_is_smaller(
    tiny_corrector: Callable[..., Corrector], tmp_path: Path
) -> None:
    corrector = tiny_corrector(lora=LoraConfig(r=8, alpha=16.0), max_new_tokens=8, skip_agreeing=False)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, value in corrector.llm.named_parameters():
            if ".lora_B." in name:  # of rank 2, so that nothing is lost
                value.copy_(0.02 * torch.randn(len(value), 2) @ torch.randn(2, value.shape[1]))
    corrector.save_pretrained(tmp_path / "whole")
    kept = truncate(tmp_path / "whole", 2, tmp_path / "less")
    assert kept == pytest.approx(1.0, abs=1e-4)
    sizes = [(tmp_path / name / "adapter.safetensors").stat().st_size for name in ("whole", "less")]
    assert sizes[1] < 0.5 * sizes[0]
    less = Corrector.from_pretrained(tmp_path / "less")
    assert less.config.lora is not None
    assert (less.config.lora.r, less.config.lora.alpha) == (2, 4.0)
    lists = [NBest.from_texts("a", ["the night train to lisbon", "the light train to lisbon", "night train"])]
    (expected,) = Corrector.from_pretrained(tmp_path / "whole").correct(lists)
    (found,) = less.correct(lists)
    assert found.text == expected.text
    whole, reduced = (load_file(tmp_path / name / "adapter.safetensors") for name in ("whole", "less"))
    for name in whole:
        if name.startswith("adapter."):
            torch.testing.assert_close(whole[name], reduced[name], rtol=0, atol=0)
