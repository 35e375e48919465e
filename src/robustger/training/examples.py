"""The training examples: tokens of all lists in flat arrays, and the places of their noise and audio on disk."""

from __future__ import annotations

import hashlib
import json
import logging
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from robustger.correction.model import Corrector
from robustger.errors import InputError
from robustger.training.audio_rows import AudioRows, HeardRows
from robustger.training.batching import Example, TrainingBatch, collate, micro_batches
from robustger.training.lists import TrainingLists
from robustger.training.noise_rows import NoiseRows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Examples:
    """The lists of one part of the data that are trained on or evaluated, at about 1 kB each.

    Attributes:
        ids: the ids of the lists.
        tokens: prompt and target of the first list, of the second, and so on.
        starts: the position in `tokens` where each list starts, and the end of the last one.
        prompt_lengths: number of tokens of each list's prompt; the target follows it.
        places: the position of each list among all lists with a reference, by which its noise is found.
        noise: the noise of all lists with a reference.
        audio: the audio embeddings of these lists; None without distillation.
        digests: the number of lists, and digests of their ids, hypotheses, references and audio embeddings. A run goes
            on from a checkpoint only if they are unchanged.
        left_out: number of lists that were left out, by reason.
    """

    ids: Sequence[str]
    tokens: np.ndarray
    starts: np.ndarray
    prompt_lengths: np.ndarray
    places: np.ndarray
    noise: NoiseRows | HeardRows
    audio: AudioRows | None = None
    digests: Mapping[str, int | str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Example:
        tokens = self.tokens[self.starts[index] : self.starts[index + 1]].tolist()
        prompt = int(self.prompt_lengths[index])
        return Example(self.ids[index], tokens[:prompt], tokens[prompt:])

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of every example, shape (len(self),)."""
        return np.diff(self.starts)

    def told_left_out(self) -> str:
        """Says how many lists were left out, and why; empty where none was."""
        return ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())

    def target_tokens(self, indices: Sequence[int]) -> int:
        """The number of target tokens of some examples."""
        chosen = np.asarray(indices)
        return int((self.starts[chosen + 1] - self.starts[chosen] - self.prompt_lengths[chosen]).sum())

    def batches(
        self, indices: Sequence[int], size: int, max_tokens: int, pad: int
    ) -> Iterator[TrainingBatch]:
        """Yields some examples in micro-batches; see `robustger.training.batching.micro_batches`."""
        lengths = {index: int(self.starts[index + 1] - self.starts[index]) for index in indices}
        for piece in micro_batches(lengths, indices, size, max_tokens):
            noise = self.noise.read(self.places[piece])
            yield collate([self[index] for index in piece], noise, pad)


def make_examples(
    corrector: Corrector,
    lists: TrainingLists,
    noise: NoiseRows | HeardRows,
    max_tokens: int,
    kinds: tuple[str, ...] = (),
) -> Examples:
    """Makes examples of all lists that are short enough and have the audio embeddings they need.

    Args:
        corrector: makes the prompts and tokens.
        lists: the data.
        noise: the noise of these lists.
        max_tokens: longer lists are left out, and counted.
        kinds: audio embeddings that every list needs; a list without them is left out, and counted.

    Raises:
        InputError: no list is short enough; more lists lack an embedding than may be left out; or an embedding is
            broken.
    """
    ids: list[str] = []
    digests = {name: hashlib.sha256() for name in ("ids", "hypotheses", "references")}
    tokens, starts, prompt_lengths, places = array("i"), array("q", [0]), array("i"), array("q")
    audio = AudioRows(kinds) if kinds else None
    seen = too_long = 0
    with tqdm(total=lists.count, desc=f"reading data.{lists.part}", leave=False, disable=None) as bar:
        for chunk in lists.chunks():
            short = []
            for place, (file, nbest) in enumerate(chunk, start=seen):
                prompt = corrector.prompt_tokens(nbest.texts)
                target = corrector.answer_tokens(" ".join((nbest.reference or "").split()))
                if len(prompt) + len(target) <= max_tokens:
                    short.append((file, nbest, place, prompt, target))
            seen += len(chunk)
            too_long += len(chunk) - len(short)
            kept = [True] * len(short) if audio is None else audio.add(item[:2] for item in short)
            for keep, (_, nbest, place, prompt, target) in zip(kept, short, strict=True):
                if keep:
                    ids.append(nbest.id)
                    for digest, value in zip(
                        digests.values(), (nbest.id, nbest.texts, nbest.reference), strict=True
                    ):
                        digest.update(f"{json.dumps(value)}\n".encode())
                    tokens.extend(prompt)
                    tokens.extend(target)
                    starts.append(len(tokens))
                    prompt_lengths.append(len(prompt))
                    places.append(place)
            bar.update(len(chunk))
    if lists.count and too_long == lists.count:
        raise InputError(
            f"data.{lists.part}: every list is longer than data.max_tokens = {max_tokens}; raise it"
        )
    if too_long:
        logger.warning("data.%s: %d lists exceed data.max_tokens and are left out", lists.part, too_long)
    if audio is not None and (problem := audio.problem(lists.part)):
        logger.warning("%s", problem)
    found = {name: digest.hexdigest() for name, digest in digests.items()}
    if audio is not None:
        found["audio"] = audio.digest
    elif isinstance(noise, HeardRows):
        found["audio"] = noise.audio.digest
    left_out = {
        "with no reference": lists.without_reference,
        "longer than data.max_tokens": too_long,
        **{
            f"with no {kind} audio embedding": count
            for kind, count in (audio.lacking if audio else {}).items()
        },
    }
    return Examples(
        ids,
        tokens=np.asarray(tokens),
        starts=np.asarray(starts),
        prompt_lengths=np.asarray(prompt_lengths),
        places=np.asarray(places),
        noise=noise,
        audio=audio,
        digests={"lists": len(ids), **found},
        left_out={reason: count for reason, count in left_out.items() if count},
    )
