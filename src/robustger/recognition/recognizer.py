"""The interface of a recognizer, which turns audio into N-best lists and embeddings."""

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
    """The result of recognizing one audio.

    Attributes:
        hypotheses: the texts that the search found, best first: at least one, and at most as many as were asked for,
            and perhaps one more that a second recognizer has added. No
            two of them differ only in how their words are written. Their scores are log-probabilities; the class of
            each recognizer documents the event.
        distinct: the number of hypotheses.
        embedding: the mean of the encoder's last hidden states over the frames of the audio itself, float32 (D,).
        padded_embedding: the mean over all frames, also those of the padding, as the released code takes it, float32
            (D,); None if the recognizer does not pad.
        language: the code of the recognized language ("en"); None if the recognizer does not name it.
    """

    hypotheses: tuple[Hypothesis, ...]
    distinct: int
    embedding: np.ndarray
    padded_embedding: np.ndarray | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a text with the time at which it is heard.

    Attributes:
        text: the word as it stands in the text, with its punctuation.
        start: when it begins, in seconds from the beginning of the audio.
        end: when it ends, in seconds from the beginning of the audio.
        confidence: the probability that the recognizer gives it, between 0 and 1; None if there is none.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AudioEmbedding:
    """The means over time of the encoder's last hidden states for one audio, as `Recognition` holds them.

    Attributes:
        real: the mean over the frames of the audio itself, float32 (D,): `Recognition.embedding`.
        padded: the mean over all frames, float32 (D,), or None: `Recognition.padded_embedding`.
    """

    real: np.ndarray
    padded: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The features that a recognizer extracted from an audio.

    Attributes:
        size: the number of samples of the audio, 16,000 a second.
        values: the features, in the form of that recognizer.
    """

    size: int
    values: np.ndarray


class Recognizer(Protocol):
    """Turns audio into N-best lists; one thread at a time may use it."""

    @property
    def window_seconds(self) -> float | None:
        """The longest audio that the recognizer takes at once, in seconds; None if it takes any length."""
        ...

    @property
    def pads(self) -> bool:
        """Whether every audio is padded to one length, so that means over all frames exist."""
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
        """Recognizes each audio as if it came alone, up to float rounding.

        Args:
            audios: 16 kHz mono, float32 (samples,) each; none longer than `window_seconds`.
            n: the most hypotheses per audio; a list is shorter if no search found as many distinct ones.
            beams: the width of a single beam search, at least `n`; None leaves the search to the recognizer, see
                `robustger.recognition.search.strategy`.

        Returns:
            one recognition for each audio, in order.

        Raises:
            InputError: an argument that `check_request` refuses.
        """
        ...

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        """The embeddings that `recognize` returns, up to float rounding, without a search.

        Args:
            audios: as for `recognize`.

        Raises:
            InputError: an audio that `check_audios` refuses.
        """
        ...


@runtime_checkable
class Listens(Recognizer, Protocol):
    """A recognizer that can align and score any text with an audio, even a text that it would not write."""

    def align(self, audio: np.ndarray, text: str, *, language: str | None = None) -> list[TimedWord]:
        """The words of the text, in order, each with the time at which it is heard.

        Args:
            audio: 16 kHz mono, float32 (samples,); no longer than `window_seconds`.
            text: what is said in it; blanks separate its words.
            language: the code of the text's language; None takes the recognizer's own.

        Returns:
            one word for each word of the text; times do not decrease and lie within the audio.

        Raises:
            InputError: an audio that `check_audios` refuses.
        """
        ...

    def score(self, audio: np.ndarray, texts: Sequence[str], *, language: str | None = None) -> list[float]:
        """Log p(text | audio) for each text: the sum of natural log-probabilities of its tokens and the end token.

        Args:
            audio: as for `align`.
            texts: the texts, written as the recognizer would write them.
            language: as for `align`.

        Raises:
            InputError: an audio that `check_audios` refuses.
        """
        ...


@runtime_checkable
class HearsLanguages(Recognizer, Protocol):
    """A recognizer that can be told the language of single recordings."""

    def in_language(self, language: str) -> Recognizer:
        """This recognizer with the same weights for recordings in one language, by its code or English name.

        Raises:
            InputError: it does not hear this language.
        """
        ...


@runtime_checkable
class HearsFeatures(Recognizer, Protocol):
    """A recognizer whose features can be extracted in advance, also by another process."""

    @property
    def features_of(self) -> Callable[[np.ndarray], Features]:
        """A function that turns an audio, 16 kHz mono, float32 (samples,), into features.

        It can be sent to other processes. It raises InputError like `check_audios`.
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
    """Checks the arguments of `recognize`; the recognizers of this package call it first.

    Raises:
        InputError: `n` is below 1, there are fewer beams than `n`, or `check_audios` raises.
    """
    if n < 1:
        raise InputError(f"n is {n}; ask for at least one hypothesis")
    if beams is not None and beams < n:
        raise InputError(f"{beams} beams cannot give {n} hypotheses; ask for at least {n} beams")
    check_audios(audios, window_seconds)


def check_texts(texts: Sequence[str]) -> None:
    """Checks that several texts are given and not a single one, whose letters would be taken for texts.

    Raises:
        InputError: a single text is given.
    """
    if isinstance(texts, str):
        raise InputError(f"a list of texts is needed, not the text {texts[:60]!r} itself; put it into a list")


def check_audios(audios: Sequence[np.ndarray | Features], window_seconds: float | None) -> None:
    """Checks audios before they are recognized; features were checked when they were extracted.

    Raises:
        InputError: an audio is not one non-empty row of finite numbers, or is longer than the window; the message
            counts audios from 0.
    """
    import numpy as np

    from robustger.audio import SAMPLE_RATE

    for index, samples in enumerate(audios):
        if isinstance(samples, Features):
            continue
        if samples.ndim != 1 or not samples.size:
            raise InputError(
                f"audio {index} has the shape {samples.shape}; give samples of one channel, 16,000 a second"
            )
        if not np.isfinite(samples).all():
            raise InputError(f"audio {index} contains NaN or infinite samples; repair the recording")
        seconds = samples.size / SAMPLE_RATE
        if window_seconds is not None and seconds > window_seconds + 1e-6:
            raise InputError(
                f"audio {index} lasts {seconds:.2f} s and the recognizer takes {window_seconds:g} s at once; "
                "cut it with robustger.audio.windows"
            )
