"""The answers of the service: OpenAI's fields as OpenAI's, and our own under the key `robustger`."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, BinaryIO

from robustger.hypotheses import NBest
from robustger.pipeline import RobustGER, Segment, Transcription
from robustger.pipeline.formats import FORMATS
from robustger.pipeline.writing_systems import joined
from robustger.recognition.recording import with_count
from robustger.service.judging import judged_changes
from robustger.service.parameters import TranscriptionFields
from robustger.service.recordings import RecordingProgress, Wish
from robustger.service.shared import Shared

MEDIA_TYPES = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}
_LEAST_PROBABILITY = 1e-10


def written_answer(transcription: Transcription, form: str) -> str:
    """The answer in the form text, srt or vtt."""
    return FORMATS.get(form)(transcription)


def json_answer(
    transcription: Transcription, fields: TranscriptionFields, noise: Sequence[float | None]
) -> dict[str, Any]:
    """The answer in the form json or verbose_json.

    Args:
        transcription: the transcription; its words are needed where `fields` ask for them.
        fields: the request.
        noise: the noise of each segment; only looked at where it is asked for.
    """
    usage = {"type": "duration", "seconds": math.ceil(transcription.seconds)}
    if fields.response_format == "json":
        answer: dict[str, Any] = {"text": transcription.text, "usage": usage}
        if "logprobs" in fields.include:
            answer["logprobs"] = logprobs(transcription.segments)
    else:
        answer = {
            "task": "transcribe",
            "language": language_name(transcription.segments, fields.language),
            "duration": round(transcription.seconds, 3),
            "text": transcription.text,
            "usage": usage,
        }
        granularities = fields.timestamp_granularities or ("segment",)
        if "segment" in granularities:
            answer["segments"] = [
                _openai_segment(number, segment) for number, segment in enumerate(transcription.segments)
            ]
        if "word" in granularities:
            answer["words"] = [
                {"word": word.text, "start": word.start, "end": word.end}
                for word in transcription.words or ()
            ]
    if fields.own:
        answer["robustger"] = _own_part(transcription.segments, fields, noise)
    return answer


def own_segment(
    number: int, segment: Segment, fields: TranscriptionFields, noise: float | None
) -> dict[str, Any]:
    """A segment with what `include[]` asks for, as the key `robustger` and the event `robustger.segment` have it."""
    found: dict[str, Any] = {
        "id": number,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
    }
    if "uncorrected" in fields.own:
        found["uncorrected"] = segment.recognized
    if "word" in fields.timestamp_granularities:
        found["words"] = [
            {"word": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
            for word in segment.words or ()
        ]
    if "nbest" in fields.own:
        found["nbest"] = [
            {
                "text": hypothesis.text,
                "written": written,
                "score": hypothesis.score,
                "second_score": hypothesis.second_score,
            }
            for hypothesis, written in zip(segment.nbest.hypotheses, segment.nbest.written, strict=True)
        ]
    if "edits" in fields.own:
        found["edits"] = judged_changes(segment.nbest, segment.transcript)
    if "noise" in fields.own:
        found["noise"] = noise
    return found


async def answered(
    shared: Shared, file: BinaryIO, fields: TranscriptionFields, wish: Wish, progress: RecordingProgress
) -> str | dict[str, Any]:
    """The whole answer: a text, or what becomes JSON."""
    segments: list[Segment] = []
    async with aclosing(shared.recordings.segments(file, wish, progress)) as groups:
        async for group in groups:
            segments += group
    count = len(segments)
    segments = [replace(each, nbest=with_count(each.nbest, count)) for each in segments]
    transcription = Transcription("audio", None, progress.total or 0.0, tuple(segments))
    shared.log_text(transcription.text)
    if fields.response_format in MEDIA_TYPES:
        return written_answer(transcription, fields.response_format)
    return json_answer(transcription, fields, await noise_of(shared, segments, fields))


async def noise_of(
    shared: Shared, segments: list[Segment], fields: TranscriptionFields
) -> list[float | None]:
    """The noise of each segment, if it is asked for."""
    if "noise" not in fields.own:
        return [None] * len(segments)
    lists = [segment.nbest for segment in segments]
    return await shared.batcher.ask(lambda robustger: noise_sizes(robustger, lists))


def logprobs(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """One entry for each word of the text: the logarithm of the probability that the recognizer gives it.

    Where the recognizer gives none, it is the probability of the corrector that the word is right.
    """
    found: list[dict[str, Any]] = []
    for segment in segments:
        judged = segment.transcript.word_confidences or ()
        words = segment.words or ()
        for position, word in enumerate(words):
            probability = word.confidence
            if probability is None and len(judged) == len(words):
                probability = judged[position]
            if probability is None:
                probability = segment.transcript.confidence
            token = f" {word.text}" if found else word.text
            logprob = round(math.log(max(probability, _LEAST_PROBABILITY)), 6)
            found.append({"token": token, "logprob": logprob, "bytes": list(token.encode())})
    return found


def noise_sizes(robustger: RobustGER, lists: Sequence[NBest]) -> list[float | None]:
    """The mean distance between the sentence embeddings of a list's hypotheses; None where the corrector has none."""
    embedder = robustger.corrector.noise.embedder
    if embedder is None or not lists:
        return [None] * len(lists)
    rows = embedder([nbest.texts for nbest in lists])[:, embedder.rows_of("utterance")]
    return [round(size, 4) for size in rows.norm(dim=-1).mean(dim=-1).tolist()]


def language_name(segments: Sequence[Segment], asked: str | None) -> str:
    """The English name of the language of most segments, in small letters, as OpenAI's service gives it."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    codes = [segment.nbest.language for segment in segments if segment.nbest.language]
    code = max(codes, key=codes.count) if codes else asked or "en"
    return LANGUAGES.get(code.partition("-")[0].lower(), code)


def _openai_segment(number: int, segment: Segment) -> dict[str, Any]:
    """A segment with all keys that OpenAI's type demands; `seek`, `tokens` and `no_speech_prob` say nothing here."""
    data = segment.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": _average_logprob(segment),
        "compression_ratio": round(len(data) / len(zlib.compress(data)), 4) if data else 0.0,
        "no_speech_prob": 0.0,
    }


def _average_logprob(segment: Segment) -> float:
    """The recognizer's log-probability of its own text divided by its words and its end; 0 where it gives none."""
    first = segment.nbest.hypotheses[0]
    return 0.0 if first.score is None else round(first.score / (len(first.text.split()) + 1), 4)


def _own_part(
    segments: Sequence[Segment], fields: TranscriptionFields, noise: Sequence[float | None]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "uncorrected" in fields.own:
        found["uncorrected"] = joined(segment.recognized for segment in segments)
    sizes = noise if "noise" in fields.own else [None] * len(segments)
    found["segments"] = [
        own_segment(number, segment, fields, size)
        for number, (segment, size) in enumerate(zip(segments, sizes, strict=True))
    ]
    return found
