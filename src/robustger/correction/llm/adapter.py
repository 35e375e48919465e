"""The noise adapter: LLaMA-Adapter prompts conditioned on the language-space noise embedding.

Hu et al., ICLR 2024, appendix B.1, equations 9-13. Each adapted layer owns U prompt vectors, which the layer's own
frozen key and value projections turn into keys and values (`conditioning.py` runs them). This module holds the trained
parameters and determines where the noise enters:

- `paper`    before the projections:  G - g_dn * T_w(E_LN)                        (equation 13)
- `released` after the projections:   K + rms(W_k E) * gate_k, V + rms(W_v E + b) * gate_v, with E = -E_LN as stored
- `ger`      nowhere: the vanilla adapter, the baseline of the paper

All gates start at zero, so a fresh adapter leaves the language model exactly as it was. The released code fixes 32
heads, 20 prompt vectors and width 4096; here every size comes from the language model and the list size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustger.registry import Registry

KeyValueProjection = Callable[[int, Tensor], tuple[Tensor, Tensor]]
"""Projects the prompt of the i-th adapted layer, shape (B or 1, U, width), to keys and values (B or 1, H_kv, U, D)."""


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """The sizes of a noise prompt, which follow from the language model and N.

    Attributes:
        layers: S, the number of adapted layers.
        slots: U = N(N-1), the number of prompt vectors per layer, one for each noise row.
        width: the hidden size of the language model.
        heads: H, the number of query heads.
        key_value_heads: H_kv, the number of key and value heads, equal in all adapted layers.
        head_dimension: D, the width of one key or value head.
        noise_dimension: E, the width of a noise row (384 for MiniLM).
    """

    layers: int
    slots: int
    width: int
    heads: int
    key_value_heads: int
    head_dimension: int
    noise_dimension: int


class GerAdapter(nn.Module):
    """The vanilla adapter (equations 9, 11, 12): prompts and one zero-initialized gate per head; noise is ignored."""

    first_layer = 2  # as in the released baseline: the two lowest layers are not adapted

    def __init__(self, shape: AdapterShape) -> None:
        super().__init__()
        self.shape = shape
        self.prompt = nn.Parameter(torch.randn(shape.layers, shape.slots, shape.width) * 0.02)
        self.gate = nn.Parameter(torch.zeros(shape.layers, shape.heads))

    def keys_values(self, noise: Tensor, project: KeyValueProjection) -> Tensor:
        """Prompt keys and values of every adapted layer.

        Args:
            noise: noise rows of the lists, shape (B, U, E).
            project: the language model's own key and value projections.

        Returns:
            shape (B, S, 2, H_kv, U, D): keys at index 0, values at index 1 of the third axis.
        """
        batch = noise.shape[0]
        per_layer = []
        for layer in range(self.shape.layers):
            keys, values = self._layer(layer, noise, project)
            per_layer.append(
                torch.stack([keys.expand(batch, -1, -1, -1), values.expand(batch, -1, -1, -1)], dim=1)
            )
        return torch.stack(per_layer, dim=1)

    @property
    def tuned_width(self) -> int:
        """The width of the tuned noise embeddings; 0 for a variant without any."""
        return 0

    def tuned_noise(self, noise: Tensor) -> list[Tensor]:
        """The tuned noise embeddings, which the statistics network of the distillation sees (Algorithm 1, step 2).

        Args:
            noise: noise rows of the lists, shape (B, U, E), in the sign and order of this variant.

        Returns:
            embeddings of shape (B, U, `tuned_width`): none for `ger`; [T_w(E_LN)] for `paper`; for `released` -W_k E
            and -(W_v E + b) of every layer from the lowest up, before norms and gates. They are negated as in the
            released code, because E = -E_LN.
        """
        return []

    def _layer(self, layer: int, noise: Tensor, project: KeyValueProjection) -> tuple[Tensor, Tensor]:
        return project(layer, self.prompt[layer][None])


class PaperAdapter(GerAdapter):
    """Noise enters the prompt before the projections: G_dn = G - g_dn * T_w(E_LN) (equation 13).

    `tuner` is T_w, a matrix that all layers share. It has no bias: a constant could satisfy the distillation in its
    place, and the prompts hold constants already. `noise_gate` holds g_dn, one scalar per layer, which starts at zero.
    The noise rows must be those of the embedding variant `paper`.
    """

    first_layer = 1  # the paper adapts the top H - 1 layers

    def __init__(self, shape: AdapterShape) -> None:
        super().__init__(shape)
        self.tuner = nn.Linear(shape.noise_dimension, shape.width, bias=False)
        self.noise_gate = nn.Parameter(torch.zeros(shape.layers))

    def keys_values(self, noise: Tensor, project: KeyValueProjection) -> Tensor:
        (tuned,) = self.tuned_noise(noise)
        return super().keys_values(tuned, project)

    @property
    def tuned_width(self) -> int:
        return self.shape.width

    def tuned_noise(self, noise: Tensor) -> list[Tensor]:
        return [self.tuner(noise.to(self.tuner.weight.dtype))]

    def _layer(self, layer: int, noise: Tensor, project: KeyValueProjection) -> tuple[Tensor, Tensor]:
        return project(layer, self.prompt[layer] - self.noise_gate[layer] * noise)


class ReleasedAdapter(GerAdapter):
    """Noise enters the keys and values after the projections, as in the released code.

    The noise rows must be E = -E_LN, as in the embedding variant `released` and in the released files. Each layer has
    its own maps W_k (without bias) and W_v (with bias), RMS norms, and zero-initialized gates for every element, shape
    (S, H_kv, U, D).
    """

    rms_epsilon = 1e-5

    def __init__(self, shape: AdapterShape) -> None:
        super().__init__(shape)
        size = shape.key_value_heads * shape.head_dimension
        self.noise_key = nn.ModuleList(
            nn.Linear(shape.noise_dimension, size, bias=False) for _ in range(shape.layers)
        )
        self.noise_value = nn.ModuleList(nn.Linear(shape.noise_dimension, size) for _ in range(shape.layers))
        self.key_norm = nn.ModuleList(nn.RMSNorm(size, eps=self.rms_epsilon) for _ in range(shape.layers))
        self.value_norm = nn.ModuleList(nn.RMSNorm(size, eps=self.rms_epsilon) for _ in range(shape.layers))
        gates = (shape.layers, shape.key_value_heads, shape.slots, shape.head_dimension)
        self.noise_key_gate = nn.Parameter(torch.zeros(gates))
        self.noise_value_gate = nn.Parameter(torch.zeros(gates))

    @property
    def tuned_width(self) -> int:
        return self.shape.key_value_heads * self.shape.head_dimension

    def tuned_noise(self, noise: Tensor) -> list[Tensor]:
        noise = noise.to(self.noise_key_gate.dtype)
        layers = zip(self.noise_key, self.noise_value, strict=True)
        return [-projection(noise) for layer in layers for projection in layer]

    def _layer(self, layer: int, noise: Tensor, project: KeyValueProjection) -> tuple[Tensor, Tensor]:
        keys, values = super()._layer(layer, noise, project)
        noise = noise.to(self.noise_key_gate.dtype)
        noise_keys = self._heads(self.key_norm[layer](self.noise_key[layer](noise)))
        noise_values = self._heads(self.value_norm[layer](self.noise_value[layer](noise)))
        keys = keys + noise_keys * self.noise_key_gate[layer]
        values = values + noise_values * self.noise_value_gate[layer]
        return keys, values

    def _heads(self, flat: Tensor) -> Tensor:
        split = flat.unflatten(-1, (self.shape.key_value_heads, self.shape.head_dimension))
        return split.transpose(1, 2)  # (B, H_kv, U, D)


def matched_slots(adapter: GerAdapter, layers: int | None = None) -> int:
    """The number of prompt vectors per layer with which `ger` has about as many trained parameters as `adapter`.

    To find out whether the noise helps or only the parameters that it brings, a baseline of the same size is needed.
    `ger` trains layers * (slots * width + heads) parameters.

    Args:
        adapter: the adapter to match.
        layers: the number of layers that `ger` adapts; None takes as many as `adapter`. For `paper`, `ger` must then
            have the same `first_layer`.
    """
    shape = adapter.shape
    parameters = sum(parameter.numel() for parameter in adapter.parameters())
    return round((parameters / (layers or shape.layers) - shape.heads) / shape.width)


ADAPTERS: Registry[type[GerAdapter]] = Registry("adapter variant")
ADAPTERS.register("paper")(PaperAdapter)
ADAPTERS.register("released")(ReleasedAdapter)
ADAPTERS.register("ger")(GerAdapter)
