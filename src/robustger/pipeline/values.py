"""What a transcription is: recordings in stretches, each with what was heard and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from robustger.hypotheses import NBest, Transcript


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording that was recognised at once.

    Attributes:
        start: where it begins in the recording, in seconds.
        end: where it ends, in seconds.
        nbest: what the recogniser heard, written as the corrector knows it; `meta` holds how many of the hypotheses are
            distinct and, where it was rewritten, the 1-best as the recogniser wrote it (`recognized`).
        transcript: what became of it.
    """

    start: float
    end: float
    nbest: NBest
    transcript: Transcript

    @property
    def text(self) -> str:
        """The corrected text."""
        return self.transcript.text

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON."""
        fields = {"start": round(self.start, 3), "end": round(self.end, 3), **self.transcript.to_dict()}
        heard = self.nbest.to_dict()
        return fields | {key: heard[key] for key in ("hypotheses", "scores", "meta") if key in heard}


@dataclass(frozen=True, slots=True)
class Transcription:
    """A transcribed recording.

    Attributes:
        id: the file's name without folder and suffix, unless the caller gave another.
        audio: the file, or None for samples that came as an array.
        seconds: length of the recording.
        segments: the stretches that hold sound, in order.
    """

    id: str
    audio: str | None
    seconds: float
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The corrected text of all segments."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON."""
        return {
            "id": self.id,
            "audio": self.audio,
            "seconds": round(self.seconds, 3),
            "text": self.text,
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
