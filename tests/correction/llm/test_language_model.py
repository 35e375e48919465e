from __future__ import annotations

import importlib.util
import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robustger.correction import Corrector, CorrectorConfig
from robustger.correction.config import Quantization
from robustger.correction.llm.language_model import best_dtype
from robustger.errors import InputError, MissingExtraError
from robustger.hypotheses import NBest

LISTS = [NBest.from_texts("a", ["turn of the light", "turn off the light", "turn of a light"])]


def test_bfloat16_is_for_processors_that_have_it(tiny_base: Path) -> None:
    """AVX-512 alone does not do: oneDNN takes it, and converts every product to float32."""
    path = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not path.is_file():
        pytest.skip("the flags of the processor are not to be had here")
    flags = set(path.read_text(encoding="utf-8").split())
    has_it = bool(flags & {"avx512_bf16", "amx_bf16"})
    assert best_dtype("cpu") == (torch.bfloat16 if has_it else torch.float32)
    assert best_dtype("cuda") == torch.bfloat16
    assert best_dtype("cuda", tiny_base) == torch.float32  # as its weights are


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_packed_weights_need_their_extra(
    tiny_base: Path, tiny_checkpoint: Path, quantization: Quantization
) -> None:
    if importlib.util.find_spec("bitsandbytes") is not None:
        pytest.skip("bitsandbytes is installed")
    config = CorrectorConfig(base=str(tiny_base), variant="ger", quantization=quantization)
    for load in (
        lambda: Corrector.create(config, device="cpu"),
        lambda: Corrector.from_pretrained(tiny_checkpoint, device="cpu", quantization=quantization),
    ):
        with pytest.raises(MissingExtraError, match=r"'bitsandbytes'.*robustger\[quant\]"):
            load()


def test_other_quantizations_are_named(tiny_checkpoint: Path) -> None:
    with pytest.raises(InputError, match="quantization = 'int3'"):
        Corrector.from_pretrained(tiny_checkpoint, device="cpu", quantization="int3")  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.parametrize(("quantization", "packed_type"), [("nf4", torch.uint8), ("int8", torch.int8)])
def test_a_packed_model_is_nearly_the_whole_one(
    tiny_corrector: Callable[..., Corrector],
    tmp_path: Path,
    quantization: Quantization,
    packed_type: torch.dtype,
) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra quant is not installed")
    tiny_corrector(lora={"r": 4}).save_pretrained(tmp_path)
    whole, packed = (
        Corrector.from_pretrained(tmp_path, torch.bfloat16, "cuda", quantization=chosen)
        for chosen in ("none", quantization)
    )
    projection = packed.llm.llm.get_parameter("model.layers.0.self_attn.q_proj.base_layer.weight")
    assert projection.dtype == packed_type
    tokens = torch.tensor([packed.prompt_tokens(LISTS[0].texts)])
    noise = packed.noise_embedding([LISTS[0].texts])
    one, other = (corrector.logits(tokens, noise).float() for corrector in (whole, packed))
    assert 0 < (one - other).norm() < 0.5 * one.norm()
    assert packed.correct(LISTS)[0].id == "a"
    packed.save_pretrained(tmp_path / "again")
    assert Corrector.from_pretrained(tmp_path / "again", device="cuda").config.quantization == quantization


@pytest.mark.gpu
def test_gradients_pass_a_model_in_four_bits(tiny_base: Path, tiny_encoder: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra quant is not installed")
    config = CorrectorConfig(
        base=str(tiny_base), encoder=str(tiny_encoder), noise_dimension=16, n_best=3, quantization="nf4"
    )
    llm = Corrector.create(config, torch.bfloat16, "cuda").llm
    with torch.no_grad():
        for parameter in llm.adapter.parameters():
            parameter.normal_(std=0.1)
    tokens = torch.arange(3, 20, device="cuda")[None]
    llm(tokens, torch.randn(1, 6, 16, device="cuda")).float().logsumexp(-1).sum().backward()
    for name, parameter in llm.adapter.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
    assert all(parameter.grad is None for parameter in llm.llm.parameters())
