"""Whisper through transformers: true N-best lists with their scores, and the encoder's embedding, from one pass.

`WhisperForConditionalGeneration.generate` cannot be asked for several hypotheses: it repeats the audio and returns the
same text as often. Here the audio is encoded once and the beam search of `GenerationMixin` runs on what came out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple, cast

import numpy as np
import torch
from pydantic import Field, FiniteFloat
from torch import Tensor
from transformers import GenerationConfig, GenerationMixin, LogitsProcessor, LogitsProcessorList
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from robustger.errors import InputError
from robustger.hypotheses import Hypothesis
from robustger.models import resolve_model, torch_device
from robustger.recognition.base import AudioEmbedding, Recognition, check_audios, check_request
from robustger.recognition.fill import TEMPERATURE, distinct, fill_up
from robustger.recognition.options import checked_options
from robustger.recognition.whisper_checkpoint import (
    forget_settings,
    frame_stride,
    load_checkpoint,
    prompt_ids,
    search_settings,
    window_samples,
)

DEFAULT_BEAMS = 10


class _Tokens(NamedTuple):
    """Generated token ids, up to and including the end token where there is one, and their log-probability."""

    ids: list[int]
    score: float


class _BeamCache(EncoderDecoderCache):
    """The decoder's cache in a beam search.

    Beams change places only within one audio, whose cross-attention is the same for all of them: moving it at every
    step, as transformers does, would cost as much as a step of a small model.
    """

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        self.self_attention_cache.reorder_cache(beam_idx)


class _SeededSampling(LogitsProcessor):
    """Turns the greedy choice into a draw: by Gumbel's rule, the largest of logits / temperature + noise is one.

    The noise of every audio comes from its own generator, so what is drawn for it does not depend on the batch.
    """

    def __init__(self, seeds: Sequence[int], samples: int) -> None:
        self._generators = [
            torch.Generator().manual_seed(seed) for seed in seeds
        ]  # on the CPU: the same on any device
        self._samples = samples

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> Tensor:  # type: ignore[override]
        noise = torch.cat(
            [
                torch.empty(self._samples, scores.shape[-1]).exponential_(generator=generator)
                for generator in self._generators
            ]
        )
        return scores / TEMPERATURE - noise.log().to(scores.device)


class WhisperRecognizer:
    """Any Whisper checkpoint of transformers, from the hub or trained from scratch.

    The window, the hop, the special tokens and the longest text are read from the checkpoint. The prompt is the start
    token, language and task where the checkpoint has several of them, and "no timestamps" where it has that token;
    timestamps and ids without a text are never generated.

    A hypothesis' score is the sum of the natural log-probabilities of its tokens, the end token included, under the
    model's softmax over all tokens at temperature 1 (suppressed tokens are left out of the search; the others are not
    rescaled for it). Hypotheses are ranked by score / tokens ** `length_penalty`, as transformers and OpenAI's code do
    with 1; a shorter one may thus have the higher score and the lower rank. 0 ranks by the score itself. What
    sampling adds to a short list stands behind what was searched, in the order drawn.

    Args:
        model: name or folder, see `robustger.models.resolve_model`.
        device: where it runs; None takes a GPU where there is one.
        dtype: of weights and activations; None is float32 on the CPU and the checkpoint's own on a GPU.
        language: code or English name; None is English. Checkpoints without language tokens take no other.
        task: `translate` needs a multilingual checkpoint.
        length_penalty: see above.
        max_new_tokens: longest hypothesis in tokens; None is what the decoder's positions allow, which is also the
            most.
        memory_gb: what (utterances x beams) in one batch may take, estimated for texts of full length, in GiB; None is
            2 on the CPU and 60 % of what is free on a GPU. One utterance is always taken, whatever its beams need.

    Raises:
        MissingModelError: no such model.
        InputError: not a complete Whisper checkpoint for 16 kHz, or an option it cannot follow.
    """

    @checked_options
    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        device: str | torch.device | None = None,
        dtype: Literal["float32", "bfloat16", "float16"] | None = None,
        language: str | None = None,
        task: Literal["transcribe", "translate"] = "transcribe",
        length_penalty: FiniteFloat = 1.0,
        max_new_tokens: int | None = None,
        memory_gb: Annotated[FiniteFloat, Field(gt=0)] | None = None,
    ) -> None:
        self._device = torch_device(device)
        folder = resolve_model(model)
        on_cpu = self._device.type == "cpu"
        self._model, self._tokenizer, self._extractor = load_checkpoint(
            folder, dtype or ("float32" if on_cpu else "auto"), self._device
        )
        self._window_samples = window_samples(folder, self._model, self._extractor)
        self._samples_per_frame = self._extractor.hop_length * frame_stride(self._model)
        self._prompt = prompt_ids(folder, self._model, self._tokenizer, language, task)
        most = self._model.config.max_target_positions - len(self._prompt)
        if max_new_tokens is not None and not 1 <= max_new_tokens <= most:
            raise InputError(f"max_new_tokens is {max_new_tokens}; {folder} takes 1 to {most}")
        self._max_new_tokens = max_new_tokens or most
        self._memory_gb = memory_gb
        self._settings = search_settings(self._model, self._tokenizer) | {
            "decoder_start_token_id": self._prompt[0],
            "length_penalty": length_penalty,
        }
        forget_settings(self._model)

    @property
    def window_seconds(self) -> float:
        """The longest audio taken at once: 30 s for OpenAI's checkpoints."""
        return self._window_samples / self._extractor.sampling_rate

    @property
    def pads(self) -> bool:
        """True: to the window."""
        return True

    @property
    def embedding_size(self) -> int:
        """D, the width of the encoder: 384 for whisper-tiny, 1280 for whisper-large."""
        return self._model.config.d_model

    def recognize(
        self,
        audios: Sequence[np.ndarray],
        *,
        n: int = 5,
        beams: int | None = None,
        seeds: Sequence[int] | None = None,
    ) -> list[Recognition]:
        """One recognition per audio, in order; see `robustger.recognition.base.Recognizer`.

        `beams` is 10 unless told otherwise, or `n` where that is more.
        """
        check_request(audios, n, beams, seeds, self.window_seconds)
        beams = beams or max(n, DEFAULT_BEAMS)
        found: dict[int, Recognition] = {}
        with torch.inference_mode():
            for batch in self._batches(audios, beams):
                recognised = self._recognize_batch(
                    [audios[k] for k in batch], n, beams, [seeds[k] if seeds else 0 for k in batch]
                )
                found |= zip(batch, recognised, strict=True)
        return [found[k] for k in range(len(audios))]

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        """As `Recognizer.embed`: the encoder's pass alone."""
        check_audios(audios, self.window_seconds)
        found: dict[int, AudioEmbedding] = {}
        with torch.inference_mode():
            for batch in self._batches(audios, beams=1):
                some = [audios[k] for k in batch]
                real, padded = self._embeddings(self._encode(some), some)
                found |= zip(batch, map(AudioEmbedding, real, padded), strict=True)
        return [found[k] for k in range(len(audios))]

    def _batches(self, audios: Sequence[np.ndarray], beams: int) -> Iterator[list[int]]:
        """Indices of audios that fit into memory together, of similar lengths, which end together."""
        order = sorted(range(len(audios)), key=lambda k: audios[k].size)
        size = self._utterances_per_batch(beams)
        return (order[first : first + size] for first in range(0, len(order), size))

    def _recognize_batch(
        self, audios: list[np.ndarray], n: int, beams: int, seeds: list[int]
    ) -> list[Recognition]:
        states = self._encode(audios)  # (B, S, D)
        cross_attention = self._cross_attention(states)
        searched = self._search(states, cross_attention, beams)
        kept = [distinct(self._hypotheses(tokens), n) for tokens in searched]
        short = [k for k, hypotheses in enumerate(kept) if len(hypotheses) < n]
        sampled: dict[int, list[_Tokens]] = {}
        if short:
            rows = [k * beams for k in short for _ in range(n)]
            cross_attention.batch_select_indices(torch.tensor(rows, device=self._device))
            # A text twice as long as any that was searched is a sample that lost its way.
            limits = [2 * max(len(tokens.ids) for tokens in searched[k]) for k in short]
            drawn = self._sample(states[short], cross_attention, n, [seeds[k] for k in short], limits)
            sampled = dict(zip(short, drawn, strict=True))
        embeddings, padded = self._embeddings(states, audios)
        recognised = []
        for k in range(len(audios)):
            hypotheses, count = fill_up(kept[k], n, self._hypotheses(sampled.get(k, [])))
            recognised.append(Recognition(hypotheses, count, embeddings[k], padded[k]))
        return recognised

    def _encode(self, audios: list[np.ndarray]) -> Tensor:
        """The encoder's last hidden states, (B, S, D), padding included."""
        features = self._extractor(
            audios,
            sampling_rate=self._extractor.sampling_rate,
            max_length=self._window_samples,
            return_tensors="pt",
            device=str(self._device),
        )["input_features"]  # (B, mel, S * stride)
        features = features.to(self._device, self._model.dtype)
        return self._model.model.encoder(features).last_hidden_state

    def _embeddings(self, states: Tensor, audios: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Means over the frames that begin within the audio, and over all frames: two of (B, D), float32."""
        states = states.float()
        lengths = [-(-audio.size // self._samples_per_frame) for audio in audios]
        frames = torch.tensor(lengths, device=states.device)
        frames = frames.clamp(max=states.shape[1])
        real = torch.arange(states.shape[1], device=states.device) < frames[:, None]  # (B, S)
        means = torch.where(real[..., None], states, 0).sum(1) / frames[:, None]
        return means.cpu().numpy(), states.mean(1).cpu().numpy()

    def _cross_attention(self, states: Tensor) -> Any:
        """The cross-attention's keys and values of every layer, as a cache of B rows.

        Computed here once per audio; `generate` would compute them once per beam.
        """
        decoded = self._model.model.decoder(
            input_ids=self._prompts(len(states)), encoder_hidden_states=states, use_cache=True
        )
        return decoded.past_key_values.cross_attention_cache

    def _search(self, states: Tensor, cross_attention: Any, beams: int) -> list[list[_Tokens]]:
        """All that the beam search finished, per audio, best first; `cross_attention` grows to B * beams rows."""
        if beams == 1:  # transformers keeps no scores of a search that is one beam wide
            return self._greedy(states, cross_attention)
        cross_attention.batch_repeat_interleave(beams)
        out = self._generate(
            states, cross_attention, num_beams=beams, num_return_sequences=beams, output_scores=True
        )
        lengths = (out.beam_indices >= 0).sum(1)  # (B * beams,)
        normalised = out.sequences_scores.double()
        scores = (normalised * lengths.double() ** self._settings["length_penalty"]).tolist()
        rows = out.sequences[:, len(self._prompt) :].tolist()
        searched: list[list[_Tokens]] = []
        for first in range(0, len(rows), beams):
            tokens = [_Tokens(rows[k][: int(lengths[k])], scores[k]) for k in range(first, first + beams)]
            # Beams that never left the start carry about -1e9, a mark of transformers' and no log-probability.
            searched.append([one for one in tokens if one.score > -1e8])
        return searched

    def _greedy(self, states: Tensor, cross_attention: Any) -> list[list[_Tokens]]:
        """The one hypothesis of each audio that takes the likeliest token at every step."""
        out = self._generate(states, cross_attention, output_logits=True)
        end = self._settings["eos_token_id"]
        found: list[list[_Tokens]] = []
        for tokens, scores in zip(*self._tokens_and_scores(out), strict=True):
            length = tokens.index(end) + 1 if end in tokens else len(tokens)
            found.append([_Tokens(tokens[:length], sum(scores[:length]))])
        return found

    def _tokens_and_scores(self, out: Any) -> tuple[list[list[int]], list[list[float]]]:
        """Token ids of every row and their log-probabilities, to the end of the longest row."""
        ids = out.sequences[:, len(self._prompt) :]  # (rows, T)
        chosen = [
            logits.float().log_softmax(-1).gather(1, ids[:, t : t + 1]) for t, logits in enumerate(out.logits)
        ]
        return ids.tolist(), torch.cat(chosen, dim=1).double().tolist()

    def _sample(
        self, states: Tensor, cross_attention: Any, n: int, seeds: list[int], limits: list[int]
    ) -> list[list[_Tokens]]:
        """Up to `n` samples for each audio; those that do not end within its limit are left out."""
        out = self._generate(
            states.repeat_interleave(n, dim=0),
            cross_attention,
            max_new_tokens=min(max(limits), self._max_new_tokens),
            output_logits=True,
            logits_processor=LogitsProcessorList([_SeededSampling(seeds, n)]),
        )
        end = self._settings["eos_token_id"]
        drawn: list[list[_Tokens]] = [[] for _ in seeds]
        for row, (tokens, scores) in enumerate(zip(*self._tokens_and_scores(out), strict=True)):
            if end in tokens[: limits[row // n]]:
                length = tokens.index(end) + 1
                drawn[row // n].append(_Tokens(tokens[:length], sum(scores[:length])))
        return drawn

    def _generate(self, states: Tensor, cross_attention: Any, **changes: Any) -> Any:
        """What transformers' search makes of B encoded audios; `cross_attention` has a row for every beam of each."""
        processors = changes.pop("logits_processor", None)
        settings = GenerationConfig(
            **(self._settings | {"max_new_tokens": self._max_new_tokens} | changes),
            return_dict_in_generate=True,
        )
        # Not the model's own `generate`, which returns copies of one hypothesis.
        return cast(Any, GenerationMixin).generate(
            self._model,
            generation_config=settings,
            logits_processor=processors,
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=torch.ones(states.shape[:2], dtype=torch.long, device=self._device),
            decoder_input_ids=self._prompts(len(states)),
            past_key_values=_BeamCache(DynamicCache(), cross_attention),
        )

    def _prompts(self, rows: int) -> Tensor:
        return torch.tensor([self._prompt] * rows, device=self._device)

    def _hypotheses(self, found: list[_Tokens]) -> Iterator[Hypothesis]:
        """Texts on one line; decoded when asked for, because most beams are never looked at."""
        for tokens in found:
            text = self._tokenizer.decode(tokens.ids, skip_special_tokens=True)
            yield Hypothesis(" ".join(text.split()), tokens.score)

    def _utterances_per_batch(self, beams: int) -> int:
        config = self._model.config
        number = self._model.dtype.itemsize
        frames, tokens = config.max_source_positions, config.max_target_positions
        caches = 2 * config.decoder_layers * (frames + 2 * tokens) * config.d_model * number
        scores = 4 * config.vocab_size * (self._max_new_tokens + 4)
        if self._memory_gb is not None:
            budget = self._memory_gb * 2**30
        elif self._device.type == "cuda":
            budget = 0.6 * torch.cuda.mem_get_info(self._device)[0]
        else:
            budget = 2 * 2**30
        return max(1, int(budget // (beams * (caches + scores + frames * config.d_model * number))))
