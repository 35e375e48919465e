"""`Corrector` turns N-best lists into transcripts; users and other rooms need only this class of the room.

`Corrector.correct` is a pipeline. Its stages, in order, each in a file of its own:

1. `writing`: the lists in plain words
2. `list_prompts`: prompts, and lists that the language model does not read
3. `decoding.batch_size` and `batch`: batches with their noise rows and drafts
4. `answers`: the language model reads a batch and answers; or that of a server answers (`endpoint`), and ours reads it
5. `decision`: a guard decides between answer and 1-best
6. `writing` again: transcripts in the form that the lists have
7. `confidence`: how probably each word is right
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from robustger.correction.answers import answer, read_proposals
from robustger.correction.batch import ReadingBatch, in_parts, prepared
from robustger.correction.checkpoint import (
    checkpoint_folder,
    load_weights,
    read_config,
    save_checkpoint,
    trained_parameters,
)
from robustger.correction.confidence import ConfidenceModel
from robustger.correction.config import CorrectorConfig, GuardConfig, Quantization, validate_config
from robustger.correction.decision import decide
from robustger.correction.decoding.batch_size import BatchSize, BatchSizes
from robustger.correction.endpoint.proposals import Proposals, check_judged, proposals_of
from robustger.correction.guards.guard import Guard
from robustger.correction.guards.known_guards import chosen_guard
from robustger.correction.list_prompts import Listener, make_prompts
from robustger.correction.llm.causal_lm import CausalLanguageModel
from robustger.correction.llm.conditioning import ConditionedLLM
from robustger.correction.llm.language_model import load_llm
from robustger.correction.llm.lora import add_lora, fold_lora
from robustger.correction.model_card import corrector_card
from robustger.correction.tokens import ListTokens
from robustger.correction.writing import Writing, lookup_by_given
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript
from robustger.hypotheses.values import each_nbest
from robustger.models import resolve_model, torch_device
from robustger.noise.audio_noise import AudioLookup
from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.extractors import EXTRACTORS
from robustger.noise.source import NOISE_SOURCES

if TYPE_CHECKING:
    from robustger.correction.endpoint.remote_proposer import RemoteProposer


class Corrector:
    """Corrects N-best lists with a frozen language model that is conditioned on their noise.

    Use `from_pretrained` for a checkpoint or preset and `create` for an untrained corrector.

    Several threads may call `correct` of one corrector at the same time, as a server does. They take turns at the
    language model, batch by batch, and get the same transcripts as one after the other.

    Attributes:
        config: describes everything but the weights.
        llm: the conditioned language model.
        tokens: turns texts into tokens of the language model, and back.
        noise: gives the noise rows of lists.
        confidence: judges how probably each word of a transcript is right.
        proposer: writes the answers in the place of `llm`, which then only judges them; None leaves both to `llm`.
    """

    def __init__(
        self, config: CorrectorConfig, llm: ConditionedLLM, confidence: ConfidenceModel | None = None
    ) -> None:
        self.config = config
        self.llm = llm
        self.confidence = confidence or ConfidenceModel()
        self.proposer: RemoteProposer | None = None
        self.tokens = ListTokens(config)
        # A pass is not reentrant: a hook of the output layer selects the logits that are wanted.
        self._llm_lock = threading.Lock()
        self._untrained: CausalLanguageModel | None = None
        self.renew_noise()

    def renew_noise(self) -> None:
        """Loads the noise source again, which frees the memory that its sentence encoder took for earlier lists.

        The sentence encoder runs where the language model does. The pool given to `borrow_noise_among` is forgotten.
        """
        ignores_noise = self.config.variant == "ger"
        name = "zero" if ignores_noise else self.config.noise
        shape = self.llm.shape
        self.noise = NOISE_SOURCES.get(name)(shape.slots, shape.noise_dimension, self._make_embedder)

    def _make_embedder(self) -> NoiseEmbedder:
        extractor = EXTRACTORS.get(self.config.extractor)(self.config.encoder, device=self.llm.device)
        return NoiseEmbedder(
            extractor, variant=self.config.variant, n=self.config.n_best, token_unit=self.config.token_unit
        )

    def borrow_noise_among(self, lists: Sequence[NBest], seed: int = 0) -> None:
        """Tells the control `shuffled` which lists exchange their noise; has no effect on other noise sources.

        Args:
            lists: all lists that are going to be corrected; every one gets the noise of another.
            seed: decides which list gets the noise of which.
        """
        self.noise = self.noise.among([Writing.of(nbest, self.config).plain for nbest in lists], seed)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the language model."""
        return self.tokens.tokenizer

    @classmethod
    def create(
        cls,
        config: CorrectorConfig,
        dtype: torch.dtype | None = None,
        device: str | None = None,
        attention: str | None = None,
    ) -> Corrector:
        """Builds an untrained corrector, which writes what the frozen language model writes.

        Args:
            config: describes the corrector.
            dtype: the language model's type; None picks `best_dtype`.
            device: the device that everything runs on; None picks the GPU where there is one.
            attention: `sdpa` or `eager`, transformers' implementation beneath the noise prompt; None picks `sdpa` where
                the family has it (Gemma 2 has not).

        Raises:
            MissingModelError: the language model cannot be found.
            InputError: its files are broken, or hold no causal language model.
            MissingExtraError: it has to be quantized, and bitsandbytes is not installed.
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
        proposer: RemoteProposer | None = None,
    ) -> Corrector:
        """Loads a trained corrector.

        Args:
            name: checkpoint folder, or name of a preset.
            dtype: the language model's type; None picks `best_dtype`.
            device: the device that everything runs on; None picks the GPU where there is one.
            base: folder or name of the language model, where it differs from the checkpoint's.
            quantization: `none`, `nf4` or `int8`, where the language model's quantization differs from the
                checkpoint's. An adapter trained beside a quantized model also works beside the full one, and the other
                way round. The results are not identical, because quantization rounds the weights.
            trainable: keeps low-rank updates (LoRA) beside the weights of the language model, in order to train on or
                to save again. Otherwise they are folded into the weights, which gives the same function up to rounding
                (1e-5 in float32) in fewer and larger matrix products. Quantized weights are never changed.
            proposer: lets the language model of a server write the corrections, see `robustger.correction.endpoint`.

        Raises:
            InputError: there is no such checkpoint, or it is broken.
            MissingExtraError: the language model has to be quantized, and bitsandbytes is not installed.
        """
        folder = checkpoint_folder(name)
        asked = {"base": base, "quantization": quantization}
        changes = {key: value for key, value in asked.items() if value is not None}
        config = validate_config(CorrectorConfig, read_config(folder).model_dump() | changes, str(folder))
        corrector = cls.create(config, dtype, device)
        corrector.confidence = ConfidenceModel.of_checkpoint(folder)
        corrector.proposer = proposer
        load_weights(corrector.llm, folder)
        if not trainable:
            fold_lora(corrector.llm.llm)
        # In the language model's type: otherwise every projection would be cast up and down.
        for key, parameter in trained_parameters(corrector.llm).items():
            if key.startswith("lora."):
                parameter.data = parameter.data.to(corrector.llm.llm.dtype)
        return corrector

    def save_pretrained(
        self, folder: str | os.PathLike[str], dtype: torch.dtype = torch.float32, card: str | None = None
    ) -> None:
        """Writes `adapter.safetensors`, `config.yaml` and a model card.

        Args:
            folder: to write. It may hold a checkpoint, or nothing.
            dtype: the type of the weights in the file.
            card: the model card in Markdown; None writes one that describes the corrector, but not its training.

        Raises:
            InputError: the folder cannot be written, or the low-rank updates are folded into the language model.
        """
        parameters = trained_parameters(self.llm)
        if self.config.lora is not None and not any(name.startswith("lora.") for name in parameters):
            raise InputError(
                f"{folder}: the low-rank updates are folded into the language model, which then can only correct; "
                "to save it, load it with Corrector.from_pretrained(..., trainable=True)"
            )
        if card is None:
            card = corrector_card(self.config, sum(value.numel() for value in parameters.values()))
        save_checkpoint(self.llm, self.config, folder, dtype, card)

    def noise_embedding(self, lists: Sequence[Sequence[str]]) -> Tensor:
        """The noise rows of lists of hypotheses, shape (B, U, E), in the sign and order of the variant.

        Under the control `shuffled` these are the rows of the lists themselves.

        Raises:
            InputError: the prompt does not have N(N-1) slots; the sentence encoder has another width than the prompt;
                or the checkpoint hears the audio.
        """
        return self.noise.of_texts(lists)

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
        guard: str | GuardConfig | Guard | None = None,
        guard_changes: Mapping[str, float] | None = None,
        num_beams: int = 1,
        batch_size: BatchSize = 16,
        skip_agreeing: bool | None = None,
        heard: AudioLookup | None = None,
        listener: Listener | None = None,
        on_progress: Callable[[int], object] = lambda lists: None,
    ) -> list[Transcript]:
        """Transcripts of N-best lists, in their order.

        Args:
            lists: N-best lists. Of longer ones the first `config.n_best` hypotheses that differ are read. The language
                model reads plain words: a list that comes in written form alone goes through `config.normalizer`.
            guard: name of a guard, its settings, or a guard of your own; None takes the checkpoint's.
            guard_changes: thresholds of the guard that replace those of its settings, by name: `max_edit_rate`,
                `max_deletion_rate`, `min_gain`.
            num_beams: 1 decodes greedily.
            batch_size: lists per batch; lists of similar length go together. `auto` bounds tokens instead: by a
                constant on a CPU, by the free memory of a GPU. Where a GPU's memory runs out nevertheless, this batch
                and later ones are halved.
            skip_agreeing: whether lists whose hypotheses all agree are passed through; None takes the checkpoint's
                choice.
            heard: gives the embedding of a list's noisy audio, float32 (D,), or None where it has none. Checkpoints
                that hear the audio need it, and others do not ask for it.
            listener: lets the recognizer score texts that are not in a list under its audio, for the guard `heard`.
            on_progress: called in the calling thread with the number of lists that were just finished, after each batch
                of the language model. The numbers add up to all lists.

        Returns:
            one transcript per list, in the list's own form: where the list has a written form beside the plain one, the
            transcript has it, too. `word_confidences` holds the probability that each word is right, and `confidence`
            is their mean; see `robustger.correction.confidence`. Lists in a language that the checkpoint does not know,
            lists whose 1-best loops, and lists that are too long for an answer are passed through, with the source
            "language", "loop" or "too_long", a confidence of 0 and no `word_confidences`; so are lists without an
            answer of the `proposer`, with the source "no_answer" and a `reason`.

        Raises:
            InputError: there is no guard of that name, or it cannot judge a `proposer`; a threshold is unknown or out
                of range; `batch_size` is neither a number nor `auto`; the checkpoint needs the embedding of a list's
                audio, and the list has none; or a single list needs more than a GPU's memory.
        """
        lists = list(each_nbest(lists))
        active_guard = chosen_guard(guard, guard_changes or {}, self.config.guard)
        if self.proposer is not None:
            check_judged(active_guard.config.name, num_beams)
        sizes = BatchSizes(batch_size, self.llm)
        if skip_agreeing is None:
            skip_agreeing = self.config.skip_agreeing

        writings = [Writing.of(nbest, self.config) for nbest in lists]
        noise = self.noise.hearing(lookup_by_given(heard, writings))
        prompts, transcripts = make_prompts(
            writings,
            self.config,
            self.tokens,
            longest=self._prompt_limit,
            skip_agreeing=skip_agreeing,
            guard=active_guard.config.name,
            listener=listener,
        )

        on_progress(len(transcripts))
        prepare = partial(ReadingBatch.of, tokens=self.tokens, noise=noise)
        with proposals_of(self.proposer, prompts) as proposals:
            read = partial(self._read, guard=active_guard, num_beams=num_beams, proposals=proposals)
            for batch in prepared(sizes.batches(prompts), prepare, ahead=self.llm.device.type == "cuda"):
                for part, decided in in_parts(batch, read, sizes):
                    transcripts |= zip((prompt.index for prompt in part.prompts), decided, strict=True)
                    on_progress(len(part))
        return [
            self.confidence.judged(writing.transcript(transcripts[index]), writing.given)
            for index, writing in enumerate(writings)
        ]

    def forget(self) -> None:
        """Forgets what earlier calls left in memory.

        The noise embedding keeps the vectors of texts. Which texts it encodes together therefore depends on earlier
        calls, and the last digits of a confidence with it. A run that goes on where another one stopped gives the same
        bytes only if both forget at the same places.
        """
        self.noise.forget()

    def _read(
        self, batch: ReadingBatch, guard: Guard, num_beams: int, proposals: Proposals | None
    ) -> list[Transcript]:
        """The transcripts of a batch in plain words: a language model answers, and the guard decides."""
        if proposals is not None:  # waits for the server without keeping the language model from others
            return proposals.transcripts(batch, partial(self._judge, guard=guard), guard)
        with self._llm_lock:
            answers = answer(
                batch,
                self.llm,
                self.tokens,
                max_new_tokens=self.config.max_new_tokens,
                num_beams=num_beams,
                constraint=guard.constraint(batch, self.tokens, num_beams),
                prior=self._prior,
            )
            return decide(answers, guard)

    def _judge(self, batch: ReadingBatch, proposals: Sequence[str | None], guard: Guard) -> list[Transcript]:
        """The transcripts of a batch that another language model answered."""
        with self._llm_lock:
            limit = self.config.max_new_tokens
            return decide(
                read_proposals(
                    batch, proposals, self.llm, self.tokens, max_new_tokens=limit, prior=self._prior
                ),
                guard,
            )

    def _prior(self, texts: Sequence[str]) -> list[float]:
        """Log p(text) of texts under the language model without training and without a list, in nats."""
        if self._untrained is None:
            llm = self.llm.llm
            self._untrained = CausalLanguageModel(
                self.config.base, str(llm.device), llm.dtype, self.config.quantization
            )
        return self._untrained.log_probabilities(texts)

    @property
    def _prompt_limit(self) -> int:
        """The most tokens of a prompt that leave room for an answer."""
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
        with self._llm_lock:
            return self.llm(input_ids.to(self.llm.device), noise_embedding, attention_mask)
