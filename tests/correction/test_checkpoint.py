"""Checkpoint folders, exact to the bit and refused in one line, and LoRA beside the noise prompt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from robustger.correction.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    checkpoint_folder,
    load_weights,
    read_config,
    save_checkpoint,
    trained_parameters,
)
from robustger.correction.config import CorrectorConfig, LoraConfig
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.correction.llm.lora import add_lora
from robustger.errors import InputError

TinyModel = Callable[..., Any]  # a PreTrainedModel, whose attributes depend on the family
assert_close = partial(torch.testing.assert_close, atol=2e-5, rtol=0.0)

IDS = torch.tensor([[5, 17, 3, 44, 9, 21, 30], [8, 2, 41, 12, 6, 6, 1]])
NOISE = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(7))
CONFIGURATION = CorrectorConfig.model_validate({"base": "llm", "n_best": 3, "noise_dimension": 8})


@pytest.fixture
def build(tiny_model: TinyModel, open_gates: Callable[..., None]) -> Callable[..., ConditionedLLM]:
    """What a configuration describes, on a tiny model instead of its base; LoRA weights as PEFT draws them."""

    def from_config(config: CorrectorConfig, family: str = "llama", fill: bool = True) -> ConditionedLLM:
        conditioned = ConditionedLLM(
            tiny_model(family),
            config.variant,
            config.n_best,
            config.noise_dimension,
            config.first_layer,
            config.slots,
        )
        if config.lora is not None:
            add_lora(conditioned.llm, config.lora)
        if fill:
            open_gates(conditioned.adapter)
        return conditioned

    return from_config


def lora_parameters(conditioned: ConditionedLLM) -> dict[str, nn.Parameter]:
    return {k: v for k, v in trained_parameters(conditioned).items() if k.startswith("lora.")}


SMALL_LORA = LoraConfig.model_validate({"r": 2, "targets": ["q_proj", "up_proj"]})
TARGETS = [
    pytest.param("llama", "all-linear", 2 * 7 * 3, id="llama-all"),
    pytest.param("llama", ["q_proj", "v_proj"], 2 * 2 * 3, id="llama-q-v"),
    pytest.param("llama", ["down_proj"], 2 * 3, id="llama-down"),
    pytest.param("gpt_neox", "all-linear", 2 * 4 * 3, id="gpt_neox-all"),
    pytest.param("phi3", ["qkv_proj"], 2 * 3, id="phi3-qkv"),
    pytest.param("gemma3_text", ["k_proj", "o_proj"], 2 * 2 * 3, id="gemma3-k-o"),
]


@pytest.mark.parametrize(("family", "targets", "count"), TARGETS)
def test_lora_starts_as_an_exact_zero_and_composes(
    family: str,
    targets: Any,
    count: int,
    build: Callable[..., ConditionedLLM],
) -> None:
    """Trained, the low-rank updates are those of the weights: W + alpha / r * B A, for prompts as for tokens."""
    lora = LoraConfig.model_validate({"r": 3, "alpha": 5.0, "targets": targets, "dropout": 0.5})
    plain = build(CONFIGURATION, family)
    both = build(CONFIGURATION.model_copy(update={"lora": lora}), family)
    parameters = lora_parameters(both)
    assert len(parameters) == count
    assert not any("lm_head" in name or "embed" in name for name in parameters)
    with torch.no_grad():
        logits = plain(IDS, NOISE)
        assert torch.equal(both(IDS, NOISE), logits)

        generator = torch.Generator().manual_seed(4)
        for parameter in parameters.values():
            parameter.normal_(std=0.3, generator=generator)
        tuned = both(IDS, NOISE)
        assert (tuned - logits).abs().max() > 0.01
        weights = {name: parameter.data for name, parameter in plain.llm.named_parameters()}
        for name, down in parameters.items():
            if name.endswith("lora_A.weight"):
                up = parameters[name.replace("lora_A", "lora_B")]
                target = name.removeprefix("lora.").replace("lora_A.", "")
                weights[target] += 5.0 / 3 * up @ down
        assert_close(tuned, plain(IDS, NOISE), atol=1e-4)  # rounded in another order
        assert torch.equal(both(IDS, NOISE), tuned)  # dropout is for training


def test_gradients_reach_adapter_and_lora_and_nothing_else(build: Callable[..., ConditionedLLM]) -> None:
    conditioned = build(CONFIGURATION.model_copy(update={"lora": SMALL_LORA}))
    trained = trained_parameters(conditioned)
    with torch.no_grad():
        for parameter in lora_parameters(conditioned).values():
            parameter += 0.1
    names = {id(parameter) for parameter in trained.values()}
    frozen = [parameter for parameter in conditioned.parameters() if id(parameter) not in names]
    before = [parameter.clone() for parameter in frozen]
    optimizer = torch.optim.AdamW(conditioned.parameters(), lr=0.1)
    conditioned(IDS, NOISE).logsumexp(-1).sum().backward()
    for name, parameter in trained.items():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in frozen)
    optimizer.step()
    assert all(map(torch.equal, frozen, before))


def test_unknown_lora_targets_are_told_the_known_ones(tiny_model: TinyModel) -> None:
    with pytest.raises(InputError, match=r"'qproj'.*q_proj"):
        add_lora(tiny_model("llama"), SMALL_LORA.model_copy(update={"targets": ["qproj", "v_proj"]}))


@pytest.mark.parametrize(
    "changes",
    [
        {"variant": "paper"},
        {"variant": "released"},
        {"variant": "ger", "slots": 4},
        {"lora": SMALL_LORA},
    ],
)
def test_a_round_trip_is_exact(
    changes: dict[str, Any],
    build: Callable[..., ConditionedLLM],
    open_gates: Callable[..., None],
    tmp_path: Path,
) -> None:
    config = CONFIGURATION.model_copy(update=changes)
    written = build(config)
    with torch.no_grad():
        for parameter in lora_parameters(written).values():
            parameter.normal_(std=0.3)
    folder = tmp_path / "checkpoint"
    save_checkpoint(written, config, folder, torch.float32, "# card\n")
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", WEIGHTS_FILE, CONFIG_FILE]
    assert read_config(checkpoint_folder(folder)) == config
    again = build(config, fill=False)
    load_weights(again, folder)
    for name, parameter in trained_parameters(again).items():
        assert torch.equal(parameter, trained_parameters(written)[name]), name
    with torch.no_grad():
        assert torch.equal(again(IDS, NOISE), written(IDS, NOISE))


@pytest.fixture
def checkpoint(build: Callable[..., ConditionedLLM], tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    save_checkpoint(build(CONFIGURATION), CONFIGURATION, folder, torch.float32, "# card\n")
    return folder


def one_line(error: pytest.ExceptionInfo[InputError], *parts: object) -> None:
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


@pytest.mark.parametrize("missing", [CONFIG_FILE, WEIGHTS_FILE])
def test_missing_files(missing: str, checkpoint: Path) -> None:
    (checkpoint / missing).unlink()
    with pytest.raises(InputError) as error:
        checkpoint_folder(checkpoint)
    one_line(error, checkpoint, missing)


def test_no_such_folder_and_no_such_preset(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        checkpoint_folder(tmp_path / "nothing")
    one_line(error, tmp_path / "nothing", "preset")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("base: llm\nn_bests: 5\n", "n_bests"),
        ("base: llm\nlora: {r: 2, rank: 2}\n", "lora.rank"),
        ("base: llm\nn_best: 1\n", "n_best = 1"),
        ("base: llm\nvariant: papers\n", "variant = 'papers'"),
        ("base: llm\nslots: many\n", "slots = 'many'"),
        ("- base\n", "list"),
        ("", "NoneType"),
        ("base: [llm\n", "YAML"),
        ("base: \x00\n", "YAML"),
    ],
)
def test_configurations_that_are_wrong(text: str, says: str, checkpoint: Path) -> None:
    (checkpoint / CONFIG_FILE).write_text(text)
    with pytest.raises(InputError) as error:
        read_config(checkpoint)
    one_line(error, checkpoint / CONFIG_FILE, says)


def test_configurations_that_are_not_text(checkpoint: Path) -> None:
    (checkpoint / CONFIG_FILE).write_bytes(b"base: \xff\xfe")
    with pytest.raises(InputError) as error:
        read_config(checkpoint)
    one_line(error, checkpoint / CONFIG_FILE, "UTF-8")


@pytest.mark.parametrize("size", [0, 7, 200, -1])
def test_weights_that_are_cut_off(size: int, build: Callable[..., ConditionedLLM], checkpoint: Path) -> None:
    path = checkpoint / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError) as error:
        load_weights(build(CONFIGURATION), checkpoint)
    one_line(error, path, "safetensors")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"n_best": 4}, ["adapter.prompt", "(2, 6, 32)", "(2, 12, 32)"]),
        ({"first_layer": 2}, ["adapter.", "(2,", "(1,"]),
        ({"noise_dimension": 9}, ["adapter.tuner.weight", "(32, 8)", "(32, 9)"]),
        ({"variant": "ger", "first_layer": 1}, ["adapter.noise_gate", "unknown to the configuration"]),
        ({"variant": "released", "first_layer": 1}, ["weights do not fit"]),
        ({"lora": SMALL_LORA}, ["lora.", "missing from the file"]),
    ],
)
def test_weights_of_another_configuration(
    changes: dict[str, Any], says: list[str], build: Callable[..., ConditionedLLM], checkpoint: Path
) -> None:
    with pytest.raises(InputError) as error:
        load_weights(build(CONFIGURATION.model_copy(update=changes)), checkpoint)
    one_line(error, checkpoint / WEIGHTS_FILE, *says)


@torch.no_grad()
def test_the_bias_of_an_older_tuner_goes_into_the_prompts(
    build: Callable[..., ConditionedLLM], checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """G - g_dn (W E + b) = (G - g_dn b) - g_dn W E: the same logits, and one line that says so."""
    conditioned, stored = build(CONFIGURATION), load_file(checkpoint / WEIGHTS_FILE)
    load_weights(conditioned, checkpoint)
    bias = torch.linspace(-1, 1, 32)
    tuner = nn.Linear(8, 32)
    tuner.load_state_dict({"weight": stored["adapter.tuner.weight"], "bias": bias})
    conditioned.adapter.tuner = tuner  # as it was
    expected = conditioned(IDS, NOISE)
    save_file(stored | {"adapter.tuner.bias": bias}, checkpoint / WEIGHTS_FILE)
    conditioned = build(CONFIGURATION)
    caplog.set_level("INFO")
    load_weights(conditioned, checkpoint)
    assert_close(conditioned(IDS, NOISE), expected)
    assert caplog.text.count("has a bias; it was moved into the prompts") == 1
    save_file(stored | {"adapter.tuner.bias": bias[1:].clone()}, checkpoint / WEIGHTS_FILE)
    with pytest.raises(InputError) as error:
        load_weights(build(CONFIGURATION), checkpoint)
    one_line(error, checkpoint / WEIGHTS_FILE, "adapter.tuner.bias", "(31,)", "(32,)")


def test_weights_of_another_language_model(build: Callable[..., ConditionedLLM], checkpoint: Path) -> None:
    stored = load_file(checkpoint / WEIGHTS_FILE)
    stored["adapter.gate"] = stored["adapter.gate"].repeat(1, 2)
    save_file(stored, checkpoint / WEIGHTS_FILE)
    with pytest.raises(InputError) as error:
        load_weights(build(CONFIGURATION), checkpoint)
    one_line(error, checkpoint / WEIGHTS_FILE, "adapter.gate", "(2, 8)", "(2, 4)")


def test_saving_replaces_a_checkpoint_and_nothing_else(
    build: Callable[..., ConditionedLLM], checkpoint: Path, tmp_path: Path
) -> None:
    """A folder with a user's own files is not a place for a checkpoint; an empty one, or an older one, is."""
    conditioned = build(CONFIGURATION)
    save = partial(save_checkpoint, conditioned, CONFIGURATION, dtype=torch.float32, card="")
    save(folder=checkpoint)
    (tmp_path / "empty").mkdir()
    save(folder=tmp_path / "empty")
    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    for taken in (own, tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError) as error:
            save(folder=taken)
        one_line(error, taken)
    assert (own / "thesis.tex").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint", "empty", "file", "own"]
