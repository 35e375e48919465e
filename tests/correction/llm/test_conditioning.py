"""Laws of the noise prompt on every family of language models, tested on tiny random ones in float32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from peft import AdaptionPromptConfig, get_peft_model
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel

from robustger.correction.llm.adapter import ADAPTERS
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.errors import UnsupportedModelError

assert_close = partial(torch.testing.assert_close, atol=2e-5, rtol=0.0)
VARIANTS = ADAPTERS.names()
SHAPE: dict[str, Any] = {"n_best": 3, "noise_dimension": 8}  # 6 prompt slots

# Two lists: prompts of different lengths, and their noise.
PROMPTS = [[5, 17, 3, 44, 9, 21, 30], [8, 2, 41, 12]]
NOISE = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(7))

TinyModel = Callable[..., Any]  # a PreTrainedModel, whose attributes depend on the family


def padded(side: str, token: int = 11) -> tuple[Tensor, Tensor]:
    """The prompts as one batch, and its attention mask, both (B, T). The padding is a token like any other."""
    longest = max(map(len, PROMPTS))
    ids = torch.full((len(PROMPTS), longest), token)
    mask = torch.zeros(len(PROMPTS), longest, dtype=torch.long)
    for row, prompt in enumerate(PROMPTS):
        where = slice(longest - len(prompt), None) if side == "left" else slice(None, len(prompt))
        ids[row, where] = torch.tensor(prompt)
        mask[row, where] = 1
    return ids, mask


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def conditioned(
    family: str, variant: str, tiny_model: TinyModel, open_gates: Callable[..., None]
) -> ConditionedLLM:
    """Every family under every variant, all gates open."""
    conditioned = ConditionedLLM(tiny_model(family), variant, **SHAPE)
    open_gates(conditioned.adapter)
    return conditioned


@torch.no_grad()
def alone(conditioned: ConditionedLLM, row: int, answer: list[int] | None = None) -> Tensor:
    """Logits of one list with neither batch, padding nor cache, (T, V)."""
    return conditioned(torch.tensor([PROMPTS[row] + (answer or [])]), NOISE[row : row + 1])[0]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@torch.no_grad()
def test_a_fresh_adapter_changes_no_bit(
    family: str, variant: str, attention: str, tiny_model: TinyModel
) -> None:
    if family == "gemma2" and attention == "sdpa":
        pytest.skip("transformers has no sdpa for Gemma 2")
    ids, mask = padded("left")
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    llm = tiny_model(family, attention)
    prompt = torch.tensor(PROMPTS[:1])
    whole, masked = llm(prompt).logits, llm(ids, attention_mask=mask, position_ids=positions).logits
    written = llm.generate(ids, attention_mask=mask, max_new_tokens=5, do_sample=False)

    conditioned = ConditionedLLM(llm, variant, **SHAPE)
    assert torch.equal(conditioned(prompt, NOISE[:1]), whole)
    assert torch.equal(conditioned(ids, NOISE, mask), masked)
    assert torch.equal(conditioned.generate(ids, NOISE, mask, max_new_tokens=5, do_sample=False), written)


@torch.no_grad()
def test_open_gates_change_the_output_and_let_the_noise_in(
    conditioned: ConditionedLLM, family: str, variant: str, tiny_model: TinyModel
) -> None:
    prompt = torch.tensor(PROMPTS[:1])
    logits = conditioned(prompt, NOISE[:1])
    assert (logits - tiny_model(family)(prompt).logits).abs().max() > 0.01
    by_noise = (logits - conditioned(prompt, NOISE[1:])).abs().max()
    assert by_noise == 0 if variant == "ger" else by_noise > 1e-3


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_padded_batch_equals_each_list_alone(conditioned: ConditionedLLM, side: str) -> None:
    ids, mask = padded(side)
    with torch.no_grad():
        logits = conditioned(ids, NOISE, mask)
    for row in range(len(PROMPTS)):
        assert_close(logits[row][mask[row].bool()], alone(conditioned, row))


def test_cached_generation_equals_uncached_forward_passes(conditioned: ConditionedLLM) -> None:
    ids, mask = padded("left")
    with torch.no_grad():
        result = conditioned.generate(
            ids,
            NOISE,
            mask,
            max_new_tokens=6,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
        )
    for row in range(len(PROMPTS)):
        answer: list[int] = []
        for step in result.logits:
            last = alone(conditioned, row, answer)[-1]
            assert_close(step[row], last)
            answer.append(int(last.argmax()))
        assert result.sequences[row, ids.shape[1] :].tolist() == answer


def test_beam_search_of_a_batch_equals_each_list_alone(conditioned: ConditionedLLM) -> None:
    def search(ids: Tensor, noise: Tensor, mask: Tensor):
        with torch.no_grad():
            result = conditioned.generate(
                ids,
                noise,
                mask,
                max_new_tokens=4,
                do_sample=False,
                num_beams=3,
                num_return_sequences=3,
                length_penalty=0.0,
                return_dict_in_generate=True,
                output_scores=True,
            )
        return result.sequences[:, ids.shape[1] :], result.sequences_scores

    answers, scores = search(*(padded("left")[0], NOISE, padded("left")[1]))
    for row, prompt in enumerate(PROMPTS):
        ids = torch.tensor([prompt])
        own_answers, own_scores = search(ids, NOISE[row : row + 1], torch.ones_like(ids))
        beams = slice(3 * row, 3 * row + 3)
        assert torch.equal(answers[beams], own_answers)
        assert_close(scores[beams], own_scores)
        for answer, score in zip(own_answers.tolist(), own_scores, strict=True):  # and means what it says
            steps = log_softmax(alone(conditioned, row, answer)[len(prompt) - 1 : -1], dim=-1)
            assert steps[torch.arange(4), answer].sum().item() == pytest.approx(score.item(), abs=1e-4)


def test_eager_attention_equals_sdpa(
    conditioned: ConditionedLLM, family: str, variant: str, tiny_model: TinyModel
) -> None:
    if family == "gemma2":
        pytest.skip("transformers has no sdpa for Gemma 2")
    eager = ConditionedLLM(tiny_model(family, "eager"), variant, **SHAPE)
    eager.adapter.load_state_dict(conditioned.adapter.state_dict())
    ids, mask = padded("left")
    with torch.no_grad():
        ours, theirs = conditioned(ids, NOISE, mask), eager(ids, NOISE, mask)
    assert_close(ours[mask.bool()], theirs[mask.bool()])


def test_gradients_reach_the_adapter_and_nothing_else(conditioned: ConditionedLLM) -> None:
    before = {name: value.clone() for name, value in conditioned.llm.state_dict().items()}
    optimizer = torch.optim.AdamW(conditioned.parameters(), lr=0.1)
    logits = conditioned(torch.tensor(PROMPTS[:1]), NOISE[:1])
    cross_entropy(logits[0, :-1], torch.tensor(PROMPTS[0][1:])).backward()
    for name, parameter in conditioned.adapter.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    assert all(parameter.grad is None for parameter in conditioned.llm.parameters())
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in conditioned.llm.state_dict().items())


def test_training_can_start_from_closed_gates(family: str, variant: str, tiny_model: TinyModel) -> None:
    conditioned = ConditionedLLM(tiny_model(family), variant, **SHAPE)
    logits = conditioned(torch.tensor(PROMPTS[:1]), NOISE[:1])
    cross_entropy(logits[0, :-1], torch.tensor(PROMPTS[0][1:])).backward()
    gradient = conditioned.adapter.gate.grad
    assert gradient is not None
    assert (gradient.abs() > 0).all()


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT calls it
@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_without_noise_it_is_the_llama_adapter_of_peft(
    family: str, variant: str, tiny_model: TinyModel, open_gates: Callable[..., None]
) -> None:
    """PEFT has one gate a layer where we, as the released code, have one a head; its heads must fill the width."""
    sizes = {"num_key_value_heads": 2, "head_dim": 8}
    conditioned = ConditionedLLM(tiny_model(family, **sizes), variant, **SHAPE)
    adapter = conditioned.adapter
    open_gates(adapter)
    with torch.no_grad():
        adapter.gate.copy_(adapter.gate[:, :1].clone())
        for name, parameter in adapter.named_parameters():
            if name.startswith("noise") and "gate" in name:
                parameter.zero_()
    config = AdaptionPromptConfig(
        adapter_len=6,
        adapter_layers=len(conditioned.layers),
        target_modules="self_attn",
        task_type="CAUSAL_LM",
    )
    theirs = get_peft_model(tiny_model(family, **sizes), config)
    own = dict(theirs.named_parameters())
    for slot, layer in enumerate(conditioned.layers):
        at = f"base_model.model.model.layers.{layer}.self_attn."
        own[at + "adaption_prompt"].data.copy_(adapter.prompt[slot][None])
        own[at + "adaption_gate"].data.copy_(adapter.gate[slot, :1])
    with torch.no_grad():
        for prompt in map(torch.tensor, PROMPTS):
            ours = conditioned(prompt[None], NOISE[:1])
            assert_close(ours, theirs(prompt[None]).logits, atol=1e-5)
            assert (ours - tiny_model(family, **sizes)(prompt[None]).logits).abs().max() > 0.01


@pytest.mark.parametrize("family", ["qwen3", "phi3", "gpt_neox"])
@torch.no_grad()
def test_prompts_pass_the_layers_own_projections_unrotated(family: str, tiny_model: TinyModel) -> None:
    """Written out for a family with normed keys, and for two with fused projections laid out differently."""
    llm = tiny_model(family)
    conditioned = ConditionedLLM(llm, "ger", **SHAPE)
    prompt = conditioned.adapter.prompt[0]
    if family == "gpt_neox":
        attention = llm.gpt_neox.layers[conditioned.first_layer].attention
        packed = attention.query_key_value(prompt).view(6, 4, 3, 8)  # (U, H, q k v, D)
        keys, values = packed[:, :, 1], packed[:, :, 2]
    else:
        attention = llm.model.layers[conditioned.first_layer].self_attn
        if family == "phi3":
            _, keys, values = attention.qkv_proj(prompt).split([32, 16, 16], dim=-1)
            keys, values = keys.view(6, 2, 8), values.view(6, 2, 8)
        else:
            keys = attention.k_norm(attention.k_proj(prompt).view(6, 2, 16))
            values = attention.v_proj(prompt).view(6, 2, 16)
    bank = conditioned.noise_arguments(NOISE)["noise_keys_values"]  # (B, S, 2, H_kv, U, D)
    for row in bank[:, 0]:
        assert_close(row[0], keys.transpose(0, 1))
        assert_close(row[1], values.transpose(0, 1))


@torch.no_grad()
def test_a_bfloat16_model_keeps_its_bits_and_takes_the_noise(
    tiny_model: TinyModel, open_gates: Callable[..., None]
) -> None:
    llm = tiny_model("llama").to(torch.bfloat16)
    prompt = torch.tensor(PROMPTS[:1])
    untouched = llm(prompt).logits
    conditioned = ConditionedLLM(llm, **SHAPE)
    assert torch.equal(conditioned(prompt, NOISE[:1]), untouched)
    open_gates(conditioned.adapter)
    logits = conditioned(prompt, NOISE[:1])
    assert logits.dtype == torch.bfloat16
    assert conditioned.adapter.gate.dtype == torch.float32
    assert not torch.equal(logits, conditioned(prompt, NOISE[1:]))


@torch.no_grad()
def test_a_second_prompt_on_the_same_model_replaces_the_first(
    tiny_model: TinyModel, open_gates: Callable[..., None]
) -> None:
    """The first adapts layers 1 and 2, the second layer 2 alone."""
    reused = tiny_model("llama")
    ConditionedLLM(reused, "paper", **SHAPE)
    logits = []
    for llm in (reused, tiny_model("llama")):
        conditioned = ConditionedLLM(llm, "ger", **SHAPE)
        open_gates(conditioned.adapter)
        logits.append(conditioned(torch.tensor(PROMPTS[:1]), NOISE[:1]))
    assert torch.equal(*logits)


def test_gemma2_keeps_its_softcap_whatever_attention_it_came_with(tiny_model: TinyModel) -> None:
    llm = tiny_model("gemma2")
    llm.set_attn_implementation("flex_attention")
    ConditionedLLM(llm)
    assert llm.config._attn_implementation.startswith("eager")


@pytest.mark.parametrize(("first_layer", "layers"), [(0, [0, 1, 2]), (2, [2]), (None, [1, 2]), (9, [2])])
def test_layers_that_are_adapted(tiny_model: TinyModel, first_layer: int | None, layers: list[int]) -> None:
    conditioned = ConditionedLLM(tiny_model("llama"), "paper", first_layer=first_layer, slots=5)
    assert conditioned.layers == layers
    assert conditioned.adapter.prompt.shape == (len(layers), 5, 32)


SMALL: dict[str, Any] = {"vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}
REFUSED: dict[str, dict[str, Any]] = {
    "falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    "gptj": {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4},
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    # Goes through the interface, but drops the extra arguments on the way.
    "stablelm": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
    },
}


@pytest.mark.parametrize("family", REFUSED)
def test_families_that_cannot_carry_it_are_refused_by_name(family: str) -> None:
    llm = AutoModelForCausalLM.from_config(CONFIG_MAPPING[family](**SMALL | REFUSED[family]))
    with pytest.raises(UnsupportedModelError, match=family) as error:
        ConditionedLLM(llm)
    assert type(llm).__name__ in str(error.value)
    assert "\n" not in str(error.value)


def test_the_language_model_is_frozen_and_stays_out_of_the_adapter(conditioned: ConditionedLLM) -> None:
    assert not any(parameter.requires_grad for parameter in conditioned.llm.parameters())
    assert not any(isinstance(part, PreTrainedModel) for part in conditioned.adapter.modules())
    assert all(isinstance(parameter, nn.Parameter) for parameter in conditioned.adapter.parameters())
