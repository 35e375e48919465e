"""Defines the values that rooms exchange: N-best lists and transcripts."""

from __future__ import annotations

import difflib
import os
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from robustger.errors import InputError
from robustger.hypotheses.checks import (
    JSON_ARRAY,
    finite_number,
    kind_of,
    number_of,
    printable,
    scores_of,
    shown,
    strings_of,
    typed_of,
)
from robustger.hypotheses.judged_edit import JudgedEdit

__all__ = [
    "Hypothesis",
    "NBest",
    "Transcript",
    "each_nbest",
    "finite_number",
    "parse_fields",
    "shown",
]

_KEYS = (
    "id",
    "hypotheses",
    "scores",
    "written",
    "reference",
    "written_reference",
    "language",
    "audio",
    "start",
    "end",
    "audio_embedding",
    "meta",
)
_HYPORADISE_KEYS = ("input", "input1", "input2", "output")


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One guess of a recognizer.

    Attributes:
        text: the words, in the form that the corrector reads, with single spaces between them: other white space is
            folded when the hypothesis is made.
        score: log-probability, or None where the recognizer gives none.
        written: the same words as the recognizer wrote them, with case and punctuation; None where that form is not
            known apart from `text`.
    """

    text: str
    score: float | None = None
    written: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.text, str):  # `NBest` refuses anything else
            object.__setattr__(self, "text", " ".join(self.text.split()))


@dataclass(frozen=True, slots=True)
class NBest:
    """The hypotheses of a recognizer for one utterance, best first.

    Attributes:
        id: names the utterance; not empty.
        hypotheses: at least one; either all have a score or none has, and the same holds for the written form.
        reference: what was said, where known, in the same form as the hypotheses' `text`.
        written_reference: what was said, with case and punctuation, where that form is known apart from `reference`.
        language: code of the spoken language ("en"), where known.
        audio: path of the recording.
        start: where the utterance begins in the recording, in seconds.
        end: where it ends, in seconds.
        audio_embedding: where the recognizer's embedding of the audio is stored.
        meta: anything else; kept from file to file.

    Raises:
        InputError: no hypotheses, something else in their place, an id that is empty or no string, or scores or written
            forms on some hypotheses only.
    """

    id: str
    hypotheses: tuple[Hypothesis, ...]
    reference: str | None = None
    audio: str | None = None
    start: float | None = None
    end: float | None = None
    audio_embedding: Mapping[str, Any] | None = field(default=None, hash=False)
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)
    written_reference: str | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.id, str):
            raise InputError(f"the id of an N-best list must be a string, not {kind_of(self.id)}")
        if not self.id.strip():
            raise InputError("the id of an N-best list is empty; give every list a name")
        if not isinstance(self.hypotheses, list | tuple) or not all(
            isinstance(hypothesis, Hypothesis) and isinstance(hypothesis.text, str)
            for hypothesis in self.hypotheses
        ):
            raise InputError(
                f"N-best list {shown(self.id)}: 'hypotheses' must be a tuple of Hypothesis values; "
                "of plain strings a list is made by NBest.from_texts(id, texts)"
            )
        object.__setattr__(self, "hypotheses", tuple(self.hypotheses))
        if not self.hypotheses:
            raise InputError(f"N-best list {self.id!r} has no hypotheses; give at least one")
        if len({hypothesis.score is None for hypothesis in self.hypotheses}) > 1:
            raise InputError(f"N-best list {self.id!r} has scores on some hypotheses only; give all or none")
        if len({hypothesis.written is None for hypothesis in self.hypotheses}) > 1:
            raise InputError(
                f"N-best list {self.id!r} has written forms of some hypotheses only; give all or none"
            )

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of every hypothesis, best first."""
        return tuple(hypothesis.text for hypothesis in self.hypotheses)

    @property
    def written(self) -> tuple[str, ...]:
        """Every hypothesis as the recognizer wrote it, best first; its text where no other form is known."""
        return tuple(
            hypothesis.text if hypothesis.written is None else hypothesis.written
            for hypothesis in self.hypotheses
        )

    @property
    def best(self) -> str:
        """The text of the first hypothesis: the recognizer's own answer."""
        return self.hypotheses[0].text

    @classmethod
    def from_texts(
        cls,
        id: str,
        texts: Sequence[str],
        *,
        scores: Sequence[float] | None = None,
        written: Sequence[str] | None = None,
        reference: str | None = None,
        written_reference: str | None = None,
        language: str | None = None,
        audio: str | None = None,
        start: float | None = None,
        end: float | None = None,
        audio_embedding: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> NBest:
        """An N-best list from plain strings, best first.

        Args:
            id: names the utterance.
            texts: the hypotheses.
            scores: log-probability of each hypothesis.
            written: each hypothesis with case and punctuation.
            reference: what was said.
            written_reference: what was said, with case and punctuation.
            language: code of the spoken language.
            audio: path of the recording.
            start: where the utterance begins in the recording, in seconds.
            end: where it ends, in seconds.
            audio_embedding: where the embedding of the audio is stored.
            meta: anything else.

        Raises:
            InputError: a value that a file would not be allowed to hold either.

        Example:
            >>> NBest.from_texts("u1", ["what is the fair", "what is the fare"]).best
            'what is the fair'
        """
        fields = {
            "id": id,
            "hypotheses": _listed(texts),
            "scores": _listed(scores),
            "written": _listed(written),
            "reference": reference,
            "written_reference": written_reference,
            "language": language,
            "audio": audio,
            "start": start,
            "end": end,
            "audio_embedding": audio_embedding,
            "meta": meta,
        }
        return cls.from_dict(fields, where=f"N-best list {reprlib.repr(id)}")

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], where: str = "N-best list") -> NBest:
        """The list that one line of an N-best file describes.

        Args:
            fields: the keys of the format above.
            where: where the fields come from ("lists.jsonl:12"), for error messages.

        Raises:
            InputError: `where`, the key, and what is wrong with it.
        """
        try:
            return parse_fields(fields)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """The fields of one line of an N-best file, without unknown ones.

        A recording's name that is not UTF-8 is written with escapes, because JSON cannot hold it.
        """
        fields: dict[str, Any] = {"id": self.id, "hypotheses": list(self.texts)}
        if self.hypotheses[0].score is not None:
            fields["scores"] = [hypothesis.score for hypothesis in self.hypotheses]
        if self.hypotheses[0].written is not None:
            fields["written"] = [hypothesis.written for hypothesis in self.hypotheses]
        for key in ("reference", "written_reference", "language", "audio", "start", "end"):
            value = getattr(self, key)
            if value is not None:
                fields[key] = printable(value) if key == "audio" else value
        if self.audio_embedding is not None:
            fields["audio_embedding"] = dict(self.audio_embedding)
        if self.meta:
            fields["meta"] = dict(self.meta)
        return fields


@dataclass(frozen=True, slots=True)
class Transcript:
    """A corrected utterance.

    Attributes:
        id: the id of the N-best list.
        text: the transcript, in the form of the hypotheses' `text`.
        best: the recognizer's 1-best, in the same form.
        generated: what the language model wrote before the guard; equal to `best` where the model was skipped.
        source: where `text` comes from: "llm"; "agreement" (all hypotheses agree, the model was skipped); "guard" (the
            guard fell back or changed the text); "too_long" (the prompt exceeds the model's context, the 1-best was
            kept); "language" (the corrector does not know the list's language, the 1-best was kept); "loop" (the
            recognizer or the language model repeats itself, see `robustger.text.loops`, the 1-best was kept);
            "recognizer" (no correction was asked for).
        guard: name of the guard in force.
        confidence: between 0 and 1. Of a corrector: the mean of `word_confidences`; of a text without words, the share
            of the list that is empty; 0 where the 1-best was kept and nothing judged it (source "too_long", "language"
            or "loop").
        passes: forward passes of the language model in which this utterance took part, the guard's included; 0 where it
            was skipped.
        tokens: the number of tokens that the language model wrote, including the one that ends the text.
        written: the transcript with the recognizer's case and punctuation; None where the list has no written form.
        word_confidences: the probability that each word of `text` is right, one for each word between white space; None
            where nothing judged the words. See `robustger.correction.confidence`.
        judged: the edits that the guard `heard` considered, in plain words; None where another guard decided.
    """

    id: str
    text: str
    best: str
    generated: str
    source: Literal["llm", "agreement", "guard", "too_long", "language", "loop", "baseline", "recognizer"]
    guard: str
    confidence: float
    passes: int = 0
    tokens: int = 0
    written: str | None = None
    word_confidences: tuple[float, ...] | None = None
    judged: tuple[JudgedEdit, ...] | None = None

    def __post_init__(self) -> None:
        if self.word_confidences is not None:  # JSON gives a list
            object.__setattr__(self, "word_confidences", tuple(self.word_confidences))
        if self.judged is not None:
            object.__setattr__(self, "judged", tuple(map(JudgedEdit.of, self.judged)))

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON; those after `tokens` that are not known are left out."""
        fields = {key: getattr(self, key) for key in self.__slots__}
        if self.word_confidences is not None:
            fields["word_confidences"] = list(self.word_confidences)
        if self.judged is not None:
            fields["judged"] = [edit.to_dict() for edit in self.judged]
        for key in ("written", "word_confidences", "judged"):
            if fields[key] is None:
                del fields[key]
        return fields


def parse_fields(fields: Any) -> NBest:
    """The list that the fields describe; every key is checked, in the order of the format.

    Raises:
        InputError: what is wrong, without saying where the fields come from.
    """
    if isinstance(fields, list) and fields and isinstance(fields[0], Mapping):
        foreign = next((_hint(key, fields[0]) for key in fields[0] if key in _HYPORADISE_KEYS), "")
        raise InputError(foreign or JSON_ARRAY)
    if not isinstance(fields, Mapping):
        raise InputError(f"expected a JSON object with 'id' and 'hypotheses', found {kind_of(fields)}")
    for key in fields:
        if key not in _KEYS:
            raise InputError(f"unknown key {shown(key)}; {_hint(key, fields)}")
    for key in ("id", "hypotheses"):
        if fields.get(key) is None:
            raise InputError(f"key {key!r} is missing; every N-best list needs 'id' and 'hypotheses'")
    id_ = fields["id"]
    if isinstance(id_, bool) or not isinstance(id_, str | int) or not str(id_).strip():
        raise InputError(f"'id' must be a string that is not empty, or an integer, not {kind_of(id_)}")
    texts = strings_of(fields["hypotheses"], "hypotheses", "hypothesis")
    if not texts:
        raise InputError("'hypotheses' is empty; give at least one hypothesis")
    scores = scores_of(fields.get("scores"), len(texts))
    written: Sequence[str | None] = [None] * len(texts)
    if fields.get("written") is not None:
        written = strings_of(fields["written"], "written", "written form")
        if len(written) != len(texts):
            raise InputError(
                f"{len(written)} forms in 'written' for {len(texts)} 'hypotheses'; give one for each"
            )
    start, end = number_of(fields, "start"), number_of(fields, "end")
    if start is not None and end is not None and end < start:
        raise InputError(f"'end' ({end:g} s) lies before 'start' ({start:g} s)")
    return NBest(
        id=str(id_),
        hypotheses=tuple(map(Hypothesis, texts, scores, written)),
        reference=typed_of(fields, "reference", str, "a string"),
        written_reference=typed_of(fields, "written_reference", str, "a string"),
        language=typed_of(fields, "language", str, "a string"),
        audio=typed_of(fields, "audio", str, "a string"),
        start=start,
        end=end,
        audio_embedding=typed_of(fields, "audio_embedding", Mapping, "an object"),
        meta=typed_of(fields, "meta", Mapping, "an object") or {},
    )


def each_nbest(lists: Iterable[NBest]) -> Iterator[NBest]:
    """Yields the lists one after the other, and checks that each is an `NBest`.

    Raises:
        InputError: a single list, a path, or anything else that is no collection of lists; raised here. Something else
            among the lists; raised when it is reached.
    """
    if isinstance(lists, NBest):
        raise InputError(
            "several N-best lists are expected, and one was given; write it in brackets: [nbest]"
        )
    if isinstance(lists, str | bytes | os.PathLike):
        raise InputError(
            f"N-best lists are needed, not the path {shown(lists)}; read it with load_nbest(path)"
        )
    if isinstance(lists, Mapping) or not isinstance(lists, Iterable):
        raise InputError(f"a list of NBest values is needed, not {kind_of(lists)}")
    return _each(lists)


def _each(lists: Iterable[NBest]) -> Iterator[NBest]:
    for position, nbest in enumerate(lists, start=1):
        if not isinstance(nbest, NBest):
            raise InputError(
                f"item {position} of the lists must be an NBest, not {kind_of(nbest)}; "
                "make one with NBest.from_texts(id, texts)"
            )
        yield nbest


def _listed(values: Any) -> Any:
    """The items of any collection as a list. Other values stay, and the check of their key refuses them."""
    return list(values) if isinstance(values, Iterable) and not isinstance(values, str | Mapping) else values


def _hint(key: Any, fields: Mapping[str, Any]) -> str:
    """A hint which key an unknown key was meant to be."""
    if key in _HYPORADISE_KEYS and "hypotheses" not in fields:
        return "entries of HyPoradise are read by: robustger import-nbest FILE -f hyporadise"
    if "hypotheses" not in fields and "audio" in fields:
        return "a line of a manifest is no N-best list; robustger nbest makes lists of a manifest"
    if "hypotheses" not in fields and {"text", "best", "generated"} <= fields.keys():
        return "corrections are no N-best lists; robustger evaluate LISTS --corrections FILE measures them"
    near = difflib.get_close_matches(str(key), _KEYS, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(_KEYS)}"
