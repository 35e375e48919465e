"""What a transcription is: recordings in stretches, each with what was heard and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustger.hypotheses import NBest, Transcript
from robustger.pipeline.edits import Edit, edits_between
from robustger.pipeline.writing_systems import joined
from robustger.recognition.recognizer import Word


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording that was recognized at once.

    Attributes:
        start: where it begins in the recording, in seconds.
        end: where it ends, in seconds.
        nbest: what the recognizer heard, written as the corrector knows it; `meta` holds how many of the hypotheses are
            distinct and, where it was rewritten, the 1-best as the recognizer wrote it (`recognized`).
        transcript: what became of it.
        words: the words of `text` with their times in the recording; None where nobody asked for them.
    """

    start: float
    end: float
    nbest: NBest
    transcript: Transcript
    words: tuple[Word, ...] | None = None

    @property
    def text(self) -> str:
        """The corrected text with the recognizer's case and punctuation, where that form is known."""
        written = self.transcript.written
        return self.transcript.text if written is None else written

    @property
    def plain(self) -> str:
        """The words of the corrected text alone, as the corrector wrote them."""
        return self.transcript.text

    @property
    def recognized(self) -> str:
        """The recognizer's own answer, in the form of `text`."""
        return self.transcript.best if self.transcript.written is None else self.nbest.written[0]

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What turns `recognized` into `text`: what the correction changed."""
        return edits_between(self.recognized, self.text, self.words, self.start, self.end)

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON; words and the list's written form only where they are known."""
        transcript, heard = self.transcript.to_dict(), self.nbest.to_dict()
        transcript.pop("written", None)  # it is the text; the key holds the forms of all hypotheses
        fields = {"start": round(self.start, 3), "end": round(self.end, 3), **transcript}
        fields |= {"text": self.text, "plain": self.plain, "edits": [edit.to_dict() for edit in self.edits]}
        if self.words is not None:
            fields["words"] = [
                {
                    "word": word.text,
                    "start": round(word.start, 3),
                    "end": round(word.end, 3),
                    "confidence": word.confidence,
                }
                for word in self.words
            ]
        return fields | {
            key: heard[key] for key in ("language", "hypotheses", "written", "scores", "meta") if key in heard
        }


@dataclass(frozen=True, slots=True)
class Transcription:
    """A transcribed recording.

    Attributes:
        id: the file's name without folder and suffix, unless the caller gave another.
        audio: the file, or None for samples that came as an array.
        seconds: length of the recording.
        segments: the stretches that hold speech, in order; none where nobody speaks.
    """

    id: str
    audio: str | None
    seconds: float
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The corrected text of all segments, with case and punctuation where that form is known."""
        return joined(segment.text for segment in self.segments)

    @property
    def plain(self) -> str:
        """The words of all segments alone."""
        return joined(segment.plain for segment in self.segments)

    @property
    def words(self) -> tuple[Word, ...] | None:
        """The words of all segments with their times; None where those of a segment are not known."""
        found: list[Word] = []
        for segment in self.segments:
            if segment.words is None:
                return None
            found += segment.words
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON."""
        return {
            "id": self.id,
            "audio": self.audio,
            "seconds": round(self.seconds, 3),
            "text": self.text,
            "plain": self.plain,
            "speech": bool(self.segments),
            "segments": [segment.to_dict() for segment in self.segments],
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A recording that could not be read.

    Attributes:
        id: as of a transcription.
        audio: the file.
        message: what is wrong with it, and with which file.
    """

    id: str
    audio: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON; the text is empty."""
        return {"id": self.id, "audio": self.audio, "text": "", "error": self.message}
