"""CTC models of transformers (wav2vec2, HuBERT, WavLM, Parakeet-CTC, ...) as recognizers.

The search is a CTC prefix beam search (Graves and Jaitly 2014; Hannun et al. 2014) by flashlight-text, without lexicon
and language model. Its results are then scored exactly: the score of a hypothesis is the log-probability of its text,
the sum over all alignments of all found token sequences that read as this text. Scores are not normalized by length.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, FiniteFloat
from torch import Tensor

from robustger.audio import SAMPLE_RATE
from robustger.errors import InputError, MissingExtraError
from robustger.hypotheses import Hypothesis
from robustger.models import resolve_model, torch_device
from robustger.models.loading import load_pretrained
from robustger.recognition.options import checked_options
from robustger.recognition.recognizer import AudioEmbedding, Recognition, check_audios, check_request
from robustger.recognition.search.strategy import Found, Search, search_lists, widths

TOKENS = 64  # the most probable tokens of a frame, with which the search continues
THRESHOLD = 50.0  # nats below the best at which the search drops a hypothesis
RESCORED_AT_ONCE = 16  # token sequences whose exact probability is computed in one go; bounds memory
SHORTEST = (
    SAMPLE_RATE // 10
)  # samples; shorter audio is padded with silence, because convolutions need some frames

# Families for which a batch with attention masks gives the results of single audios; tested one by one. The others,
# mostly with convolutions or normalizations that see the padding, take one audio at a time.
BATCHED = frozenset(
    {
        "hubert",
        "parakeet_ctc",
        "unispeech",
        "unispeech-sat",
        "wav2vec2",
        "wav2vec2-bert",
        "wavlm",
    }
)


class CTCRecognizer:
    """Recognizes with any model that transformers loads with `AutoModelForCTC`.

    A batch equals single audios: families whose padding reaches into the audio take one audio at a time.

    Args:
        model: name or folder.
        device: where it runs; None takes a GPU if there is one.
        dtype: the type of weights and activations; None is float32 on the CPU and the checkpoint's type on a GPU.
        search: "adaptive" or "paper", see `robustger.recognition.search.strategy`; beams are token sequences.
        window_seconds: the longest audio taken at once, because the memory of attention grows with its square. None
            takes any length; recordings are then cut into windows of 30 s.
        batch_seconds: audio in one forward pass, padding included, in seconds.

    Raises:
        MissingModelError: no such model.
        MissingExtraError: flashlight-text is not installed (extra `ctc`).
        InputError: not a CTC model, one for another sampling rate, or one without files of a tokenizer.
    """

    @checked_options
    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        device: str | torch.device | None = None,
        dtype: Literal["float32", "bfloat16", "float16"] | None = None,
        search: Search = "adaptive",
        window_seconds: Annotated[FiniteFloat, Field(ge=SHORTEST / SAMPLE_RATE)] | None = 30.0,
        batch_seconds: Annotated[FiniteFloat, Field(gt=0)] = 120.0,
    ) -> None:
        try:
            import flashlight.lib.text.decoder  # noqa: F401
        except ImportError:
            raise MissingExtraError("flashlight-text", "ctc") from None
        from huggingface_hub.errors import StrictDataclassError
        from safetensors import SafetensorError

        self.window_seconds = window_seconds
        self._search: Search = search
        self._device = torch_device(device)
        folder = resolve_model(model)
        try:
            # Not the processor: for a checkpoint with an n-gram model, it needs packages that are not used here.
            self._features: Any = load_pretrained("AutoFeatureExtractor", folder)
            self._tokenizer: Any = load_pretrained("AutoTokenizer", folder)
            loaded: Any = load_pretrained(
                "AutoModelForCTC",
                folder,
                dtype=dtype or ("float32" if self._device.type == "cpu" else "auto"),
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(f"{folder}: cannot be loaded as a CTC model: {reason}") from None
        if self._features.sampling_rate != SAMPLE_RATE:
            raise InputError(
                f"{folder}: takes audio of {self._features.sampling_rate} Hz; only models for 16,000 Hz can be used"
            )
        self._model: Any = loaded.to(self._device).eval()
        config = self._model.config
        self._blank: int = config.pad_token_id  # transformers' CTC losses use it as the blank
        masked = "attention_mask" in self._features.model_input_names and getattr(
            self._features, "return_attention_mask", True
        )
        leaks = getattr(config, "conv_pos_batch_norm", False) or getattr(config, "add_adapter", False)
        batched = masked and config.model_type in BATCHED and not leaks
        self._masked = masked
        self._batch_samples = int(batch_seconds * SAMPLE_RATE) if batched else 0
        self._encoder: Any = (
            self._model.encoder if hasattr(self._model, "encoder") else self._model.base_model
        )

    @property
    def pads(self) -> bool:
        """False: audios are padded only to the longest of a batch, and embeddings leave that padding out."""
        return False

    @property
    def embedding_size(self) -> int:
        """D, the width of the embeddings."""
        config = self._model.config
        if getattr(config, "add_adapter", False):
            return config.output_hidden_size
        return getattr(config, "encoder_config", config).hidden_size

    def recognize(
        self, audios: Sequence[np.ndarray], *, n: int = 5, beams: int | None = None
    ) -> list[Recognition]:
        """As `Recognizer.recognize`; scores are log-probabilities of texts.

        Audio shorter than 0.1 s is filled up with silence.
        """
        check_request(audios, n, beams, self.window_seconds)
        plan = widths(self._search, n, beams)
        results: dict[int, Recognition] = {}
        for batch in self._batches(audios):
            encoded = self._encode([audios[index] for index in batch])
            for index, (logits, embedding) in zip(batch, encoded, strict=True):
                hypotheses = self._hypotheses(logits.log_softmax(-1).cpu().double(), n, plan)
                results[index] = Recognition(hypotheses, len(hypotheses), embedding)
        return [results[index] for index in range(len(audios))]

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        """As `Recognizer.embed`."""
        check_audios(audios, self.window_seconds)
        results: dict[int, AudioEmbedding] = {}
        for batch in self._batches(audios):
            encoded = self._encode([audios[index] for index in batch])
            results |= {k: AudioEmbedding(mean) for k, (_, mean) in zip(batch, encoded, strict=True)}
        return [results[index] for index in range(len(audios))]

    def _batches(self, audios: Sequence[np.ndarray]) -> Iterator[list[int]]:
        """Indices of audios of similar length, at most `_batch_samples` with the padding."""
        batch: list[int] = []
        for index in sorted(range(len(audios)), key=lambda index: audios[index].size):
            if batch and (len(batch) + 1) * audios[index].size > self._batch_samples:
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    @torch.inference_mode()
    def _encode(self, audios: list[np.ndarray]) -> Iterator[tuple[Tensor, np.ndarray]]:
        """For each audio, its logits, float32 (T, V), and its embedding (D,)."""
        inputs = self._features(
            [
                np.pad(audio.astype(np.float32, copy=False), (0, max(0, SHORTEST - audio.size)))
                for audio in audios
            ],
            sampling_rate=SAMPLE_RATE,
            padding=True,
            return_attention_mask=self._masked,
            return_tensors="pt",
        ).to(self._device)
        for name in ("input_values", "input_features"):
            if name in inputs:
                inputs[name] = inputs[name].to(self._model.dtype)
        states: list[Tensor] = []
        hook = self._encoder.register_forward_hook(
            lambda module, arguments, output: states.append(output.last_hidden_state)
        )
        try:
            logits = self._model(**inputs).logits
        finally:
            hook.remove()
        frames = self._frames(inputs.get("attention_mask"), len(audios), logits.shape[1])
        return (
            (logits[row, :count].float(), states[0][row, :count].float().mean(0).cpu().numpy())
            for row, count in enumerate(frames)
        )

    def _frames(self, mask: Tensor | None, rows: int, frames: int) -> list[int]:
        """Output frames of each audio that are not padding."""
        if mask is None:
            return [frames] * rows
        if hasattr(self._model, "_get_output_attention_mask"):
            return self._model._get_output_attention_mask(mask, target_length=frames).sum(-1).tolist()
        return self._model._get_feat_extract_output_lengths(mask.sum(-1)).tolist()

    def _hypotheses(self, log_probs: Tensor, n: int, plan: Sequence[int]) -> tuple[Hypothesis, ...]:
        def search(utterances: list[int], beams: int) -> list[list[Found]]:
            texts = self._scored_texts(log_probs, prefix_beam_search(log_probs, self._blank, beams))
            return [[Found(text, text.score or 0.0) for text in texts]]

        return search_lists(search, plan, n, [None])[0]

    def _scored_texts(self, log_probs: Tensor, alignments: list[list[int]]) -> list[Hypothesis]:
        """The texts of the alignments, most probable first; no two alignments may have the same tokens."""
        sequences = [collapse(alignment, self._blank) for alignment in alignments]
        scores = sequence_log_probs(log_probs, sequences, self._blank)
        # A CTC tokenizer collapses alignments itself, in the way of its model's own decoding.
        texts = self._tokenizer.batch_decode(alignments, skip_special_tokens=True)
        summed: dict[str, float] = {}
        for words, score in zip(map(str.split, texts), scores, strict=True):
            text = " ".join(words)
            summed[text] = float(np.logaddexp(summed.get(text, -np.inf), score))
        return [Hypothesis(text, score) for text, score in sorted(summed.items(), key=lambda item: -item[1])]


def prefix_beam_search(log_probs: Tensor, blank: int, beams: int) -> list[list[int]]:
    """Alignments of the most probable token sequences, one per sequence, best first.

    Args:
        log_probs: (T, V), on the CPU.
        blank: CTC's blank.
        beams: token sequences kept from frame to frame, at least.

    Returns:
        up to 2 `beams` alignments of T tokens each.
    """
    from flashlight.lib.text.decoder import (
        CriterionType,
        LexiconFreeDecoder,
        LexiconFreeDecoderOptions,
        ZeroLM,
    )

    frames, tokens = log_probs.shape
    options = LexiconFreeDecoderOptions(
        beam_size=2 * beams,  # a sequence takes up to two places, because it may end in a blank or not
        beam_size_token=min(tokens, TOKENS),
        beam_threshold=THRESHOLD,
        lm_weight=0.0,
        sil_score=0.0,
        log_add=True,
        criterion_type=CriterionType.CTC,
    )
    # The blank serves as silence token: the decoder starts in "silence" and takes a first frame of that token for a
    # repetition, and only the blank may be repeated without a meaning.
    decoder = LexiconFreeDecoder(options, ZeroLM(), blank, blank, [])
    emissions = np.ascontiguousarray(log_probs.numpy(), dtype=np.float32)
    found = decoder.decode(emissions.ctypes.data, frames, tokens)
    return [list(result.tokens)[1:-1] for result in found]  # first and last stand for start and end


def collapse(alignment: Sequence[int], blank: int) -> list[int]:
    """The tokens of an alignment: repetitions are merged, then blanks are removed."""
    before: Sequence[int | None] = [None, *alignment[:-1]]
    return [token for last, token in zip(before, alignment, strict=True) if token != last and token != blank]


def sequence_log_probs(log_probs: Tensor, sequences: Sequence[Sequence[int]], blank: int) -> list[float]:
    """The log-probability of each token sequence under CTC: the sum over all its alignments.

    Args:
        log_probs: (T, V), float64, on the CPU.
        sequences: token sequences without blanks.
        blank: CTC's blank.
    """
    scores: list[float] = []
    for start in range(0, len(sequences), RESCORED_AT_ONCE):
        some = sequences[start : start + RESCORED_AT_ONCE]
        losses = torch.nn.functional.ctc_loss(
            log_probs[:, None].expand(-1, len(some), -1).contiguous(),
            torch.tensor([token for sequence in some for token in sequence], dtype=torch.long),
            torch.full((len(some),), len(log_probs)),
            torch.tensor([len(sequence) for sequence in some]),
            blank=blank,
            reduction="none",
        )
        scores += (-losses).tolist()
    return scores
