"""Noise sources: each gives the noise rows that a corrector's language model is conditioned on.

A source is chosen once, by the name in `corrector.noise`, and everything else only asks it for rows:

- `real`                 the language-space noise embedding E_LN of the hypotheses (`robustger.noise.embedding`)
- `utterance`, `token`   E_LN with zeros in the place of the rows of the other level (the paper's Table 3)
- `zero`                 zeros
- `random`               Gaussian rows with the norms of the rows of E_LN
- `shuffled`             the E_LN of another list
- `audio`                the embedding of the audio in every row (`robustger.noise.audio_noise`)

`zero`, `random` and `shuffled` are controls (`robustger.noise.controls`).
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.hypotheses.distinct import first_distinct
from robustger.noise.audio_noise import AudioLookup, audio_embeddings_of, in_every_row
from robustger.noise.controls import donors, one_level, random_like
from robustger.noise.embedding import NoiseEmbedder
from robustger.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

EmbedderFactory = Callable[[], NoiseEmbedder]


class NoiseSource(ABC):
    """Gives the noise rows of lists.

    Args:
        slots: U, rows per list.
        width: E, numbers per row.
        make_embedder: loads what computes E_LN; called only by sources that need it.

    Attributes:
        reads: what the rows are computed from.
        stored_as: name of the source whose rows a file holds when the rows of all lists are computed in advance.
        embedder: computes E_LN; None where the source reads no hypotheses.
    """

    reads: ClassVar[Literal["nothing", "hypotheses", "audio"]]
    stored_as: str = "real"
    embedder: NoiseEmbedder | None = None

    def __init__(self, slots: int, width: int, make_embedder: EmbedderFactory) -> None:
        self.slots = slots
        self.width = width

    @abstractmethod
    def of_texts(self, lists: Sequence[Sequence[str]]) -> Tensor:
        """The rows of lists whose hypotheses are given as plain strings, shape (B, U, E).

        Raises:
            InputError: the source reads something else than the hypotheses.
        """

    def rows(self, lists: Sequence[NBest]) -> Tensor:
        """The rows of lists, float32, shape (B, U, E), in the sign and order of the corrector's variant.

        Raises:
            InputError: a list lacks what the source reads.
        """
        return self.of_texts([nbest.texts for nbest in lists])

    def hearing(self, heard: AudioLookup | None) -> NoiseSource:
        """This source with a way to look up the embedding of a list's audio; only `audio` makes use of it."""
        return self

    def among(self, pool: Sequence[NBest], seed: int = 0) -> NoiseSource:
        """This source for the lists of a closed pool; only `shuffled` makes use of it."""
        return self

    def order(self, count: int, seed: int) -> Sequence[int]:
        """For each of `count` lists, the position of the list whose rows it gets: another one under `shuffled` only."""
        return range(count)

    def forget(self) -> None:
        """Forgets the vectors of earlier texts, so that rows depend, to the last bit, on the lists to come alone."""
        forget = getattr(getattr(self.embedder, "extractor", None), "forget", None)
        if forget is not None:
            forget()


class ZeroNoise(NoiseSource):
    """Rows of zeros: the adapter's prompts without any noise."""

    reads = "nothing"
    stored_as = "zero"

    def of_texts(self, lists: Sequence[Sequence[str]]) -> Tensor:
        import torch

        return torch.zeros(len(lists), self.slots, self.width)


class RealNoise(NoiseSource):
    """The language-space noise embedding E_LN of the hypotheses."""

    reads = "hypotheses"

    def __init__(self, slots: int, width: int, make_embedder: EmbedderFactory) -> None:
        super().__init__(slots, width, make_embedder)
        self.embedder: NoiseEmbedder = make_embedder()

    def of_texts(self, lists: Sequence[Sequence[str]]) -> Tensor:
        """E_LN of the first N hypotheses that differ, shape (B, U, E).

        Raises:
            InputError: N hypotheses give another number of rows than the prompt has slots, or the sentence encoder has
                another width.
        """
        embedder = self.embedder
        if embedder.rows != self.slots:
            raise InputError(
                f"this checkpoint's prompt has {self.slots} slots, but {embedder.n} hypotheses give {embedder.rows} "
                "noise rows; it takes a noise embedding of your own through `logits` only"
            )
        if embedder.dimension != self.width:
            raise InputError(
                f"corrector.noise_dimension is {self.width}, but the vectors of corrector.encoder are "
                f"{embedder.dimension} wide; give corrector.noise_dimension that width, or name another "
                "corrector.encoder"
            )
        return embedder([first_distinct(texts, embedder.n) for texts in lists])


class OneLevelNoise(RealNoise):
    """E_LN with zeros in the place of the rows of the other level.

    Args:
        level: the level that is kept, `utterance` or `token`.
    """

    def __init__(self, slots: int, width: int, make_embedder: EmbedderFactory, level: str) -> None:
        super().__init__(slots, width, make_embedder)
        self.stored_as = level

    def of_texts(self, lists: Sequence[Sequence[str]]) -> Tensor:
        return one_level(super().of_texts(lists), self.embedder.rows_of(self.stored_as))


class RandomNoise(RealNoise):
    """The control `random`: keeps only the lengths of the rows of E_LN, which say how much the hypotheses differ."""

    stored_as = "random"

    def of_texts(self, lists: Sequence[Sequence[str]]) -> Tensor:
        return random_like(super().of_texts(lists), lists)


class ShuffledNoise(RealNoise):
    """The control `shuffled`: every list of a pool gets the E_LN of another list of the pool.

    The pool is given by whoever runs the experiment (`among`). Without one, rows can be computed of texts and stored,
    but `rows` refuses.
    """

    _donors: Mapping[tuple[str, tuple[str, ...]], NBest] | None = None

    def rows(self, lists: Sequence[NBest]) -> Tensor:
        if self._donors is None:
            raise InputError(
                "noise: shuffled is a control of experiments: it gives a list the noise of another, so it must be "
                "told the other lists first, by Corrector.borrow_noise_among(lists)"
            )
        if missing := next((nbest for nbest in lists if (nbest.id, nbest.texts) not in self._donors), None):
            raise InputError(
                f"list {missing.id!r} is not among the lists that exchange their noise (noise: shuffled); give "
                "Corrector.borrow_noise_among all lists that are to be corrected"
            )
        return super().rows([self._donors[nbest.id, nbest.texts] for nbest in lists])

    def among(self, pool: Sequence[NBest], seed: int = 0) -> ShuffledNoise:
        told = copy.copy(self)
        sources = donors(len(pool), seed)
        told._donors = {
            (nbest.id, nbest.texts): pool[source] for nbest, source in zip(pool, sources, strict=True)
        }
        return told

    def order(self, count: int, seed: int) -> Sequence[int]:
        return donors(count, seed)


class AudioNoise(NoiseSource):
    """The embedding of the recognizer's encoder in every row."""

    reads = "audio"
    stored_as = "audio"
    _heard: AudioLookup | None = None

    def of_texts(self, lists: Sequence[Sequence[str]]) -> Tensor:
        raise InputError(
            "this checkpoint hears the audio (noise: audio); hypotheses alone give it no noise embedding"
        )

    def rows(self, lists: Sequence[NBest]) -> Tensor:
        return in_every_row(audio_embeddings_of(lists, self._heard), self.slots, self.width)

    def hearing(self, heard: AudioLookup | None) -> AudioNoise:
        told = copy.copy(self)
        told._heard = heard
        return told


NOISE_SOURCES: Registry[Callable[[int, int, EmbedderFactory], NoiseSource]] = Registry("noise")
NOISE_SOURCES.register("real")(RealNoise)
NOISE_SOURCES.register("zero")(ZeroNoise)
NOISE_SOURCES.register("random")(RandomNoise)
NOISE_SOURCES.register("shuffled")(ShuffledNoise)
NOISE_SOURCES.register("utterance")(partial(OneLevelNoise, level="utterance"))
NOISE_SOURCES.register("token")(partial(OneLevelNoise, level="token"))
NOISE_SOURCES.register("audio")(AudioNoise)
