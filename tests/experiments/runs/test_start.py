"""The starts of trainings: folded LoRA weights, and changed gates and tuners."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from robustger.correction import Corrector
from robustger.correction.checkpoint import trained_parameters
from robustger.errors import InputError
from robustger.experiments.runs.start import StartChange, merge_lora, write_start
from robustger.training.config import TrainingConfig


def test_folding_lora_in_changes_no_logit(tiny_corrector: Callable[..., Corrector], tmp_path: Path) -> None:
    corrector = tiny_corrector(variant="ger", lora={"r": 4, "alpha": 6.0}, slots=1)
    with torch.no_grad():
        for name, value in trained_parameters(corrector.llm).items():
            value.mul_(0.0 if name.endswith("gate") else 0.3)
    corrector.save_pretrained(tmp_path / "checkpoint")
    merge_lora(tmp_path / "checkpoint", tmp_path / "llm")
    merged = Corrector.create(
        corrector.config.model_copy(update={"base": str(tmp_path / "llm"), "lora": None}), device="cpu"
    )
    assert merged.llm.llm.dtype == torch.float32
    tokens = torch.tensor([merged.prompt_tokens(["turn it of", "turn it off"])])
    assert tokens.tolist() == [corrector.prompt_tokens(["turn it of", "turn it off"])]
    noise = torch.zeros(1, 1, 16)
    found, expected = merged.logits(tokens, noise), corrector.logits(tokens, noise)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    plain = Corrector.create(corrector.config.model_copy(update={"lora": None}), torch.float32, "cpu")
    assert (plain.logits(tokens, noise) - expected).abs().max() > 0.1


def test_a_checkpoint_without_lora_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no LoRA part"):
        merge_lora(tiny_checkpoint, tmp_path / "llm")
    assert not (tmp_path / "llm").exists()


def test_a_start_takes_the_lora_part_of_another_shape(
    tiny_corrector: Callable[..., Corrector], corrector_section: Any, tmp_path: Path
) -> None:
    tiny_corrector(lora={"r": 4}).save_pretrained(tmp_path / "other")
    config = TrainingConfig.model_validate(
        {
            "output": "-",
            "seed": 3,
            "corrector": corrector_section | {"variant": "paper", "lora": {"r": 4}},
            "data": {"train": ["-"]},
        }
    )
    start = StartChange(noise_gate=0.5, tuner_scale=10.0)
    write_start(config, tmp_path / "other", start, tmp_path / "start")
    found = trained_parameters(
        Corrector.from_pretrained(tmp_path / "start", torch.float32, "cpu", trainable=True).llm
    )
    other = trained_parameters(
        Corrector.from_pretrained(tmp_path / "other", torch.float32, "cpu", trainable=True).llm
    )
    torch.manual_seed(3)
    fresh = trained_parameters(Corrector.create(config.corrector, torch.float32, "cpu").llm)
    for name, value in found.items():
        expected = other[name] if name.startswith("lora.") else fresh[name]
        if name == "adapter.noise_gate":
            expected = torch.full_like(value, 0.5)
        elif name == "adapter.tuner.weight":
            expected = 10 * expected
        assert torch.equal(value, expected), name
    smaller = config.model_copy(
        update={"corrector": config.corrector.model_validate(corrector_section | {"lora": {"r": 2}})}
    )
    with pytest.raises(InputError, match="another shape"):
        write_start(smaller, tmp_path / "other", StartChange(), tmp_path / "not")
