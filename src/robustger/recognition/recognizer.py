"""What a recognizer is: audio in, N-best lists and embeddings of the audio out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from robustger.errors import InputError
from robustger.hypotheses import Hypothesis

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """What a recognizer made of one audio.

    Attributes:
        hypotheses: what the search found, best first: at least one, at most as many as were asked for, and no two
            that differ only in how the words are written. Their scores are log-probabilities, and each recognizer says
            of what.
        distinct: how many there are.
        embedding: the encoder's last hidden state averaged over the frames of the audio itself, float32 (D,).
        padded_embedding: the same averaged over all frames, those of the padding included, as the released code
            takes it, float32 (D,); None where the recognizer does not pad.
        language: code of the language that was recognized ("en"); None where the recognizer does not say.
    """

    hypotheses: tuple[Hypothesis, ...]
    distinct: int
    embedding: np.ndarray
    padded_embedding: np.ndarray | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text and where it is heard.

    Attributes:
        text: as it stands in the text, punctuation included.
        start: where it begins, in seconds from the beginning of the audio.
        end: where it ends, in seconds.
        confidence: how probable the recognizer finds it, between 0 and 1; None where nobody says.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AudioEmbedding:
    """What a recognizer's encoder made of one audio; the means over time that `Recognition` holds.

    Attributes:
        real: over the frames of the audio itself, float32 (D,): `Recognition.embedding`.
        padded: over all frames, float32 (D,), or None: `Recognition.padded_embedding`.
    """

    real: np.ndarray
    padded: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """An audio as a recognizer's feature extraction left it.

    Attributes:
        size: samples of the audio, 16,000 a second.
        values: the recognizer's own.
    """

    size: int
    values: np.ndarray


class Recognizer(Protocol):
    """Turns audio into N-best lists; one thread at a time may use it."""

    @property
    def window_seconds(self) -> float | None:
        """The longest audio that is taken at once, in seconds; None where any length is taken."""
        ...

    @property
    def pads(self) -> bool:
        """Whether every audio is padded to one length, so that there are means over all frames, too."""
        ...

    @property
    def embedding_size(self) -> int:
        """D, the width of the embeddings."""
        ...

    def recognize(
        self,
        audios: Sequence[np.ndarray],
        *,
        n: int = 5,
        beams: int | None = None,
    ) -> list[Recognition]:
        """One recognition per audio, in order; each the same as if its audio came alone, up to float rounding.

        Args:
            audios: 16 kHz mono, float32 (samples,); none longer than `window_seconds`.
            n: hypotheses per audio, at most: a list is shorter where no search found as many different ones.
            beams: width of the one beam search that is made, at least `n`; None leaves it to the recognizer, see
                `robustger.recognition.search.strategy`.

        Raises:
            InputError: an argument that `check_request` refuses.
        """
        ...

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        """The embeddings that `recognize` gives, up to float rounding, without a search.

        Args:
            audios: as for `recognize`.

        Raises:
            InputError: an audio that `check_audios` refuses.
        """
        ...


@runtime_checkable
class Listens(Recognizer, Protocol):
    """A recognizer that can hold any text against an audio, whether it would have written it or not."""

    def align(self, audio: np.ndarray, text: str, *, language: str | None = None) -> list[Word]:
        """The words of the text, in order, each with the time at which it is heard.

        Args:
            audio: 16 kHz mono, float32 (samples,); no longer than `window_seconds`.
            text: what is said in it; its words are what stands between blanks.
            language: code of the text's language; None takes the recognizer's own.

        Returns:
            one word for each word of the text; times do not decrease and lie within the audio.

        Raises:
            InputError: an audio that `check_audios` refuses.
        """
        ...

    def score(self, audio: np.ndarray, texts: Sequence[str], *, language: str | None = None) -> list[float]:
        """Log p(text | audio) for each text: natural log-probabilities, summed over tokens, the end included.

        Args:
            audio: as for `align`.
            texts: written as the recognizer would write them.
            language: as for `align`.

        Raises:
            InputError: an audio that `check_audios` refuses.
        """
        ...


@runtime_checkable
class HearsFeatures(Recognizer, Protocol):
    """A recognizer whose feature extraction can be done before, and in another process."""

    @property
    def features_of(self) -> Callable[[np.ndarray], Features]:
        """Turns an audio, 16 kHz mono, float32 (samples,), into features; can be sent to other processes.

        It raises InputError as `check_audios`.
        """
        ...

    def recognize(
        self,
        audios: Sequence[np.ndarray | Features],
        *,
        n: int = 5,
        beams: int | None = None,
    ) -> list[Recognition]:
        """As `Recognizer.recognize`; features count as their audio."""
        ...

    def embed(self, audios: Sequence[np.ndarray | Features]) -> list[AudioEmbedding]:
        """As `Recognizer.embed`; features count as their audio."""
        ...


def check_request(
    audios: Sequence[np.ndarray | Features],
    n: int,
    beams: int | None,
    window_seconds: float | None,
) -> None:
    """Refuses what no recognizer can work with; every recognizer calls it before it recognizes.

    Raises:
        InputError: `n` below 1, fewer beams than `n`, or what `check_audios` refuses.
    """
    if n < 1:
        raise InputError(f"n is {n}; ask for at least one hypothesis")
    if beams is not None and beams < n:
        raise InputError(f"{beams} beams cannot give {n} hypotheses; ask for at least {n} beams")
    check_audios(audios, window_seconds)


def check_texts(texts: Sequence[str]) -> None:
    """Refuses a single text in the place of several, whose letters would be taken for texts.

    Raises:
        InputError: it is one.
    """
    if isinstance(texts, str):
        raise InputError(f"a list of texts is needed, not the text {texts[:60]!r} itself; put it into a list")


def check_audios(audios: Sequence[np.ndarray | Features], window_seconds: float | None) -> None:
    """Refuses audio that no recognizer can work with; features were checked when they were made.

    Raises:
        InputError: one that is not one non-empty row of finite numbers or is longer than the window; the message
            counts audios from 0.
    """
    import numpy as np

    for index, samples in enumerate(audios):
        if isinstance(samples, Features):
            continue
        if samples.ndim != 1 or not samples.size:
            raise InputError(
                f"audio {index} has the shape {samples.shape}; give samples of one channel, 16,000 a second"
            )
        if not np.isfinite(samples).all():
            raise InputError(f"audio {index} contains NaN or infinite samples; repair the recording")
        seconds = samples.size / 16_000
        if window_seconds is not None and seconds > window_seconds + 1e-6:
            raise InputError(
                f"audio {index} lasts {seconds:.2f} s and the recognizer takes {window_seconds:g} s at once; "
                "cut it with robustger.audio.windows"
            )
