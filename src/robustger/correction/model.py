"""Corrector: N-best lists in, transcripts out. The one class of this room other rooms and users see."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustger.correction.checkpoint import (
    add_lora,
    checkpoint_folder,
    load_weights,
    read_config,
    save_checkpoint,
    trained_parameters,
)
from robustger.correction.conditioning import ConditionedLLM
from robustger.correction.config import CorrectorConfig, GuardConfig
from robustger.correction.prompt import PROMPTS
from robustger.models import resolve_model
from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.extractors import EXTRACTORS


def best_dtype(device: str | torch.device) -> torch.dtype:
    """bfloat16 where its matrix products are fast: on GPUs and on CPUs with bfloat16 instructions; else float32."""
    if torch.device(device).type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return torch.float32


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


class Corrector:
    """A frozen language model with its noise prompt, and all that turns an N-best list into its input.

    Use `from_pretrained` for a checkpoint or preset and `create` for an untrained one.

    Attributes:
        config: what it is made of.
        llm: the conditioned language model.
        tokenizer: of the language model.
        embedder: computes the noise embedding; None for the variant `ger`, which ignores noise.
    """

    def __init__(self, config: CorrectorConfig, llm: ConditionedLLM, tokenizer: Any) -> None:
        self.config = config
        self.llm = llm
        self.tokenizer = tokenizer
        self.embedder: NoiseEmbedder | None = None
        self._prompt = PROMPTS.get(config.prompt)
        if config.variant != "ger":
            extractor = EXTRACTORS.get(config.extractor)(config.encoder)
            self.embedder = NoiseEmbedder(extractor, variant=config.variant, n=config.n_best)

    @classmethod
    def create(
        cls,
        config: CorrectorConfig,
        dtype: torch.dtype | None = None,
        device: str | None = None,
        attention: str = "sdpa",
    ) -> Corrector:
        """An untrained corrector: its output is the frozen language model's.

        Args:
            config: what to build.
            dtype: of the language model; None picks `best_dtype`.
            device: None picks the GPU where there is one.
            attention: `sdpa` or `eager`, transformers' implementation beneath the noise prompt.

        Raises:
            MissingModelError: the language model is not to be had.
            UnsupportedModelError: the language model's family cannot carry the noise prompt.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = device or default_device()
        folder = resolve_model(config.base)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        base = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype or best_dtype(device), attn_implementation=attention
        ).to(device)
        llm = ConditionedLLM(
            base, config.variant, config.n_best, config.noise_dimension, config.first_layer, config.slots
        )
        if config.lora is not None:
            add_lora(llm.llm, config.lora)
        llm.adapter.to(device)
        return cls(config, llm, tokenizer)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str],
        dtype: torch.dtype | None = None,
        device: str | None = None,
        base: str | None = None,
    ) -> Corrector:
        """A trained corrector.

        Args:
            name: checkpoint folder, or name of a preset.
            dtype: of the language model; None picks `best_dtype`.
            device: None picks the GPU where there is one.
            base: the language model's folder or name, where it differs from the checkpoint's.

        Raises:
            InputError: no such checkpoint, or a broken one.
        """
        folder = checkpoint_folder(name)
        config = read_config(folder)
        if base is not None:
            config = config.model_copy(update={"base": base})
        corrector = cls.create(config, dtype, device)
        load_weights(corrector.llm, folder)
        for name_, parameter in trained_parameters(corrector.llm).items():
            if name_.startswith("lora."):  # the language model's type, or every projection would be cast up and down
                parameter.data = parameter.data.to(corrector.llm.llm.dtype)
        return corrector

    def save_pretrained(
        self, folder: str | os.PathLike[str], dtype: torch.dtype = torch.float32, card: str | None = None
    ) -> None:
        """Writes `adapter.safetensors`, `config.yaml` and a model card.

        Raises:
            InputError: the folder cannot be written.
        """
        save_checkpoint(self.llm, self.config, folder, dtype, card or f"# robustger adapter for {self.config.base}\n")

    def noise_embedding(self, lists: Sequence[Sequence[str]]) -> Tensor:
        """E_LN of lists of hypotheses, in the sign and order of the variant: (B, U, E). Zeros for `ger`."""
        if self.embedder is None:
            shape = self.llm.shape
            return torch.zeros(len(lists), shape.slots, shape.noise_dimension)
        return self.embedder(lists)

    def prompt_tokens(self, texts: Sequence[str]) -> list[int]:
        """The prompt of one list as token ids. The answer's tokens follow directly."""
        return self.tokenizer(self._prompt(list(texts)[: self.config.n_best]))["input_ids"]

    def answer_tokens(self, text: str) -> list[int]:
        """A transcription as token ids, with the token that ends it."""
        tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return [*tokens, self.tokenizer.eos_token_id]

    @torch.no_grad()
    def logits(self, input_ids: Tensor, noise_embedding: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Next-token logits of the conditioned language model.

        Args:
            input_ids: shape (B, T).
            noise_embedding: shape (B, U, E), as `noise_embedding` gives it.
            attention_mask: shape (B, T); None when nothing is padded.

        Returns:
            shape (B, T, V).
        """
        return self.llm(input_ids.to(self.llm.device), noise_embedding, attention_mask)
