"""Lets a frozen decoder of transformers attend to a noise prompt beside its own context.

transformers sends the attention of every decoder through `AttentionInterface`. The function registered here calls the
stock implementation and adds `gate * softmax(q K_p^T) V_p` (equations 11-12) before the output projection. The keys and
values of the prompt are passed as ordinary keyword arguments. They are built once per batch; `generate` repeats them
for every beam.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from robustger.correction.llm.adapter import ADAPTERS, AdapterShape, GerAdapter
from robustger.correction.llm.cache import RowCache, mask_by_row
from robustger.errors import UnsupportedModelError
from robustger.models.cache_argument import CACHE_ARGUMENT

ATTENTION_SUFFIX = "+noise"


class _Projected(Exception):
    """Ends the attention of a layer as soon as its keys and values are known, because the rest is not needed."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.keys, self.values = keys, values


def _attend_with(base_name: str):
    """The attention function that adds the noise prompt to the stock implementation called `base_name`."""

    def attend(
        module: nn.Module,
        query: Tensor,  # (B, H, T, D)
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        noise_keys_values: Tensor | None = None,  # (B, S, 2, H_kv, U, D)
        noise_gates: Tensor | None = None,  # (B, S, H)
        noise_probe: bool = False,
        noise_seen: dict[Any, nn.Module] | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        if noise_probe:
            raise _Projected(key, value)
        if noise_seen is not None:
            noise_seen[module.layer_idx] = module
        if base_name == "eager":
            base = sys.modules[type(module).__module__].eager_attention_forward
        else:
            base = ALL_ATTENTION_FUNCTIONS[base_name]
        output, weights = base(module, query, key, value, attention_mask, **kwargs)  # (B, T, H, D)
        slot = getattr(module, "noise_slot", None)
        if noise_keys_values is None or noise_gates is None or slot is None:
            return output, weights
        prompt_keys, prompt_values = noise_keys_values[:, slot].to(query.dtype).unbind(1)
        extra = _attend_to_prompt(query, prompt_keys, prompt_values, kwargs.get("scaling"))
        gate = noise_gates[:, slot, None, :, None].to(output.dtype)
        return output + gate * extra.transpose(1, 2), weights

    return attend


def _attend_to_prompt(query: Tensor, keys: Tensor, values: Tensor, scale: float | None) -> Tensor:
    """softmax(q K_p^T) V_p for query (B, H, T, D) and prompt (B, H_kv, U, D); queries are grouped by their key head.

    The products are written out, because with so few keys the fused kernels are up to seven times slower in the
    backward pass on a CPU.
    """
    batch, heads, length, width = query.shape
    grouped = query.reshape(batch, keys.shape[1], -1, width)  # (B, H_kv, H / H_kv * T, D)
    scores = (grouped @ keys.transpose(2, 3)) * (width**-0.5 if scale is None else scale)
    extra = scores.softmax(-1, dtype=torch.float32).to(values.dtype) @ values
    return extra.view(batch, heads, length, -1)


for _base in ("sdpa", "eager"):
    ALL_ATTENTION_FUNCTIONS.register(_base + ATTENTION_SUFFIX, _attend_with(_base))
    # Without a mask function of the same name, transformers silently drops the padding mask.
    ALL_MASK_ATTENTION_FUNCTIONS.register(
        _base + ATTENTION_SUFFIX, mask_by_row(ALL_MASK_ATTENTION_FUNCTIONS[_base])
    )


def _last(length: int, kept: int, device: torch.device) -> Tensor:
    """The indices of the last tokens, shape (kept,), which restrict `generate` to the logits of these tokens.

    If transformers is given their number instead, it takes a slice of the hidden states. Because of the slice's strides
    torch then copies the whole output layer once per row.
    """
    return torch.arange(length - kept, length, device=device)


class _TakesNoise:
    """Extends the language model's class so that `generate` accepts the noise prompt and passes it on."""

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        noise_keys_values: Tensor | None = None,
        noise_gates: Tensor | None = None,
        **kwargs,
    ):
        inputs = super().prepare_inputs_for_generation(input_ids, **kwargs)  # type: ignore[misc]
        inputs["noise_keys_values"] = noise_keys_values
        inputs["noise_gates"] = noise_gates
        kept = inputs.get("logits_to_keep")
        if isinstance(kept, int) and kept > 0:
            inputs["logits_to_keep"] = _last(inputs["input_ids"].shape[1], kept, input_ids.device)
        return inputs


class ConditionedLLM(nn.Module):
    """A frozen causal language model and the noise prompt that its upper layers attend to.

    Args:
        llm: any causal model of transformers whose attention goes through `AttentionInterface`. It is frozen, switched
            to evaluation mode, and its attention is replaced in place.
        variant: `paper`, `released` or `ger`.
        n_best: N, hypotheses per list; the prompt has N(N-1) slots.
        noise_dimension: E, the width of a noise row.
        first_layer: index of the lowest adapted layer; None takes the default of the variant (paper 1, released and
            ger 2).
        slots: U; None takes N(N-1).

    Raises:
        UnsupportedModelError: the model's family does not pass the prompt on to its attention.
    """

    def __init__(
        self,
        llm: PreTrainedModel,
        variant: str = "paper",
        n_best: int = 5,
        noise_dimension: int = 384,
        first_layer: int | None = None,
        slots: int | None = None,
    ) -> None:
        super().__init__()
        adapter_class = ADAPTERS.get(variant)
        self.variant = variant
        self.llm = llm.requires_grad_(False).eval()
        self._identity_rotary: dict[int, tuple[Tensor, Tensor]] = {}  # by layer index
        attention_modules: dict[int, Any] = dict(self._reroute_attention())
        first = adapter_class.first_layer if first_layer is None else first_layer
        self.first_layer = min(first, max(attention_modules))
        self.layers = [index for index in sorted(attention_modules) if index >= self.first_layer]
        # Not registered as submodules: they already belong to the language model.
        self._attention = [attention_modules[index] for index in self.layers]
        for module in attention_modules.values():
            module.noise_slot = None  # the model may have had another prompt before
        for slot, module in enumerate(self._attention):
            module.noise_slot = slot
        config = llm.config.get_text_config()
        slots = n_best * (n_best - 1) if slots is None else slots
        keys, _ = self._project(0, torch.zeros(1, slots, config.hidden_size))
        self.shape = AdapterShape(
            layers=len(self.layers),
            slots=slots,
            width=config.hidden_size,
            heads=config.num_attention_heads,
            key_value_heads=keys.shape[1],
            head_dimension=keys.shape[3],
            noise_dimension=noise_dimension,
        )
        self.adapter: GerAdapter = adapter_class(self.shape)

    @property
    def device(self) -> torch.device:
        return self.llm.device

    def noise_arguments(self, noise: Tensor) -> dict[str, Tensor]:
        """The keyword arguments with which the language model gets the noise prompt.

        Args:
            noise: noise rows, shape (B, U, E), in the sign and order of this variant.
        """
        dtype = self.llm.dtype
        keys_values = self.adapter.keys_values(noise.to(self.device), self._project).to(dtype)
        gates = self.adapter.gate.to(dtype).expand(noise.shape[0], -1, -1)
        return {"noise_keys_values": keys_values, "noise_gates": gates}

    def forward(
        self, input_ids: Tensor, noise: Tensor, attention_mask: Tensor | None = None, logits_to_keep: Any = 0
    ) -> Tensor:
        """Next-token logits.

        Args:
            input_ids: shape (B, T), padded on either side.
            noise: noise rows, shape (B, U, E).
            attention_mask: shape (B, T), 1 for real tokens; None when nothing is padded.
            logits_to_keep: selects positions as in transformers: 0 all, n the last n, or by their indices.

        Returns:
            logits, shape (B, T, V).
        """
        positions = None
        if attention_mask is not None:
            # Rotated queries meet un-rotated prompts, so positions must not depend on the padding.
            positions = (attention_mask.cumsum(-1) - 1).clamp(min=0)
        return self.llm(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=positions,
            logits_to_keep=logits_to_keep,
            use_cache=False,
            **self.noise_arguments(noise),
        ).logits

    @contextmanager
    def only(self, kept: Tensor) -> Iterator[None]:
        """Within it, the language model gives the logits of the chosen tokens alone, shape (K, V).

        transformers can only select the same positions in all rows. The output layer is the largest layer, so a hook
        selects before it; whatever the model does with its logits (a soft cap, a scale) comes after it as ever.

        Args:
            kept: the row and the position of each token, shape (K, 2).
        """
        head: Any = self.llm.get_output_embeddings()
        hook = head.register_forward_pre_hook(lambda module, hidden: (hidden[0][kept.unbind(1)],))
        try:
            yield
        finally:
            hook.remove()

    def extend(
        self,
        cache: RowCache,
        input_ids: Tensor,
        starts: Sequence[int],
        noise_arguments: Mapping[str, Tensor],
        kept: Tensor,
    ) -> Tensor:
        """Next-token logits of tokens that continue the cached ones; each row continues at its own slot.

        Args:
            cache: keys and values of the tokens that were read before; those of the new tokens are added.
            input_ids: shape (B, T), padded on the right. No token sees the padding, and later tokens overwrite it.
            starts: for each row, the slot of its first new token in the cache.
            noise_arguments: see `noise_arguments`.
            kept: the tokens whose logits are wanted, each as its row and its position in `input_ids`, shape (K, 2).

        Returns:
            logits, shape (K, V).
        """
        slots = cache.place(starts, input_ids.shape[1], self.device)
        context = self.llm.config.get_text_config().max_position_embeddings
        with self.only(kept):
            return self.llm(
                input_ids=input_ids.to(self.device),
                position_ids=slots.clamp(max=context - 1),  # padding may exceed the context
                use_cache=True,
                **{CACHE_ARGUMENT: cache},
                **noise_arguments,
            ).logits

    def generate(self, input_ids: Tensor, noise: Tensor, attention_mask: Tensor, **options: Any):
        """Generates with transformers under the noise prompt; `input_ids`, shape (B, T), are padded on the left."""
        generate: Any = self.llm.generate  # typed by transformers as if it were a tensor
        return generate(
            input_ids=input_ids, attention_mask=attention_mask, **self.noise_arguments(noise), **options
        )

    def _project(self, slot: int, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's keys and values of a prompt (B, U, width), shape (B, H_kv, U, D) each, without rotation."""
        module = self._attention[slot]
        rotary = {}
        if identity := self._identity_rotary.get(self.layers[slot]):
            rotary["position_embeddings"] = tuple(part.to(self.device) for part in identity)
        hidden = prompt.to(self.device, self.llm.dtype)
        try:
            module(hidden_states=hidden, attention_mask=None, noise_probe=True, **rotary)
        except _Projected as projected:
            return projected.keys, projected.values
        raise AssertionError(
            "the attention did not reach the registered function"
        )  # proved by _reroute_attention

    @torch.no_grad()
    def _reroute_attention(self) -> dict[int, nn.Module]:
        """Switches the model to the registered attention, and returns its attention modules by layer index.

        A forward pass of one token proves that the extra arguments reach every layer, because some families silently
        drop them.
        """
        family = f"{type(self.llm).__name__} (model_type {self.llm.config.model_type!r})"
        current = self.llm.config._attn_implementation or "sdpa"
        base = current.removesuffix(ATTENTION_SUFFIX)
        if base not in ("sdpa", "eager"):
            base = "sdpa" if self.llm._supports_sdpa else "eager"
        refusal = UnsupportedModelError(
            f"{family} cannot carry a noise prompt: its attention does not go through transformers' AttentionInterface"
        )
        try:
            self.llm.set_attn_implementation(base + ATTENTION_SUFFIX)
        except (ValueError, ImportError, AttributeError) as error:
            raise refusal from error
        if self.llm.config.get_text_config()._attn_implementation != base + ATTENTION_SUFFIX:
            raise refusal
        seen: dict[int, nn.Module] = {}
        token = torch.zeros(1, 1, dtype=torch.long, device=self.llm.device)
        try:
            self.llm(input_ids=token, noise_seen=seen)
        except TypeError as error:
            raise refusal from error
        if len(seen) != self.llm.config.get_text_config().num_hidden_layers:
            raise UnsupportedModelError(
                f"{family} cannot carry a noise prompt: its extra arguments reach {len(seen)} of "
                f"{self.llm.config.get_text_config().num_hidden_layers} attention layers"
            )
        self._record_rotary(seen, token)
        if not isinstance(self.llm, _TakesNoise):
            cls = type(self.llm)
            self.llm.__class__ = type(f"Conditioned{cls.__name__}", (_TakesNoise, cls), {})
        return seen

    def _record_rotary(self, modules: dict[int, nn.Module], token: Tensor) -> None:
        """Stores for every layer a rotation that changes no key, in the form in which this family passes rotations."""

        def record(index: int):
            def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
                if kwargs.get("position_embeddings") is not None:
                    cosine, sine = kwargs["position_embeddings"]
                    self._identity_rotary[index] = (torch.ones_like(cosine), torch.zeros_like(sine))

            return hook

        hooks = [m.register_forward_pre_hook(record(i), with_kwargs=True) for i, m in modules.items()]
        try:
            self.llm(input_ids=token)
        finally:
            for hook in hooks:
                hook.remove()
