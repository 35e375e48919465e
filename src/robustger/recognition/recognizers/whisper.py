"""Whisper through transformers: N-best lists with scores, and the encoder's embedding, from one pass.

`WhisperForConditionalGeneration.generate` cannot return several hypotheses: it repeats the audio and returns the same
text several times. Here the audio is encoded once, and `robustger.recognition.search.beam_search` searches with the
encoder's states.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, FiniteFloat
from torch import Tensor

from robustger.errors import InputError
from robustger.hypotheses import Hypothesis
from robustger.models import resolve_model, torch_device
from robustger.recognition.options import checked_options
from robustger.recognition.recognizer import (
    AudioEmbedding,
    Features,
    Recognition,
    check_audios,
    check_request,
)
from robustger.recognition.recognizers.recent_encodings import RecentEncodings
from robustger.recognition.recognizers.whisper_checkpoint import (
    frame_stride,
    load_checkpoint,
    search_settings,
    window_samples,
)
from robustger.recognition.recognizers.whisper_decoder import WhisperDecoder
from robustger.recognition.recognizers.whisper_features import WhisperFeatures, log_mel
from robustger.recognition.recognizers.whisper_listener import WhisperListener
from robustger.recognition.recognizers.whisper_listening import align_tokens, score_texts
from robustger.recognition.recognizers.whisper_prompt import prompts_of
from robustger.recognition.search.beam_search import Tokens, beam_search, draw_texts
from robustger.recognition.search.strategy import Found, Search, finished_texts, search_lists, widths

ENCODED_AT_ONCE = 8  # audios; more are not faster, and the results of the layers still fit into the cache


class WhisperRecognizer(WhisperListener[Tensor]):
    """Recognizes with any Whisper checkpoint of transformers, from the hub or trained from scratch.

    The window, the hop, the special tokens and the longest text are read from the checkpoint. The prompt is the start
    token, the language and the task if the checkpoint has several of them, and "no timestamps" if it has that token.
    Timestamps and ids without a text are never generated.

    A hypothesis' score is the sum of the natural log-probabilities of its tokens, the end token included, under the
    model's softmax over all tokens at temperature 1 (suppressed tokens are left out of the search; the others are not
    rescaled for it). Hypotheses are ranked by score / tokens ** `length_penalty`, as transformers and OpenAI's code do
    with 1; a shorter one may thus have the higher score and the lower rank. 0 ranks by the score itself.

    Args:
        model: name or folder, see `robustger.models.resolve_model`.
        device: where it runs; None takes a GPU if there is one.
        dtype: the type of weights and activations; None is float32 on the CPU and the checkpoint's type on a GPU.
        language: code or English name; None is English; "auto" detects the language of every audio. Checkpoints
            without language tokens transcribe English only, also with "auto".
        task: `translate` needs a multilingual checkpoint.
        length_penalty: see above.
        search: "adaptive" or "paper", see `robustger.recognition.search.strategy`.
        max_new_tokens: the longest hypothesis in tokens; None is the most that the decoder's positions allow.
        memory_gb: the memory that the search for a batch of utterances may take, in GiB, estimated for texts of full
            length. None is 2 on the CPU and 60 % of the free memory on a GPU. One utterance is always taken.

    Raises:
        MissingModelError: there is no such model.
        InputError: it is not a complete Whisper checkpoint for 16 kHz, or it does not support an option.
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
        search: Search = "adaptive",
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
        self._prompts = prompts_of(folder, self._model, self._tokenizer, language, task)
        self._most = self._model.config.max_target_positions - self._prompts.length
        if max_new_tokens is not None and not 1 <= max_new_tokens <= self._most:
            raise InputError(f"max_new_tokens is {max_new_tokens}; {folder} takes 1 to {self._most}")
        self._max_new_tokens = max_new_tokens or self._most
        self._search: Search = search
        self._recent = RecentEncodings()
        self._memory_gb = memory_gb
        self._settings = search_settings(self._model, self._tokenizer)
        self._length_penalty = length_penalty

    @property
    def embedding_size(self) -> int:
        """D, the width of the encoder: 384 for whisper-tiny, 1280 for whisper-large."""
        return self._model.config.d_model

    @property
    def features_of(self) -> WhisperFeatures:
        """As `HearsFeatures.features_of`: the log-mel spectrogram of an audio, computed on the CPU."""
        return WhisperFeatures(self._extractor, self._window_samples)

    def recognize(
        self, audios: Sequence[np.ndarray | Features], *, n: int = 5, beams: int | None = None
    ) -> list[Recognition]:
        """One recognition per audio, in order; see `robustger.recognition.recognizer.Recognizer`."""
        check_request(audios, n, beams, self.window_seconds)
        plan = widths(self._search, n, beams)
        found: dict[int, Recognition] = {}
        with torch.inference_mode():
            for batch in self._batches(audios, plan[0]):
                found |= zip(batch, self._recognize_batch([audios[k] for k in batch], n, plan), strict=True)
        return [found[k] for k in range(len(audios))]

    def embed(self, audios: Sequence[np.ndarray | Features]) -> list[AudioEmbedding]:
        """As `Recognizer.embed`: the encoder's pass alone."""
        check_audios(audios, self.window_seconds)
        found: dict[int, AudioEmbedding] = {}
        with torch.inference_mode():
            for batch in self._batches(audios, beams=1):
                some = [audios[k] for k in batch]
                real, padded = self._embeddings(self._encode(some), some)
                found |= zip(batch, map(AudioEmbedding, real, padded), strict=True)
        return [found[k] for k in range(len(audios))]

    def _batches(self, audios: Sequence[np.ndarray | Features], beams: int) -> Iterator[list[int]]:
        """Indices of audios of similar lengths that fit into memory together."""
        order = sorted(range(len(audios)), key=lambda k: audios[k].size)
        size = self._utterances_per_batch(beams)
        return (order[first : first + size] for first in range(0, len(order), size))

    def _recognize_batch(
        self, audios: list[np.ndarray | Features], n: int, plan: Sequence[int]
    ) -> list[Recognition]:
        states = self._encode(audios)  # (B, S, D)
        languages = self._languages(states)

        def search(some: list[int], beams: int) -> Iterator[list[Found]]:
            size = self._utterances_per_batch(beams)
            for first in range(0, len(some), size):
                rows = some[first : first + size]
                yield from self._found(
                    states[rows], [languages[k] for k in rows], beams, finished_texts(n, plan, beams)
                )

        lists = search_lists(search, plan, n, languages)
        embeddings, padded = self._embeddings(states, audios)
        return [
            Recognition(hypotheses, len(hypotheses), embeddings[k], padded[k], languages[k])
            for k, hypotheses in enumerate(lists)
        ]

    def _encode_one(self, audio: np.ndarray) -> Tensor:
        with torch.inference_mode():
            return self._encode([audio])[0]

    def _language_of(self, states: Tensor) -> str:
        with torch.inference_mode():
            return self._languages(states[None])[0]

    def _align_tokens(
        self, states: Tensor, prompt: list[int], text: list[int], samples: int
    ) -> tuple[list[int], list[float]]:
        """As `WhisperListener._align_tokens`; probabilities are under the softmax over all tokens but the end."""
        frames = min(-(-samples // self._samples_per_frame), len(states))
        end = self._settings["eos_token_id"]
        with torch.inference_mode():
            return align_tokens(self._model, states, prompt, text, end, frames)

    def _score_tokens(self, states: Tensor, prompt: list[int], texts: list[list[int]]) -> list[float]:
        with torch.inference_mode():
            return score_texts(self._model, states, prompt, texts, self._settings["eos_token_id"])

    def _languages(self, states: Tensor) -> list[str]:
        """The code of each audio's language, given or most probable, from states (B, S, D)."""
        if self._prompts.language is not None:
            return [self._prompts.language] * len(states)
        codes, ids = zip(*self._prompts.languages.items(), strict=True)
        found: list[str] = []
        for row in states[:, None]:  # (1, S, D)
            start = torch.tensor([[self._prompts.start]], device=row.device)
            decoded = self._model.model.decoder(input_ids=start, encoder_hidden_states=row, use_cache=False)
            logits = self._model.proj_out(decoded.last_hidden_state[0, -1])
            found.append(codes[int(logits[list(ids)].argmax())])
        return found

    def _encode(self, audios: Sequence[np.ndarray | Features]) -> Tensor:
        """The encoder's last hidden states (B, S, D), padding included; those of the most recent audios are kept."""
        states: list[Tensor] = []
        for first in range(0, len(audios), ENCODED_AT_ONCE):
            some = audios[first : first + ENCODED_AT_ONCE]
            features = torch.stack([self._spectrum(audio) for audio in some])  # (b, mel, S * stride)
            features = features.to(self._device, self._model.dtype)
            states.append(self._model.model.encoder(features).last_hidden_state)
            for audio, one in zip(some, states[-1], strict=True):
                self._recent.keep(audio, one.clone())  # a view would keep the memory of the whole batch
        return torch.cat(states)

    def _spectrum(self, audio: np.ndarray | Features) -> Tensor:
        """(mel, S * stride)."""
        if isinstance(audio, Features):
            return torch.from_numpy(audio.values)
        return log_mel(self._extractor, audio, self._window_samples, self._device)

    def _embeddings(
        self, states: Tensor, audios: list[np.ndarray | Features]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The means over the frames that begin within the audio, and over all frames, float32 (B, D) each."""
        states = states.float()
        lengths = [-(-audio.size // self._samples_per_frame) for audio in audios]
        frames = torch.tensor(lengths, device=states.device)
        frames = frames.clamp(max=states.shape[1])
        real = torch.arange(states.shape[1], device=states.device) < frames[:, None]  # (B, S)
        means = torch.where(real[..., None], states, 0).sum(1) / frames[:, None]
        return means.cpu().numpy(), states.mean(1).cpu().numpy()

    def _found(
        self, states: Tensor, languages: Sequence[str], beams: int, finished: int
    ) -> list[list[Found]]:
        """The texts of a beam search that is over when it has finished so many, per audio, best first.

        One beam takes the most probable tokens.
        """
        decoder, end = self._decoder(states, languages), self._settings["eos_token_id"]
        longest = self._max_new_tokens
        if beams == 1:  # a search of one beam would go on after an end token, for a better rank
            texts = draw_texts(
                decoder, lambda log_probs: log_probs.argmax(-1), texts=1, end=end, longest=longest
            )
        else:
            texts = beam_search(
                decoder,
                beams=beams,
                end=end,
                longest=longest,
                length_penalty=self._length_penalty,
                finished=finished,
            )
        return [[self._as_found(tokens) for tokens in some] for some in texts]

    def _decoder(self, states: Tensor, languages: Sequence[str]) -> WhisperDecoder:
        settings = self._settings
        return WhisperDecoder(
            self._model,
            states,
            [self._prompts.ids(language) for language in languages],
            settings["suppress_tokens"],
            settings["begin_suppress_tokens"],
        )

    def _as_found(self, tokens: Tokens) -> Found:
        """A found text, on one line."""
        text = self._tokenizer.decode(tokens.ids, skip_special_tokens=True)
        rank = tokens.score / len(tokens.ids) ** self._length_penalty
        return Found(Hypothesis(" ".join(text.split()), tokens.score), rank)

    def _utterances_per_batch(self, beams: int) -> int:
        config = self._model.config
        number = self._model.dtype.itemsize
        frames, tokens = config.max_source_positions, config.max_target_positions
        cache = 2 * config.decoder_layers * config.d_model * number  # of one frame or token
        states = frames * config.d_model * number
        scores = 4 * config.vocab_size * 4  # as the model gives them, normalized, added up, and masked
        if self._memory_gb is not None:
            budget = self._memory_gb * 2**30
        elif self._device.type == "cuda":
            budget = 0.6 * torch.cuda.mem_get_info(self._device)[0]
        else:
            budget = 2 * 2**30
        # Twice the memory of the tokens, because beams are copied when they change places.
        return max(1, int(budget // (cache * frames + states + beams * (2 * cache * tokens + scores))))
