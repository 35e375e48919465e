"""Corrector: N-best lists in, transcripts out. The one class of this room other rooms and users see."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from robustger.correction.batch import Batch, in_parts, prepared, transcripts_of
from robustger.correction.checkpoint import (
    checkpoint_folder,
    load_weights,
    read_config,
    save_checkpoint,
    trained_parameters,
)
from robustger.correction.config import CorrectorConfig, GuardConfig, Quantization, validate_config
from robustger.correction.decoding.batch_size import BatchSize, BatchSizes, Prompt
from robustger.correction.fixed_shapes import FixedPasses
from robustger.correction.guards.guard import GUARDS
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.correction.llm.language_model import load_llm
from robustger.correction.llm.lora import add_lora, fold_lora
from robustger.correction.tokens import ListTokens
from robustger.correction.writing import Writing, knows_language
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript
from robustger.hypotheses.values import each_nbest
from robustger.models import resolve_model, torch_device
from robustger.noise.audio_noise import AudioLookup
from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.extractors import EXTRACTORS
from robustger.noise.source import NOISE_SOURCES


class Corrector:
    """A frozen language model with its noise prompt, and all that turns an N-best list into its input.

    Use `from_pretrained` for a checkpoint or preset and `create` for an untrained one.

    Attributes:
        config: what it is made of.
        llm: the conditioned language model.
        tokens: texts as its tokens.
        noise: gives the noise rows of lists.
    """

    def __init__(self, config: CorrectorConfig, llm: ConditionedLLM) -> None:
        self.config = config
        self.llm = llm
        self.tokens = ListTokens(config)
        self.renew_noise()

    def renew_noise(self) -> None:
        """Loads the noise source anew, so that nothing its sentence encoder remembers of earlier lists takes memory.

        The sentence encoder runs where the language model does. What `borrow_noise_among` was told is forgotten.
        """
        name = (
            "zero" if self.config.variant == "ger" else self.config.noise
        )  # the variant `ger` ignores noise
        shape = self.llm.shape
        self.noise = NOISE_SOURCES.get(name)(shape.slots, shape.noise_dimension, self._make_embedder)

    def _make_embedder(self) -> NoiseEmbedder:
        extractor = EXTRACTORS.get(self.config.extractor)(self.config.encoder, device=self.llm.device)
        return NoiseEmbedder(extractor, variant=self.config.variant, n=self.config.n_best)

    def borrow_noise_among(self, lists: Sequence[NBest], seed: int = 0) -> None:
        """Tells the control `shuffled` which lists exchange their noise; has no effect on other noise sources.

        Args:
            lists: all lists that are going to be corrected; every one gets the noise of another.
            seed: decides which list gets the noise of which.
        """
        self.noise = self.noise.among([Writing.of(nbest, self.config).plain for nbest in lists], seed)

    @property
    def tokenizer(self) -> Any:
        """The language model's."""
        return self.tokens.tokenizer

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
            InputError: its files are broken, or hold no causal language model.
            MissingExtraError: it is to be quantized, and bitsandbytes is not installed.
            UnsupportedModelError: the language model's family cannot carry the noise prompt.
        """
        device = str(torch_device(device))
        base = load_llm(resolve_model(config.base), dtype, device, attention, config.quantization)
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
        quantization: Quantization | None = None,
        trainable: bool = False,
    ) -> Corrector:
        """A trained corrector.

        Args:
            name: checkpoint folder, or name of a preset.
            dtype: of the language model; None picks `best_dtype`.
            device: None picks the GPU where there is one.
            base: the language model's folder or name, where it differs from the checkpoint's.
            quantization: of the language model, `none`, `nf4` or `int8`, where it differs from the checkpoint's. What
                was trained beside a quantized model also works beside the whole one, and the other way round: not
                identically, for the language model is then another by what was rounded.
            trainable: keep low-rank updates (LoRA) beside the language model's weights, as they were trained: to train
                on, or to save again. Without it they are folded into the weights: the same function up to rounding
                (1e-5 in float32), in fewer and larger matrix products. Packed weights are never folded into.

        Raises:
            InputError: no such checkpoint, or a broken one.
            MissingExtraError: the language model is to be quantized, and bitsandbytes is not installed.
        """
        folder = checkpoint_folder(name)
        asked = {"base": base, "quantization": quantization}
        changes = {key: value for key, value in asked.items() if value is not None}
        config = validate_config(CorrectorConfig, read_config(folder).model_dump() | changes, str(folder))
        corrector = cls.create(config, dtype, device)
        load_weights(corrector.llm, folder)
        if not trainable:
            fold_lora(corrector.llm.llm)
        # The language model's type, or every projection would be cast up and down.
        for key, parameter in trained_parameters(corrector.llm).items():
            if key.startswith("lora."):
                parameter.data = parameter.data.to(corrector.llm.llm.dtype)
        return corrector

    def save_pretrained(
        self, folder: str | os.PathLike[str], dtype: torch.dtype = torch.float32, card: str | None = None
    ) -> None:
        """Writes `adapter.safetensors`, `config.yaml` and a model card.

        Raises:
            InputError: the folder cannot be written, or the low-rank updates are folded into the language model.
        """
        if self.config.lora is not None and not any(
            name.startswith("lora.") for name in trained_parameters(self.llm)
        ):
            raise InputError(
                f"{folder}: the low-rank updates are folded into the language model, for reading alone; "
                "to save it, load it with Corrector.from_pretrained(..., trainable=True)"
            )
        save_checkpoint(
            self.llm, self.config, folder, dtype, card or f"# robustger adapter for {self.config.base}\n"
        )

    def noise_embedding(self, lists: Sequence[Sequence[str]]) -> Tensor:
        """The noise rows of lists of hypotheses, shape (B, U, E), in the sign and order of the variant.

        Under the control `shuffled` these are the rows of the lists themselves.

        Raises:
            InputError: the prompt has other than N(N-1) slots; the sentence encoder has another width than the prompt
                was made for; or the checkpoint hears the audio.
        """
        return self.noise.of_texts(lists)

    @cached_property
    def _fixed_passes(self) -> FixedPasses:
        return FixedPasses(self.llm)

    def prompt_tokens(self, texts: Sequence[str]) -> list[int]:
        """The prompt of one list as token ids. The answer's tokens follow directly."""
        return self.tokens.prompt(texts)

    def answer_tokens(self, text: str) -> list[int]:
        """A transcription as token ids, with the token that ends it."""
        return self.tokens.answer(text)

    def correct(
        self,
        lists: Sequence[NBest],
        *,
        guard: str | GuardConfig | None = None,
        guard_changes: Mapping[str, float] | None = None,
        num_beams: int = 1,
        batch_size: BatchSize = 16,
        skip_agreeing: bool | None = None,
        heard: AudioLookup | None = None,
        fixed_shapes: bool = False,
    ) -> list[Transcript]:
        """Transcripts of N-best lists, in their order.

        Args:
            lists: N-best lists; of longer ones the first `config.n_best` hypotheses that differ are read. What is read
                is plain: a list that comes in written form alone is read through `config.normalizer`.
            guard: name of a guard or its settings; None takes the checkpoint's.
            guard_changes: thresholds of the guard that differ from its settings, by name.
            num_beams: 1 decodes greedily.
            batch_size: lists per batch; lists of similar length go together. `auto` bounds tokens instead: by a
                constant on a CPU, by the free memory of a GPU. Where a GPU's memory runs out all the same, batches are
                halved from there on.
            skip_agreeing: pass lists whose hypotheses all agree through; None takes the checkpoint's choice.
            heard: gives the embedding of a list's noisy audio, float32 (D,), or None where it has none; needed by
                checkpoints that hear the audio, and not asked by others.
            fixed_shapes: passes behind a batch's first are padded to a few shapes, and on a GPU recorded as CUDA graphs
                when a shape is first met; buffers and graphs take memory until the corrector goes.

        Returns:
            one transcript a list, in the list's own form: where the list has a written form beside the plain one, the
            transcript has it, too. Lists in a language that the checkpoint does not know are passed through, with the
            source "language" and a confidence of 0. The confidence of others is the geometric mean of the
            probabilities the language model gives the tokens of what it wrote, and the end of it; 1 where all
            hypotheses agree and the language model was skipped; 0 where the list is too long for an answer.

        Raises:
            InputError: no guard of that name, or a threshold it does not have or that is out of range; a batch size
                that is none; a list has no embedding of its audio and the checkpoint needs it; or a list by itself is
                more than a GPU's memory holds.
            UnsupportedModelError: `fixed_shapes`, and the language model's pass cannot be recorded.
        """
        lists = list(each_nbest(lists))
        settings = self._guard_settings(guard)
        if guard_changes:
            settings = validate_config(GuardConfig, settings.model_dump() | dict(guard_changes), "guard")
        active_guard = GUARDS.get(settings.name)(settings)
        sizes = BatchSizes(batch_size, self.llm)
        skip = self.config.skip_agreeing if skip_agreeing is None else skip_agreeing
        transcripts: dict[int, Transcript] = {}
        waiting: list[Prompt] = []
        writings = [Writing.of(nbest, self.config) for nbest in lists]
        known = [knows_language(nbest, self.config.languages) for nbest in lists]
        given, lists = lists, [writing.plain for writing in writings]
        for index, nbest in enumerate(lists):
            hypotheses = {" ".join(text.split()) for text in nbest.texts}
            best = " ".join(nbest.best.split())
            if not known[index]:
                transcripts[index] = Transcript(nbest.id, best, best, best, "language", settings.name, 0.0)
                continue
            if hypotheses == {""} or (skip and len(hypotheses) == 1):
                transcripts[index] = Transcript(nbest.id, best, best, best, "agreement", settings.name, 1.0)
                continue
            prompt = self.prompt_tokens(nbest.texts)
            if len(prompt) > self._prompt_limit:
                transcripts[index] = Transcript(nbest.id, best, best, best, "too_long", settings.name, 0.0)
                continue
            waiting.append((index, prompt, self.answer_tokens(best)))
        original = {id(writing.plain): nbest for writing, nbest in zip(writings, given, strict=True)}
        noise_source = self.noise.hearing(heard and (lambda plain: heard(original[id(plain)])))

        def prepare(items: list[Prompt]) -> Batch:
            indices = [index for index, _, _ in items]
            chosen = [lists[index] for index in indices]
            noise = noise_source.rows(chosen)
            texts = [[" ".join(text.split()) for text in each.texts] for each in chosen]
            drafts = [
                [draft, *(self.answer_tokens(text) for text in others)]
                for (_, _, draft), (_, *others) in zip(items, texts, strict=True)
            ]
            return Batch(indices, chosen, texts, [prompt for _, prompt, _ in items], drafts, noise)

        def run(batch: Batch) -> list[Transcript]:
            return transcripts_of(
                batch, self.llm, self.tokens, active_guard, self.config.max_new_tokens, num_beams, fixed
            )

        fixed = self._fixed_passes if fixed_shapes else None
        # Not beside a recording, which is of all that goes to the GPU.
        ahead = self.llm.device.type == "cuda" and not fixed_shapes
        for batch in prepared(sizes.batches(waiting), prepare, ahead):
            for part, found in in_parts(batch, run, sizes):
                transcripts.update(zip(part.indices, found, strict=True))
        return [writing.transcript(transcripts[index]) for index, writing in enumerate(writings)]

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
