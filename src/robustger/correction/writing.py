"""Reads a list in plain words for the corrector, and writes its transcript in the form that the list has."""

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
from robustger.text.loops import says_twice
from robustger.text.projection import project

_READABLE = ("spoken", "words", "hyporadise")  # normalizers through which lists with both forms are made


@dataclass(frozen=True, slots=True)
class Writing:
    """A list, and the way from its written form to plain words and back.

    Attributes:
        given: the list as it was given.
        plain: the list as the language model reads it: plain words, without accents where the corrector knows English
            alone, and at most the first N hypotheses that differ. Hypotheses that say a stretch twice are left out
            where the 1-best does not, because the language model would repeat it, too.
        listed: all hypotheses that differ, as `plain` has them, with their scores and as they were written; the
            language model may read fewer.
        words: the plain words of every hypothesis, with their accents.
        written: every hypothesis as it was written, best first; None where the list has plain words alone.
        normalizer: name of the normalizer that turns `written` into plain words.
        bare: whether the language model reads the words without their accents.
        beside: whether the list has plain words beside its written form. Its transcript then has both, too.
    """

    given: NBest
    plain: NBest
    listed: Sequence[Hypothesis]
    words: Sequence[str]
    written: Sequence[str] | None
    normalizer: str
    bare: bool
    beside: bool

    @classmethod
    def of(cls, nbest: NBest, config: CorrectorConfig) -> Writing:
        """Finds out how a corrector reads a list.

        Args:
            nbest: the list, with a plain and a written form, or with one form alone. One form alone is read through
                `config.normalizer`.
            config: describes the corrector.

        Raises:
            InputError: there is no normalizer of that name.
        """
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
        whole = [text for text in bare if not says_twice(text)]
        chosen = first_distinct(whole if whole and whole[0] == bare[0] else bare, config.n_best)
        plain = nbest
        if chosen != list(nbest.texts):
            plain = dataclasses.replace(nbest, hypotheses=tuple(map(Hypothesis, chosen)))
        listed: dict[str, Hypothesis] = {}
        for text, one, form in zip(bare, nbest.hypotheses, nbest.written, strict=True):
            listed.setdefault(text, Hypothesis(text, one.score, form, one.second_score))
        return cls(
            given=nbest,
            plain=plain,
            listed=tuple(listed.values()),
            words=texts,
            written=written,
            normalizer=normalizer,
            bare=bare != texts,
            beside=beside,
        )

    def as_written(self, text: str) -> str:
        """Plain words as the recognizer would write them, with its accents, case and punctuation where they are known.

        Args:
            text: words in the form of `plain`.
        """
        accented = self._accented(text, self.plain.best)
        return accented if self.written is None else self._written(accented, self.words[0])

    def as_plain(self, text: str) -> str:
        """A text that somebody wrote for the list, in the form of `plain`."""
        words = normalize(text, self.normalizer)
        return without_accents(words) if self.bare else words

    def transcript(self, read: Transcript) -> Transcript:
        """The transcript in the form that the given list has.

        Args:
            read: the transcript of the plain list.
        """
        text = self._accented(read.text, read.best)
        generated = self._accented(read.generated, read.best)
        best = self.words[0]
        if self.written is None or self.beside:
            written = self.as_written(read.text) if self.beside else None
            return dataclasses.replace(read, text=text, best=best, generated=generated, written=written)
        return dataclasses.replace(
            read,
            text=self._written(text, best),
            best=self.given.best,
            generated=self._written(generated, best),
        )

    def _accented(self, text: str, bare_best: str) -> str:
        """The text with the accents that the hypotheses have."""
        if text == bare_best:
            return self.words[0]
        return project(text, self.words, "unaccented") if self.bare else text

    def _written(self, text: str, plain_best: str) -> str:
        """The text with the case and punctuation that the hypotheses have."""
        assert self.written is not None
        if text == plain_best:
            return " ".join(self.written[0].split())
        return project(text, self.written, self.normalizer)


def lookup_by_given(heard: AudioLookup | None, writings: Sequence[Writing]) -> AudioLookup | None:
    """A lookup for plain lists that asks `heard` about the lists they were made of.

    `heard` may tell its lists apart as objects, because the ids of two files may be equal.
    """
    if heard is None:
        return None
    given = {id(writing.plain): writing.given for writing in writings}
    return lambda plain: heard(given[id(plain)])


def knows_language(nbest: NBest, languages: Sequence[str]) -> bool:
    """Whether a corrector of these languages can read a list.

    A list that names its language is believed. A list that names none is refused by a corrector of English alone where
    its 1-best is obviously something else: no letter is Latin, or at least two words, and more than a third of all,
    hold a letter that English does not have.

    Args:
        nbest: the list, in either form.
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
    """The language of a code, without its region."""
    return language.replace("_", "-").partition("-")[0].strip().lower()


def _normalizer_between(nbest: NBest, default: str) -> str:
    """Name of the normalizer that turns a list's written form into its plain words; `default` where none does."""
    for name in dict.fromkeys((default, *_READABLE)):
        if all(
            normalize(hypothesis.written or "", name) == hypothesis.text for hypothesis in nbest.hypotheses
        ):
            return name
    return default
