"""The result of transcribing a recording: its segments, each with the N-best list and the corrected text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustger.hypotheses import NBest, Transcript
from robustger.pipeline.edits import TimedEdit, edits_between
from robustger.pipeline.writing_systems import joined
from robustger.recognition.recognizer import TimedWord


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording that was recognized at once.

    Attributes:
        start: where it begins in the recording, in seconds.
        end: where it ends, in seconds.
        nbest: the list of the recognizer, rewritten as the corrector knows it; see
            `robustger.recognition.lists.list_of` for its `meta`.
        transcript: the correction of the list.
        words: the words of `text` with their times in the recording; None if nobody asked for them.
    """

    start: float
    end: float
    nbest: NBest
    transcript: Transcript
    words: tuple[TimedWord, ...] | None = None

    @property
    def text(self) -> str:
        """The corrected text, with the recognizer's case and punctuation if that form is known."""
        written = self.transcript.written
        return self.transcript.text if written is None else written

    @property
    def plain(self) -> str:
        """The corrected text as the corrector wrote it: only the words."""
        return self.transcript.text

    @property
    def recognized(self) -> str:
        """The recognizer's own answer, in the form of `text`."""
        return self.transcript.best if self.transcript.written is None else self.nbest.written[0]

    @property
    def edits(self) -> tuple[TimedEdit, ...]:
        """The changes of the correction, which turn `recognized` into `text`."""
        return edits_between(self.recognized, self.text, self.words, self.start, self.end)

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON; the words and the written form of the list only if they are known."""
        transcript, heard = self.transcript.to_dict(), self.nbest.to_dict()
        transcript.pop("written", None)  # it is the text; this key holds the forms of all hypotheses
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
        id: the name of the file without folder and suffix, unless the caller gave another id.
        audio: the file, or None for samples that came as an array.
        seconds: the length of the recording.
        segments: the stretches that hold speech, in order; none if nobody speaks.
    """

    id: str
    audio: str | None
    seconds: float
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The corrected text of all segments, with case and punctuation if that form is known."""
        return joined(segment.text for segment in self.segments)

    @property
    def plain(self) -> str:
        """The words of all segments alone."""
        return joined(segment.plain for segment in self.segments)

    @property
    def words(self) -> tuple[TimedWord, ...] | None:
        """The words of all segments with their times; None if those of a segment are not known."""
        found: list[TimedWord] = []
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
        id: as for a transcription.
        audio: the file.
        message: one line that names the file and says what is wrong with it.
    """

    id: str
    audio: str
    message: str

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON; the text is empty."""
        return {"id": self.id, "audio": self.audio, "text": "", "error": self.message}
