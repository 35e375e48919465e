"""Adapters of the released code, converted by the real command, give the logits the released code gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    FalconConfig,
    FalconForCausalLM,
    LlamaForCausalLM,
)

from robustger.cli import main
from robustger.correction import Corrector
from robustger.correction.checkpoint import load_weights, read_config
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.correction.released import convert_released
from robustger.errors import InputError, MissingModelError, UnsupportedModelError

TinyModel = Callable[..., Any]  # a PreTrainedModel, whose attributes depend on the family
IDS = torch.tensor([[5, 17, 3, 44, 9, 21, 30], [8, 2, 41, 12, 6, 6, 1]])


@pytest.fixture
def reference_base(reference_llama: LlamaForCausalLM, tmp_path: Path) -> Path:
    """Configuration and weights alone, no tokenizer."""
    reference_llama.save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


@pytest.fixture
def released(reference_weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the released training saves of the reference: the adapter alone."""
    marks = ("adapter_wte", "gating_factor", "ef_", "projection")
    return {name: value for name, value in reference_weights.items() if any(mark in name for mark in marks)}


def load(folder: Path) -> ConditionedLLM:
    """The converted checkpoint, without the sentence encoder, which costs time and is not asked for anything here."""
    config = read_config(folder)
    llm = AutoModelForCausalLM.from_pretrained(config.base, dtype=torch.float32)
    conditioned = ConditionedLLM(
        llm, config.variant, config.n_best, config.noise_dimension, config.first_layer, config.slots
    )
    load_weights(conditioned, folder)
    return conditioned


@torch.no_grad()
def assert_released(folder: Path, reference: Mapping[str, Tensor]) -> None:
    logits = load(folder)(reference["ids"], reference["E"])
    torch.testing.assert_close(logits, reference["logits"], atol=1e-5, rtol=0.0)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(content: Any) -> Path:
        torch.save(content, tmp_path / "adapter.pth")
        return tmp_path / "adapter.pth"

    return write


def test_the_command_keeps_the_released_outputs(
    reference: Mapping[str, Tensor],
    reference_base: Path,
    released: dict[str, Tensor],
    save: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "converted"
    arguments = ["models", "convert-released", save(released), "--base", reference_base, "-o", output]
    monkeypatch.setattr("sys.argv", ["robustger", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert capsys.readouterr().out == f"{output}\n"
    corrector = Corrector.from_pretrained(output, torch.float32, "cpu")
    assert (corrector.config.variant, corrector.config.n_best, corrector.config.prompt) == (
        "released",
        5,
        "paper",
    )
    assert (corrector.config.first_layer, corrector.config.slots) == (2, None)
    logits = corrector.logits(reference["ids"], reference["E"])
    torch.testing.assert_close(logits, reference["logits"], atol=1e-5, rtol=0.0)
    with pytest.raises(InputError, match="tokenizer"):
        _ = corrector.tokenizer


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda state: {"model": state, "iter_num": 7}, id="model"),
        pytest.param(lambda state: {f"module.{key}": value for key, value in state.items()}, id="module."),
        pytest.param(
            lambda state: {"state_dict": {f"_forward_module.{key}": value for key, value in state.items()}},
            id="_forward_module.",
        ),
        pytest.param(  # lit-gpt's older layout of the gates
            lambda state: {
                k: v.permute(0, 2, 1, 3) if k.endswith(".gating_factor") else v for k, v in state.items()
            },
            id="older gates",
        ),
        pytest.param(lambda state: dict(reversed(state.items())), id="any order"),
    ],
)
def test_what_training_loops_wrap_around_it(
    wrap: Callable[[dict[str, Tensor]], Any],
    reference: Mapping[str, Tensor],
    reference_base: Path,
    released: dict[str, Tensor],
    save: Callable[..., Path],
    tmp_path: Path,
) -> None:
    folder = convert_released(save(wrap(released)), reference_base, tmp_path / "out")
    assert_released(folder, reference)


def test_the_frozen_model_beside_the_adapter_is_not_looked_at(
    reference: Mapping[str, Tensor],
    reference_base: Path,
    reference_weights: dict[str, Tensor],
    save: Callable[..., Path],
    tmp_path: Path,
) -> None:
    folder = convert_released(save(reference_weights), reference_base, tmp_path / "out")
    assert_released(folder, reference)


@pytest.mark.parametrize(
    ("variant", "first_layer", "slots", "n_best", "kept_slots"),
    [("released", 1, 6, 3, None), ("released", 3, 7, 5, 7), ("ger", 0, 10, 5, 10), ("ger", 2, 20, 5, None)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_geometry(
    variant: str,
    first_layer: int,
    slots: int,
    n_best: int,
    kept_slots: int | None,
    dtype: torch.dtype,
    tiny_model: TinyModel,
    open_gates: Callable[..., None],
    released_layout: Callable[..., dict[str, Tensor]],
    save: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Weights drawn here, written under the released names, converted, loaded: the same logits, bit for bit."""
    sizes = {"num_hidden_layers": 4, "hidden_size": 48, "num_attention_heads": 6, "head_dim": 12}
    sizes["num_key_value_heads"] = 2 if variant == "ger" else 6
    llm = tiny_model("llama", **sizes)
    llm.save_pretrained(tmp_path / "llm")
    ours = ConditionedLLM(llm, variant, noise_dimension=9, first_layer=first_layer, slots=slots)
    open_gates(ours.adapter)
    ours.adapter.to(dtype)
    folder = convert_released(
        save(released_layout(ours.adapter, range(first_layer, 4))), tmp_path / "llm", tmp_path / "out"
    )
    config = read_config(folder)
    assert (config.variant, config.n_best, config.slots) == (variant, n_best, kept_slots)
    assert config.first_layer == first_layer
    converted = load(folder)
    noise = torch.randn(2, slots, ours.shape.noise_dimension, generator=torch.Generator().manual_seed(3))
    ours.adapter.float()
    with torch.no_grad():
        assert torch.equal(ours(IDS, noise), converted(IDS, noise))


def refusal(adapter: Path, base: Path, output: Path) -> str:
    """The one line that says why; nothing is written."""
    before = sorted(output.parent.iterdir())
    with pytest.raises(InputError) as error:
        convert_released(adapter, base, output)
    assert sorted(output.parent.iterdir()) == before
    message = str(error.value)
    assert "\n" not in message
    assert str(adapter) in message
    return message


class Code:
    """What a pickle may do to whoever opens it."""

    def __reduce__(self):
        return print, ("this must never run",)


@pytest.mark.parametrize("kind", ["absent", "folder", "empty", "text", "cut off", "code", "list", "number"])
def test_files_that_are_no_weights(
    kind: str,
    reference_base: Path,
    released: dict[str, Tensor],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "adapter.pth"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("<html>404 not found</html>")
    elif kind == "cut off":
        torch.save(released, path)
        path.write_bytes(path.read_bytes()[:5000])
    elif kind != "absent":
        torch.save({"code": {"x": Code()}, "list": [1, 2], "number": 3}[kind], path)
    refusal(path, reference_base, tmp_path / "out")
    assert "never" not in "".join(capfd.readouterr())


KEY = "transformer.h.3.attn."


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(lambda s: {}, "adapter_wte", id="nothing"),
        pytest.param(lambda s: {"a": 1}, "'a'", id="something else"),
        pytest.param(lambda s: s | {KEY + "attn.lora_A": torch.ones(2, 2)}, "lora_A", id="lora beside it"),
        pytest.param(
            lambda s: s | {KEY + "proj.adapter_scale": torch.ones(2)}, "adapter_scale", id="adapter v2"
        ),
        pytest.param(lambda s: s | {KEY + "ef_key.weight": 3.0}, "ef_key", id="a number for weights"),
        pytest.param(
            lambda s: s | {"transformer.h.2.attn.ef_key.weight": torch.ones(64)}, "ef_key", id="not a matrix"
        ),
        pytest.param(
            lambda s: {k: v for k, v in s.items() if k != KEY + "ef_value.bias"},
            "transformer.h.3.attn.ef_value.bias is missing",
            id="a weight is missing",
        ),
        pytest.param(
            lambda s: s | {k.replace("h.3", "h.0"): v for k, v in s.items() if "h.3" in k},
            "transformer.h.1.attn.adapter_wte.weight is missing",
            id="a layer is missing",
        ),
        pytest.param(
            lambda s: {k: v for k, v in s.items() if "h.3" not in k},
            "topmost layer is 2",
            id="top is missing",
        ),
        pytest.param(
            lambda s: s | {KEY + "adapter_wte.weight": torch.ones(19, 64)}, "19 x 64", id="layers differ"
        ),
    ],
)
def test_adapters_that_are_not_whole(
    change: Callable[[dict[str, Tensor]], dict[str, Any]],
    says: str,
    reference_base: Path,
    released: dict[str, Tensor],
    save: Callable[..., Path],
    tmp_path: Path,
) -> None:
    assert says in refusal(save(change(released)), reference_base, tmp_path / "out")


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        pytest.param({"num_hidden_layers": 6}, ["is 3", "is 5"], id="layers"),
        pytest.param({"hidden_size": 32}, ["20 x 64", "20 x 32"], id="width"),
        pytest.param({"num_attention_heads": 8, "head_dim": 16}, ["for 4", "needs 8"], id="heads"),
        pytest.param({"num_key_value_heads": 2}, ["4 x 20 x 16", "2 x 20 x 16"], id="key heads"),
        pytest.param({"head_dim": 8}, ["4 x 20 x 16", "4 x 20 x 8"], id="head width"),
    ],
)
def test_another_language_model_is_refused_with_both_sizes(
    sizes: dict[str, int],
    says: list[str],
    tiny_model: TinyModel,
    released: dict[str, Tensor],
    save: Callable[..., Path],
    tmp_path: Path,
) -> None:
    own = {"hidden_size": 64, "num_hidden_layers": 4, "num_key_value_heads": None, "head_dim": None}
    tiny_model("llama", **own | sizes).save_pretrained(tmp_path / "other")
    message = refusal(save(released), tmp_path / "other", tmp_path / "out")
    assert str(tmp_path / "other") in message
    assert all(part in message for part in says)


def test_bases_that_cannot_be_used(
    released: dict[str, Tensor], save: Callable[..., Path], tmp_path: Path
) -> None:
    adapter, base = save(released), tmp_path / "base"
    base.mkdir()
    with pytest.raises(MissingModelError, match=r"config\.json"):
        convert_released(adapter, base, tmp_path / "out")
    uneven = '{"model_type": "llama", "hidden_size": 63, "num_hidden_layers": 4}'
    for content in ("{", "{}", '{"model_type": "vit"}', uneven):
        (base / "config.json").write_text(content)
        with pytest.raises(InputError, match="not a causal language model") as error:
            convert_released(adapter, base, tmp_path / "out")
        assert "\n" not in str(error.value)
    config = FalconConfig(vocab_size=50, hidden_size=32, num_hidden_layers=4, num_attention_heads=4)
    FalconForCausalLM(config).save_pretrained(base)
    with pytest.raises(UnsupportedModelError, match="falcon"):
        convert_released(adapter, base, tmp_path / "out")


def test_a_converted_checkpoint_finds_its_base_from_anywhere(
    reference_base: Path,
    released: dict[str, Tensor],
    save: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = convert_released(save(released), "llama", "out")
    assert folder == Path("out")
    assert read_config(folder).base == str(reference_base)
    assert convert_released(save(released), reference_base, "out") == folder  # and may be written again
