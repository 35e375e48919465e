"""A list as the corrector reads it, in plain words, and its transcript in the list's own writing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from robustger.correction.config import CorrectorConfig
from robustger.hypotheses import NBest, Transcript
from robustger.hypotheses.distinct import first_distinct
from robustger.hypotheses.values import Hypothesis
from robustger.noise.audio_noise import AudioLookup
from robustger.text import normalize, without_accents
from robustger.text.projection import project

_READABLE = ("spoken", "words", "hyporadise")  # normalizers through which lists with both forms are made


@dataclass(frozen=True, slots=True)
class Writing:
    """A list, and the way from its writing to plain words and back.

    Attributes:
        given: the list as it was given.
        plain: the list as the language model reads it: in plain words, without accents where it knows English alone,
            and without what is beyond the first N hypotheses that differ.
        words: the plain words of every hypothesis, with their accents; the list's own `plain` texts where it has none.
        best: the 1-best as the list has it.
        written: every hypothesis as it was written, best first; None where the list is in plain words alone.
        normalizer: leads from `written` to plain words.
        bare: whether the language model reads them without their accents.
        beside: whether the list has plain words beside its written form, as its transcript then has.
    """

    given: NBest
    plain: NBest
    words: Sequence[str]
    best: str
    written: Sequence[str] | None
    normalizer: str
    bare: bool
    beside: bool

    @classmethod
    def of(cls, nbest: NBest, config: CorrectorConfig) -> Writing:
        """How a corrector reads a list.

        Args:
            nbest: with plain and written forms; or with one form alone, which is read through `config.normalizer`.
            config: of the corrector.

        Raises:
            InputError: no normalizer of that name.
        """
        best = nbest.best
        beside = nbest.hypotheses[0].written is not None
        texts = list(nbest.texts)
        written: Sequence[str] | None = nbest.written if beside else None
        normalizer = config.normalizer
        if beside:
            normalizer = _normalizer_between(nbest, normalizer)
        elif (read := [normalize(text, normalizer) for text in texts]) != texts:
            written, texts = texts, read
        bare = texts
        if _english_alone(config.languages) and config.normalizer != "raw":
            bare = [text if text.isascii() else without_accents(text) for text in texts]
        chosen = first_distinct(bare, config.n_best)
        plain = nbest
        if chosen != list(nbest.texts):
            plain = dataclasses.replace(nbest, hypotheses=tuple(map(Hypothesis, chosen)))
        return cls(nbest, plain, texts, best, written, normalizer, bare != texts, beside)

    def transcript(self, read: Transcript) -> Transcript:
        """A transcript of the plain list in the list's own writing.

        Args:
            read: what became of the plain list; its `best` is the plain 1-best.
        """
        text = self._accented(read.text, read.best)
        generated = self._accented(read.generated, read.best)
        best = self.words[0]
        if self.written is None or self.beside:
            written = self._written(text, best) if self.beside else None
            return dataclasses.replace(read, text=text, best=best, generated=generated, written=written)
        return dataclasses.replace(
            read,
            text=self._written(text, best),
            best=self.best,
            generated=self._written(generated, best),
        )

    def _accented(self, text: str, bare_best: str) -> str:
        """Plain words as the hypotheses have them."""
        if text == bare_best:
            return self.words[0]
        return project(text, self.words, "unaccented") if self.bare else text

    def _written(self, text: str, plain_best: str) -> str:
        assert self.written is not None
        if text == plain_best:
            return " ".join(self.written[0].split())
        return project(text, self.written, self.normalizer)


def lookup_by_given(heard: AudioLookup | None, writings: Sequence[Writing]) -> AudioLookup | None:
    """A lookup for plain lists that asks `heard` about the lists they were made of.

    `heard` may know its lists as objects, because the ids of two files may be equal.
    """
    if heard is None:
        return None
    given = {id(writing.plain): writing.given for writing in writings}
    return lambda plain: heard(given[id(plain)])


def knows_language(nbest: NBest, languages: Sequence[str]) -> bool:
    """Whether a corrector of these languages can read a list.

    A list that names its language is taken at its word. One that names none is refused to a corrector of English alone
    where its 1-best is obviously something else: no letter of it is Latin, or more than a third of its words, and two
    at least, hold a letter that English does not have.

    Args:
        nbest: in either form.
        languages: codes such as "en"; regions ("en-US") make no difference.
    """
    if nbest.language is not None:
        return _primary(nbest.language) in map(_primary, languages)
    if not _english_alone(languages):
        return True
    words = ["".join(filter(str.isalpha, word)) for word in nbest.best.split()]
    words = [word for word in words if word]
    foreign = sum(not word.isascii() for word in words)
    latin = any(character < "\u0250" for word in words for character in word)
    return not words or (latin and not (foreign > 1 and 3 * foreign > len(words)))


def _english_alone(languages: Sequence[str]) -> bool:
    return set(map(_primary, languages)) == {"en"}


def _primary(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].strip().lower()


def _normalizer_between(nbest: NBest, default: str) -> str:
    """Name of the normalizer that made a list's plain words of its written form; `default` where none did."""
    for name in dict.fromkeys((default, *_READABLE)):
        if all(
            normalize(hypothesis.written or "", name) == hypothesis.text for hypothesis in nbest.hypotheses
        ):
            return name
    return default
