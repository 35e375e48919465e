"""Extractors turn strings into vectors, from which the noise embedding is computed; they are chosen by name."""

from __future__ import annotations

import json
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from robustger.batches import batches_by_length
from robustger.errors import InputError
from robustger.models import resolve_model
from robustger.models.loading import load_pretrained
from robustger.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Extractor(Protocol):
    """Maps strings to vectors of one width.

    Empty and blank texts are mapped to exactly 0, the vector of the empty token Ø, and equal strings of one call to
    exactly equal vectors.
    """

    @property
    def dimension(self) -> int:
        """The width of the vectors."""
        ...

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Float32 vectors on the CPU, (len(texts), dimension), outside of any autograd graph."""
        ...


# Each is called with the name of the encoder, and with `device`, the device that it runs on.
EXTRACTORS: Registry[Callable[..., Extractor]] = Registry("extractor")

# On a CPU it is more important that activations fit into the cache than that batches are long: all-MiniLM-L6-v2 takes
# as long with 256 pieces at a time as with 1,024, and longer with several thousand.
CPU_BATCH_TOKENS = 512
GPU_BATCH_TOKENS = 16_384
MEMO_BYTES = 64 * 2**20
_ENTRY_BYTES = 700  # measured overhead of Python and torch per entry, beside its numbers and its text


class SentenceBert:
    """Sentence-BERT: mean of the last hidden states over the real tokens, scaled to length 1.

    Reproduces sentence-transformers, in float32, on models whose pipeline is an encoder, mean pooling and
    optionally normalization, such as all-MiniLM-L6-v2 (384 dimensions, the paper's extractor).

    Every distinct string is encoded once per call, in batches of strings of similar length. Its vector is kept in a
    memo of bounded size, which drops the least recently used entries first. The rest of the batch changes a vector by
    less than 1e-6 (padding is masked, and only the rounding of differently shaped matrix products remains). Texts
    longer than the model's limit (256 word pieces for all-MiniLM-L6-v2) are cut there, as in sentence-transformers. So
    two long hypotheses that differ only after the limit have equal sentence vectors up to that rounding.

    It always computes in float32: bfloat16 was 1.7 times as fast on a CPU that supports it, but changed E_LN by up to
    0.012, and half of the differences of two sentences by more than 3.6 % of their length.

    Only one thread at a time may use an object of this class.

    Args:
        model: name or folder, see `robustger.models.resolve_model`.
        device: the device that the encoder runs on.
        batch_tokens: the most word pieces in one forward pass, with their padding; None takes 512 on a CPU and 16,384
            elsewhere. A longer text is a batch of its own.
        memo_bytes: the most memory for strings and vectors that are kept between calls (about 2.3 kB per word at 384
            dimensions); 0 keeps none.

    Raises:
        MissingModelError: there is no such model.
        InputError: the model's pipeline has other steps, or does not pool by the mean.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "minilm",
        *,
        device: str | torch.device = "cpu",
        batch_tokens: int | None = None,
        memo_bytes: int = MEMO_BYTES,
    ) -> None:
        import torch

        folder = resolve_model(model)
        self._normalize = _check_pipeline(folder)
        self._tokenizer = load_pretrained("AutoTokenizer", folder)
        self._model = load_pretrained("AutoModel", folder, dtype=torch.float32).to(device).eval()
        self._limit = _length_limit(folder, self._model.config.max_position_embeddings)
        on_cpu = self._model.device.type == "cpu"
        self._batch_tokens = batch_tokens or (CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS)
        self._memo_bytes = memo_bytes
        self._memo_taken = 0  # bytes
        self._memo: OrderedDict[str, Tensor] = OrderedDict()  # least recently used first

    @property
    def dimension(self) -> int:
        """The width of the vectors: 384 for all-MiniLM-L6-v2."""
        return self._model.config.hidden_size

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Float32 vectors of length 1 on the CPU, (len(texts), dimension); exactly 0 for blank texts."""
        import torch

        if not texts:
            return torch.zeros(0, self.dimension)
        vectors: dict[str, Tensor] = {}
        missing: list[str] = []
        for text in dict.fromkeys(texts):
            if not text.strip():
                vectors[text] = torch.zeros(self.dimension)
            elif (kept := self._memo.get(text)) is not None:
                vectors[text] = kept
                self._memo.move_to_end(text)
            else:
                missing.append(text)
        encoded = self._encode_distinct(missing)
        vectors |= encoded
        self._remember(encoded)
        return torch.stack([vectors[text] for text in texts])  # (len(texts), dimension)

    def forget(self) -> None:
        """Empties the memo."""
        self._memo.clear()
        self._memo_taken = 0

    def _encode_distinct(self, texts: list[str]) -> dict[str, Tensor]:
        import torch

        if not texts:
            return {}
        # JSON and str may hold half of a surrogate pair, which no tokenizer accepts: it becomes "?".
        valid = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        # padding=False, because the tokenizer file of all-MiniLM-L6-v2 pads everything to 128 by default
        pieces = self._tokenizer(valid, truncation=True, max_length=self._limit, padding=False)["input_ids"]
        device = self._model.device
        vectors: dict[str, Tensor] = {}
        lengths = [len(piece) for piece in pieces]
        for batch in batches_by_length(
            lengths, range(len(lengths)), lambda count, longest: count * longest <= self._batch_tokens
        ):
            padded = self._tokenizer.pad({"input_ids": [pieces[k] for k in batch]}, return_tensors="pt")
            padded = padded.to(device)
            # no_grad instead of inference_mode, whose tensors cannot be used in a training step. Without autocast,
            # because in bfloat16 the differences of similar sentences would be mostly rounding.
            with torch.no_grad(), torch.autocast(device.type, enabled=False):
                states = self._model(**padded).last_hidden_state  # (B, T, D)
                mask = padded["attention_mask"].unsqueeze(-1)  # (B, T, 1)
                means = (states * mask).sum(1) / mask.sum(1)  # (B, D)
                if self._normalize:
                    means = torch.nn.functional.normalize(means, dim=-1)
            for k, vector in zip(batch, means.cpu(), strict=True):
                vectors[texts[k]] = vector.clone()  # a view would keep the whole batch in the memo
        return vectors

    def _remember(self, vectors: dict[str, Tensor]) -> None:
        for text, vector in vectors.items():
            self._memo[text] = vector
            self._memo_taken += _entry_bytes(text, vector)
        while self._memo_taken > self._memo_bytes:
            self._memo_taken -= _entry_bytes(*self._memo.popitem(last=False))


def _entry_bytes(text: str, vector: Tensor) -> int:
    return vector.nbytes + sys.getsizeof(text) + _ENTRY_BYTES


EXTRACTORS.register("sbert")(SentenceBert)


@EXTRACTORS.register("llm")
def _token_embeddings(model: str, device: object = None) -> Extractor:
    """Runs on the CPU for any `device`, because vectors are looked up and not computed."""
    from robustger.noise.word_extractors import TokenEmbeddings

    return TokenEmbeddings(model)


@EXTRACTORS.register("ngrams")
def _hashed_ngrams(width: str, device: object = None) -> Extractor:
    """Runs on the CPU for any `device`, because vectors are drawn and not computed."""
    from robustger.noise.word_extractors import HashedNgrams

    return HashedNgrams.parse(width)


def _check_pipeline(folder: Path) -> bool:
    """Whether vectors are normalized according to the folder's modules.json; without such a file they are.

    Raises:
        InputError: the pipeline has other steps than an encoder, mean pooling and at most normalization.
    """
    modules = _read_json(folder / "modules.json")
    if modules is None:
        return True
    steps = [module["type"].rpartition(".")[2] for module in modules]
    if steps not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise InputError(
            f"{folder}: its modules.json lists {', '.join(steps)}; use a model with Transformer, Pooling and at most "
            "Normalize"
        )
    pooling = _read_json(folder / modules[1]["path"] / "config.json") or {}
    modes = [key for key, on in pooling.items() if key.startswith("pooling_mode_") and on is True]
    if modes not in ([], ["pooling_mode_mean_tokens"]):
        raise InputError(
            f"{folder}: pools by {', '.join(modes)}; use a model with pooling_mode_mean_tokens alone"
        )
    return "Normalize" in steps


def _length_limit(folder: Path, positions: int) -> int:
    """The most word pieces of a text, including special ones."""
    settings = _read_json(folder / "sentence_bert_config.json") or {}
    return min(positions, settings.get("max_seq_length") or positions)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
