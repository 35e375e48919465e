"""Corrector: N-best lists in, transcripts out. The one class of this room other rooms and users see."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

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
from robustger.correction.config import CorrectorConfig, GuardConfig, validate_config
from robustger.correction.decoding import decode
from robustger.correction.guard import GUARDS, Guard, ListWords, Proposal
from robustger.correction.language_model import load_llm
from robustger.correction.margin import keep_sure_stretches
from robustger.correction.prompt import PROMPTS
from robustger.correction.reading import Reading
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript
from robustger.models import resolve_model, torch_device
from robustger.noise.controls import donors, one_level, random_like
from robustger.noise.embedding import LEVELS, NoiseEmbedder
from robustger.noise.extractors import EXTRACTORS
from robustger.noise.heard import heard_in, in_every_row

BATCH_TOKENS = 4096  # prompt tokens with their padding: keeps the memory of a batch of long lists bounded


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
        embedder: computes the noise embedding; None for the variant `ger`, which ignores noise, and where the audio's
            embedding stands in its place.
    """

    def __init__(self, config: CorrectorConfig, llm: ConditionedLLM) -> None:
        self.config = config
        self.llm = llm
        self.embedder: NoiseEmbedder | None = None
        self._prompt = PROMPTS.get(config.prompt)
        if config.variant != "ger" and config.noise != "audio":
            self.renew_embedder()

    def renew_embedder(self) -> None:
        """Loads the sentence encoder anew, so that nothing it remembers of earlier lists takes memory."""
        self.embedder = None
        extractor = EXTRACTORS.get(self.config.extractor)(self.config.encoder)
        self.embedder = NoiseEmbedder(extractor, variant=self.config.variant, n=self.config.n_best)

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        folder = resolve_model(self.config.base)
        try:
            if not any([*folder.glob("tokenizer*"), *folder.glob("vocab*")]):
                raise OSError  # some families would get an empty tokenizer
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError):
            raise InputError(f"{folder}: no tokenizer there; copy the tokenizer's files to it") from None
        if tokenizer.eos_token_id is None:
            raise InputError(
                f"{folder}: the tokenizer has no eos_token, which ends an answer; name one in its config"
            )
        return tokenizer

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
            MissingExtraError: it is to be quantised, and bitsandbytes is not installed.
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
        quantization: Literal["none", "nf4"] | None = None,
    ) -> Corrector:
        """A trained corrector.

        Args:
            name: checkpoint folder, or name of a preset.
            dtype: of the language model; None picks `best_dtype`.
            device: None picks the GPU where there is one.
            base: the language model's folder or name, where it differs from the checkpoint's.
            quantization: of the language model, `none` or `nf4`, where it differs from the checkpoint's. What was
                trained beside a quantised model also works beside the whole one, and the other way round: not
                identically, for the language model is then another by what was rounded.

        Raises:
            InputError: no such checkpoint, or a broken one.
            MissingExtraError: the language model is to be quantised, and bitsandbytes is not installed.
        """
        folder = checkpoint_folder(name)
        asked = {"base": base, "quantization": quantization}
        changes = {key: value for key, value in asked.items() if value is not None}
        config = validate_config(CorrectorConfig, read_config(folder).model_dump() | changes, str(folder))
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
        """E_LN of lists of hypotheses, in the sign and order of the variant: (B, U, E). Zeros for `ger`.

        The controls `zero` and `random` and the choice of one level are applied; what `shuffled` needs, the other
        lists, only the caller has.

        Raises:
            InputError: the prompt has other than N(N-1) slots, or the checkpoint hears the audio.
        """
        if self.hears:
            raise InputError(
                "this checkpoint hears the audio (noise: audio); hypotheses alone give it no noise embedding"
            )
        if self.embedder is None or self.config.noise == "zero":
            shape = self.llm.shape
            return torch.zeros(len(lists), shape.slots, shape.noise_dimension)
        if self.embedder.rows != self.llm.shape.slots:
            raise InputError(
                f"this checkpoint's prompt has {self.llm.shape.slots} slots, but {self.config.n_best} hypotheses give "
                f"{self.embedder.rows} noise rows; it takes a noise embedding of your own through `logits` only"
            )
        noise = self.embedder(lists)
        if self.config.noise in LEVELS:
            return one_level(noise, self.embedder.rows_of(self.config.noise))
        return random_like(noise, lists) if self.config.noise == "random" else noise

    @property
    def hears(self) -> bool:
        """Whether the embedding of the audio stands in the place of E_LN."""
        return self.config.noise == "audio" and self.config.variant != "ger"

    def prompt_tokens(self, texts: Sequence[str]) -> list[int]:
        """The prompt of one list as token ids. The answer's tokens follow directly."""
        return self._tokenize(self._prompt(list(texts)[: self.config.n_best]), add_special_tokens=True)

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
        heard: Callable[[NBest], Any] | None = None,
    ) -> list[Transcript]:
        """Transcripts of N-best lists, in their order.

        Args:
            lists: N-best lists; longer ones are cut to `config.n_best` hypotheses.
            guard: name of a guard or its settings; None takes the checkpoint's.
            guard_changes: thresholds of the guard that differ from its settings, by name.
            num_beams: 1 decodes greedily.
            batch_size: lists per batch; lists of similar length go together.
            skip_agreeing: pass lists whose hypotheses all agree through; None takes the checkpoint's choice.
            heard: gives the embedding of a list's noisy audio, float32 (D,), or None where it has none; needed by
                checkpoints that hear the audio, and not asked by others.

        Returns:
            one transcript a list. Its confidence is the geometric mean of the probabilities the language model gives
            the tokens of what it wrote, and the end of it; 1 where all hypotheses agree and the language model was
            skipped; 0 where the list is too long for an answer.

        Raises:
            InputError: no guard of that name, or a threshold it does not have or that is out of range; or a list has no
                embedding of its audio and the checkpoint needs it.
        """
        settings = self._guard_settings(guard)
        if guard_changes:
            settings = validate_config(GuardConfig, settings.model_dump() | dict(guard_changes), "guard")
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
        sources = donors(len(lists)) if self.config.noise == "shuffled" else range(len(lists))
        for part in _batches(waiting, batch_size):
            indices, prompts = zip(*part, strict=True)
            batch = [lists[index] for index in indices]
            if self.hears:
                noise = in_every_row(
                    heard_in(batch, heard), self.llm.shape.slots, self.llm.shape.noise_dimension
                )
            else:
                noise = self.noise_embedding([lists[sources[index]].texts for index in indices])
            for index, transcript in zip(
                indices, self._decode(batch, prompts, noise, active_guard, num_beams), strict=True
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
        self,
        batch: Sequence[NBest],
        prompts: Sequence[list[int]],
        noise: Tensor,
        guard: Guard,
        num_beams: int,
    ) -> list[Transcript]:
        """Transcripts of one batch under its noise embedding (B, U, E)."""
        bests = [" ".join(nbest.best.split()) for nbest in batch]
        drafts = [
            [self.answer_tokens(" ".join(text.split())) for text in nbest.texts[: self.config.n_best]]
            for nbest in batch
        ]
        end = self.tokenizer.eos_token_id
        # An answer is about as long as its hypotheses, and the prompt holds at least one of them.
        limits = [
            max(len(guesses[0]), min(self.config.max_new_tokens, len(prompt) * 3 // 2 + 8))
            for guesses, prompt in zip(drafts, prompts, strict=True)
        ]
        words = [
            {word for text in nbest.texts[: self.config.n_best] for word in text.split()} for nbest in batch
        ]
        reading = Reading(self.llm, prompts, noise, end)
        written = [0] * len(batch)
        best_log_probabilities: list[float] = []
        if num_beams == 1 and not guard.constrains_words:
            answers, best_log_probabilities = reading.decode(drafts, limits)
        else:
            processors = []
            if guard.constrains_words:
                padded = max(map(len, prompts))
                processors.append(ListWords(words, self._tokenize, padded, end, num_beams))
            answers = decode(
                self.llm, prompts, noise, end=end, limits=limits, num_beams=num_beams, processors=processors
            )
            written = [answer.length for answer in answers]  # a pass for every token
            if guard.weighs_stretches:
                best_log_probabilities = reading.score(range(len(batch)), [guesses[0] for guesses in drafts])
        texts = [self._text(answer.tokens) for answer in answers]
        weighed = texts
        if guard.weighs_stretches:
            weighed = keep_sure_stretches(
                reading,
                self.answer_tokens,
                bests,
                # Nothing is to be weighed where the answer was cut off: the 1-best is kept.
                [
                    text if answer.finished else best
                    for text, answer, best in zip(texts, answers, bests, strict=True)
                ],
                [answer.log_probability for answer in answers],
                best_log_probabilities,
                guard.config.min_gain,
            )
        transcripts = []
        for row, (nbest, best, text, kept, answer, listed) in enumerate(
            zip(batch, bests, texts, weighed, answers, words, strict=True)
        ):
            confidence = min(1.0, math.exp(answer.log_probability / (len(answer.tokens) + 1)))
            if not answer.finished:
                source, kept, confidence = "too_long", best, 0.0
            elif not guard.allows(Proposal(best, kept, listed)):
                source, kept = "guard", best
            else:
                source = "llm" if kept == text else "guard"
            transcripts.append(
                Transcript(
                    *(nbest.id, kept, best, text, source, guard.config.name, confidence),
                    passes=written[row] + reading.passes[row],
                    tokens=answer.length,
                )
            )
        return transcripts

    def _tokenize(self, text: str, add_special_tokens: bool = False) -> list[int]:
        # A hypothesis that spells a special token, "</s>" say, is text and ends nothing.
        return self.tokenizer(text, add_special_tokens=add_special_tokens, split_special_tokens=True)[
            "input_ids"
        ]

    def _text(self, tokens: Sequence[int]) -> str:
        # Without the clean-up of some tokenizers, which would write "do n't" as "don't".
        text = self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return " ".join(text.split())

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
