"""Corrector: N-best lists in, transcripts out. The one class of this room other rooms and users see."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
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
from robustger.correction.decoding import decode, decode_from_drafts, verify
from robustger.correction.guard import GUARDS, Guard, ListWords, Proposal
from robustger.correction.prompt import PROMPTS
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript
from robustger.models import resolve_model
from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.extractors import EXTRACTORS

BATCH_TOKENS = 4096  # prompt tokens with their padding: keeps the memory of a batch of long lists bounded


def best_dtype(device: str | torch.device, folder: Path | None = None) -> torch.dtype:
    """bfloat16 where its matrix products are fast: on GPUs and on CPUs with bfloat16 instructions; else float32.

    A model whose `folder` holds it in float32 stays in float32: somebody kept the precision on purpose.
    """
    if folder is not None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config.get("dtype", config.get("torch_dtype")) == "float32":
            return torch.float32
    if torch.device(device).type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return torch.float32


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _batches(items: list[tuple[int, list[int]]], batch_size: int) -> Iterator[list[tuple[int, list[int]]]]:
    """Indices and prompts in batches of similar length, of at most `batch_size` lists and `BATCH_TOKENS` tokens."""
    batch: list[tuple[int, list[int]]] = []
    for item in sorted(items, key=lambda item: len(item[1])):
        if batch and (len(batch) == batch_size or (len(batch) + 1) * len(item[1]) > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


class Corrector:
    """A frozen language model with its noise prompt, and all that turns an N-best list into its input.

    Use `from_pretrained` for a checkpoint or preset and `create` for an untrained one.

    Attributes:
        config: what it is made of.
        llm: the conditioned language model.
        tokenizer: of the language model, read when it is first used: `logits` needs none.
        embedder: computes the noise embedding; None for the variant `ger`, which ignores noise.
    """

    def __init__(self, config: CorrectorConfig, llm: ConditionedLLM) -> None:
        self.config = config
        self.llm = llm
        self.embedder: NoiseEmbedder | None = None
        self._prompt = PROMPTS.get(config.prompt)
        if config.variant != "ger":
            extractor = EXTRACTORS.get(config.extractor)(config.encoder)
            self.embedder = NoiseEmbedder(extractor, variant=config.variant, n=config.n_best)

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        folder = resolve_model(self.config.base)
        try:
            if not any([*folder.glob("tokenizer*"), *folder.glob("vocab*")]):
                raise OSError  # some families would get an empty tokenizer
            return AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError):
            raise InputError(f"{folder}: no tokenizer there; copy the tokenizer's files to it") from None

    @classmethod
    def create(
        cls,
        config: CorrectorConfig,
        dtype: torch.dtype | None = None,
        device: str | None = None,
        attention: str | None = None,
    ) -> Corrector:
        """An untrained corrector: its output is the frozen language model's.

        Args:
            config: what to build.
            dtype: of the language model; None picks `best_dtype`.
            device: None picks the GPU where there is one.
            attention: `sdpa` or `eager`, transformers' implementation beneath the noise prompt; None picks `sdpa` where
                the family has it (Gemma 2 has not).

        Raises:
            MissingModelError: the language model is not to be had.
            UnsupportedModelError: the language model's family cannot carry the noise prompt.
        """
        from transformers import AutoModelForCausalLM

        device = device or default_device()
        folder = resolve_model(config.base)
        base = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype or best_dtype(device, folder), attn_implementation=attention
        ).to(device)
        llm = ConditionedLLM(
            base, config.variant, config.n_best, config.noise_dimension, config.first_layer, config.slots
        )
        if config.lora is not None:
            add_lora(llm.llm, config.lora)
        llm.adapter.to(device)
        return cls(config, llm)

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
            if name_.startswith(
                "lora."
            ):  # the language model's type, or every projection would be cast up and down
                parameter.data = parameter.data.to(corrector.llm.llm.dtype)
        return corrector

    def save_pretrained(
        self, folder: str | os.PathLike[str], dtype: torch.dtype = torch.float32, card: str | None = None
    ) -> None:
        """Writes `adapter.safetensors`, `config.yaml` and a model card.

        Raises:
            InputError: the folder cannot be written.
        """
        save_checkpoint(
            self.llm, self.config, folder, dtype, card or f"# robustger adapter for {self.config.base}\n"
        )

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
        return [*self._tokenize(text), self.tokenizer.eos_token_id]

    def correct(
        self,
        lists: Sequence[NBest],
        *,
        guard: str | GuardConfig | None = None,
        guard_changes: Mapping[str, float] | None = None,
        num_beams: int = 1,
        batch_size: int = 16,
        skip_agreeing: bool | None = None,
    ) -> list[Transcript]:
        """Transcripts of N-best lists, in their order.

        Args:
            lists: N-best lists; longer ones are cut to `config.n_best` hypotheses.
            guard: name of a guard or its settings; None takes the checkpoint's.
            guard_changes: thresholds of the guard that differ from its settings, by name.
            num_beams: 1 decodes greedily.
            batch_size: lists per batch; lists of similar length go together.
            skip_agreeing: pass lists whose hypotheses all agree through; None takes the checkpoint's choice.

        Returns:
            one transcript a list. Its confidence is the geometric mean of the probabilities the language model gives
            the tokens of what it wrote, and the end of it; 1 where all hypotheses agree and the language model was
            skipped; 0 where the list is too long for an answer.

        Raises:
            InputError: no guard of that name.
        """
        settings = self._guard_settings(guard).model_copy(update=dict(guard_changes or {}))
        active_guard = GUARDS.get(settings.name)(settings)
        skip = self.config.skip_agreeing if skip_agreeing is None else skip_agreeing
        transcripts: dict[int, Transcript] = {}
        waiting: list[tuple[int, list[int]]] = []
        for index, nbest in enumerate(lists):
            hypotheses = {" ".join(text.split()) for text in nbest.texts[: self.config.n_best]}
            best = " ".join(nbest.best.split())
            if hypotheses == {""} or (skip and len(hypotheses) == 1):
                transcripts[index] = Transcript(nbest.id, best, best, best, "agreement", settings.name, 1.0)
                continue
            prompt = self.prompt_tokens(nbest.texts)
            if len(prompt) > self._prompt_limit:
                transcripts[index] = Transcript(nbest.id, best, best, best, "too_long", settings.name, 0.0)
                continue
            waiting.append((index, prompt))
        for part in _batches(waiting, batch_size):
            indices, prompts = zip(*part, strict=True)
            batch = [lists[index] for index in indices]
            for index, transcript in zip(
                indices, self._decode(batch, prompts, active_guard, num_beams), strict=True
            ):
                transcripts[index] = transcript
        return [transcripts[index] for index in range(len(lists))]

    def _guard_settings(self, guard: str | GuardConfig | None) -> GuardConfig:
        if isinstance(guard, GuardConfig):
            return guard
        if guard is None or guard == self.config.guard.name:
            return self.config.guard
        return GuardConfig(name=guard)

    @property
    def _prompt_limit(self) -> int:
        """Longest prompt in tokens that leaves room for an answer."""
        context = self.llm.llm.config.get_text_config().max_position_embeddings
        return min(context - self.config.max_new_tokens, self.config.max_prompt_tokens)

    @torch.no_grad()
    def _decode(
        self, batch: Sequence[NBest], prompts: Sequence[list[int]], guard: Guard, num_beams: int
    ) -> list[Transcript]:
        """Transcripts of one batch."""
        noise = self.noise_embedding([nbest.texts for nbest in batch])
        bests = [" ".join(nbest.best.split()) for nbest in batch]
        drafts = [self.answer_tokens(best) for best in bests]
        end = self.tokenizer.eos_token_id
        # An answer is about as long as its hypotheses, and the prompt holds at least one of them.
        budgets = [min(self.config.max_new_tokens, len(prompt) * 3 // 2 + 8) for prompt in prompts]
        best_log_probabilities: Sequence[float | None] = [None] * len(batch)
        if num_beams == 1 and not guard.constrains_words:
            answers, best_log_probabilities = decode_from_drafts(
                self.llm, prompts, drafts, noise, end=end, max_new_tokens=max(budgets)
            )
        else:
            processors = [self._list_words(batch, prompts, num_beams)] if guard.constrains_words else []
            answers = decode(
                self.llm,
                prompts,
                noise,
                end=end,
                max_new_tokens=max(budgets),
                num_beams=num_beams,
                processors=processors,
            )
            if guard.needs_best_log_probability:
                best_log_probabilities = [v.log_probability for v in verify(self.llm, prompts, drafts, noise)]
        texts = [" ".join(self.tokenizer.decode(a.tokens, skip_special_tokens=True).split()) for a in answers]
        transcripts = []
        for nbest, best, text, answer, budget, best_score in zip(
            batch, bests, texts, answers, budgets, best_log_probabilities, strict=True
        ):
            proposal = Proposal(best, text, answer.log_probability, best_score)
            confidence = min(1.0, math.exp(answer.log_probability / (len(answer.tokens) + 1)))
            if not answer.finished or len(answer.tokens) > max(budget, len(self._tokenize(best))):
                source, kept, confidence = "too_long", best, 0.0
            elif guard.allows(proposal):
                source, kept = "llm", text
            else:
                source, kept = "guard", best
            transcripts.append(Transcript(nbest.id, kept, best, text, source, guard.config.name, confidence))
        return transcripts

    def _list_words(self, batch: Sequence[NBest], prompts: Sequence[list[int]], num_beams: int) -> ListWords:
        """Holds every row to the words of its list."""
        words = [
            {word for text in nbest.texts[: self.config.n_best] for word in text.split()} for nbest in batch
        ]
        prompt_length = max(map(len, prompts))
        return ListWords(words, self._tokenize, prompt_length, self.tokenizer.eos_token_id, num_beams)

    def _tokenize(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    @torch.no_grad()
    def logits(
        self, input_ids: Tensor, noise_embedding: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Next-token logits of the conditioned language model.

        Args:
            input_ids: shape (B, T).
            noise_embedding: shape (B, U, E), as `noise_embedding` gives it.
            attention_mask: shape (B, T); None when nothing is padded.

        Returns:
            shape (B, T, V).
        """
        return self.llm(input_ids.to(self.llm.device), noise_embedding, attention_mask)
