"""Adapters of PEFT are named as such wherever a model or a checkpoint is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from robustger.correction.checkpoint import checkpoint_folder
from robustger.correction.released import convert_released
from robustger.errors import InputError
from robustger.models import resolve_model
from robustger.models.peft_adapters import refuse_peft

LORA = {"base_model_name_or_path": "huggyllama/llama-7b", "peft_type": "LORA", "r": 4}
PEFT_WEIGHTS = {
    f"base_model.model.model.layers.0.self_attn.q_proj.lora_{side}.weight": torch.zeros(4, 4) for side in "AB"
}


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """As peft's save_pretrained writes it."""
    folder = tmp_path / "h2t-lora"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(LORA))
    save_file(PEFT_WEIGHTS, folder / "adapter_model.safetensors")
    return folder


def in_the_place_of(use: str, path: Path, output: Path) -> Any:
    if use == "checkpoint":
        return checkpoint_folder(path)
    return convert_released(path, "smollm2-135m", output) if use == "released" else resolve_model(path)


@pytest.mark.parametrize("use", ["checkpoint", "released", "base"])
@pytest.mark.parametrize("file", ["", "adapter_model.safetensors"])
def test_an_adapter_is_named_with_what_can_be_done(
    tmp_path: Path, adapter: Path, use: str, file: str
) -> None:
    with pytest.raises(InputError) as caught:
        in_the_place_of(use, adapter / file, tmp_path / "out")
    message = str(caught.value)
    assert "a LoRA adapter of PEFT for huggyllama/llama-7b" in message
    assert "merge_and_unload" in message
    assert "--base" in message
    assert "\n" not in message
    assert not (tmp_path / "out").exists()


def test_a_torch_file_of_its_weights(tmp_path: Path) -> None:
    torch.save(PEFT_WEIGHTS, tmp_path / "renamed.pth")
    with pytest.raises(InputError, match="a LoRA adapter of PEFT for some language model"):
        convert_released(tmp_path / "renamed.pth", "smollm2-135m", tmp_path / "out")


def test_folders_for_the_released_adapter(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; name the file"):
        convert_released(tmp_path, "smollm2-135m", tmp_path / "out")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "a LoRA adapter of PEFT for some language model"),
        ("[" * 5000, "a LoRA adapter of PEFT for some language model"),
        ("3", "a LoRA adapter of PEFT for some language model"),
        ('{"base_model_name_or_path": "a\\nb"}', "a LoRA adapter of PEFT for some language model"),
        ('{"peft_type": "IA3", "base_model_name_or_path": "gpt2"}', "an adapter (IA3) of PEFT for gpt2"),
    ],
)  # fmt: skip
def test_configurations_that_say_little(adapter: Path, config: str, message: str) -> None:
    (adapter / "adapter_config.json").write_text(config)
    with pytest.raises(InputError) as caught:
        refuse_peft(adapter)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_merged_model_beside_its_adapter_is_a_model(adapter: Path) -> None:
    (adapter / "config.json").write_text("{}")
    assert resolve_model(adapter) == adapter


def test_other_folders_pass(tmp_path: Path) -> None:
    refuse_peft(tmp_path)
    refuse_peft(tmp_path / "none")
    refuse_peft("some/name")
