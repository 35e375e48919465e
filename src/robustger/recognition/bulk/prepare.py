"""From a manifest of recordings to a file of N-best lists with embeddings, in bulk.

A manifest is cut into chunks of `batch_size` rows; chunk k belongs to shard k mod n. What is recognized together is
chosen inside one chunk, and a chunk is recorded whole or not at all. So the bytes of the result depend neither on
interruptions nor on the number of shards: shard i of n writes, for its chunks, the lists that a run without shards
writes.

Three files result: the lists, `LISTS.embeddings.safetensors` (see `robustger.hypotheses.audio_embeddings`; none when
there is nothing to put in), and `LISTS.run.json`: the settings, the counts, and what went wrong with which row.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.hypotheses.audio_embeddings import KINDS, embeddings_path, write_embeddings
from robustger.recognition.bulk.chunks import Request, Row, Survey, chunks, survey_manifest
from robustger.recognition.bulk.journal import (
    STATE,
    Journal,
    check_same_settings,
    exclusive_folder,
    open_journal,
    remove,
)
from robustger.recognition.bulk.pieces import Piece
from robustger.recognition.bulk.read_ahead import Reader, ReadRow, ended_readers_told, read_ahead
from robustger.recognition.lists import list_of
from robustger.recognition.recognizer import AudioEmbedding, HearsFeatures
from robustger.version import __version__

if TYPE_CHECKING:
    from robustger.recognition.recognizer import Recognition, Recognizer

LISTS, PROBLEMS = "lists.jsonl", "problems.jsonl"  # names in the journal
SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class PreparationSummary:
    """What a run did, interruptions included.

    Attributes:
        utterances: rows of the manifest.
        lists: N-best lists written.
        problems: rows that could not be read, recordings that gave no list, clean recordings that gave no embedding.
        audio_seconds: length of the recordings.
        was_complete: there was nothing left to do.
    """

    utterances: int
    lists: int
    problems: int
    audio_seconds: float
    was_complete: bool


def prepare(
    load_recognizer: Callable[[], Recognizer],
    manifest: str | Path,
    target: str | Path,
    request: Request,
    *,
    settings: Mapping[str, Any],
    restart: bool = False,
    workers: int | None = None,
    on_problem: Callable[[int, str], None] = lambda line, message: None,
    on_start: Callable[[int], object] = lambda utterances: None,
    on_progress: Callable[[int, float], object] = lambda utterances, seconds: None,
) -> PreparationSummary:
    """Recognizes what a manifest names; goes on with an interrupted run, and leaves a complete one as it is.

    Args:
        load_recognizer: gives the recognizer; called when there is something to recognize.
        manifest: see `robustger.manifest.read_manifest`; a file or folder, because it is read twice.
        target: the N-best JSONL file; it appears when it is complete.
        request: what is made of every recording.
        settings: what tells this recognizer from others: kind, model, options; values that JSON can hold. See
            `check_same_settings` for keys that end with "_sha256".
        restart: whether to throw away what is there, finished or not.
        workers: processes that read recordings ahead, and extract features; 0: this one does it; None: 2 where there is
            a GPU, which would wait for it, else 0. The result does not depend on it, and an interrupted run may go on
            with another number.
        on_problem: called with the line of the manifest and what is wrong; when an interrupted run goes on, also for
            the problems recorded before.
        on_start: called once with the number of rows of this shard.
        on_progress: called after every chunk with its rows and their length in seconds (0 for chunks found done).

    Raises:
        InputError: the manifest cannot be opened or is empty, the target cannot be written or is being written by
            another process, what is there belongs to a run with other settings, or the recognizer has no embeddings
            over the frames asked for.
    """
    load_recognizer = _checked(load_recognizer, request)
    if str(manifest) == "-" or str(target) == "-":
        raise InputError("nbest reads and writes files, so that it can be interrupted; '-' is not one")
    target = Path(os.path.realpath(target) if os.path.islink(target) else target)  # a link stays a link
    if target.is_dir():
        raise InputError(f"{target}: is a folder; name a file to write")
    if target.exists() and Path(manifest).exists() and target.samefile(manifest):
        raise InputError(f"{target}: is the manifest itself; name another output")
    survey = survey_manifest(manifest, target.parent, request)
    all_settings = {
        "robustger": __version__,
        "manifest_sha256": survey.digest,
        **settings,
        "n": request.n,
        "beams": request.beams,
        "normalizer": request.normalizer,
        "batch_size": request.batch_size,
        "embeddings": request.embeddings,
        "embedding_frames": request.embedding_frames,
        "shard": "/".join(map(str, request.shard)),
        **{key: getattr(request, key) for key in ("find_speech", "track", "channel", "keep_going")},
    }
    with exclusive_folder(target) as folder:
        if restart:
            recognizer = load_recognizer()  # what cannot begin must not throw anything away
            load_recognizer = lambda: recognizer  # noqa: E731
            remove(target, embeddings_path(target), _record_path(target), folder / STATE)
        on_start(survey.utterances)
        if target.exists() and not (folder / STATE).exists():
            record = _complete_record(target, all_settings)
        else:
            journal = open_journal(folder, all_settings)
            try:
                run = _Run(load_recognizer, request, survey, target, journal, on_problem)
                run.report_recorded_problems()
                own = chunks(manifest, request)
                for _, rows in islice(own, journal.progress.units):
                    on_progress(len(rows), 0.0)
                coming, current = tee(rows for _, rows in own)
                ahead = run.read(chain.from_iterable(coming), workers)
                with ended_readers_told(), closing(ahead) as readings:
                    for rows in current:
                        on_progress(len(rows), run.work(rows, readings))
                return run.finish()
            finally:
                journal.close()
    for problem in record["problems"]:
        on_problem(problem["line"], problem["message"])
    on_progress(survey.utterances, 0.0)
    return _summary(record, was_complete=True)


class _Run:
    """The work on one manifest."""

    def __init__(
        self,
        load_recognizer: Callable[[], Recognizer],
        request: Request,
        survey: Survey,
        target: Path,
        journal: Journal,
        on_problem: Callable[[int, str], None],
    ) -> None:
        self._load = load_recognizer
        self._recognizer: Recognizer | None = None
        self._request = request
        self._numbered_ids = survey.numbered_ids
        self._target = target
        self._journal = journal
        self._on_problem = on_problem
        self._counts = journal.progress.counts
        for name in ("utterances", "lists", "problems", "samples", "size", *KINDS):
            self._counts.setdefault(name, 0)

    def report_recorded_problems(self) -> None:
        for problem in self._recorded_problems():
            self._on_problem(problem["line"], problem["message"])

    def read(self, rows: Iterator[Row], workers: int | None) -> Generator[ReadRow, None, None]:
        """What became of every row; the recognizer is loaded when the first is asked for."""
        import torch

        recognizer = self._recognizer = self._load()
        if workers is None:
            workers = 2 if torch.cuda.is_available() else 0
        reader = Reader(
            recognizer.window_seconds,
            self._request.embeddings,
            recognizer.features_of if isinstance(recognizer, HearsFeatures) else None,
            self._request.find_speech,
            self._request.track,
            self._request.channel,
            self._request.keep_going,
        )
        # While a batch is recognized, the next one is read.
        yield from read_ahead(reader, rows, workers, self._request.batch_size)

    def work(self, rows: list[Row], readings: Iterator[ReadRow]) -> float:
        """Recognizes a chunk and records it; returns how long its recordings are, in seconds."""
        before = self._counts["samples"]
        batch: list[Piece] = []
        for piece in self._pieces(rows, readings):
            batch.append(piece)
            if len(batch) == self._request.batch_size:
                self._recognize(batch)
                batch = []
        if batch:
            self._recognize(batch)
        self._counts["utterances"] += len(rows)
        self._journal.commit()
        return (self._counts["samples"] - before) / SAMPLE_RATE

    def finish(self) -> PreparationSummary:
        """Gives the results their names, the lists last."""
        journal, counts = self._journal, self._counts
        kinds = [kind for kind in KINDS if counts[kind]]
        if kinds:
            journal.publish(
                embeddings_path(self._target),
                lambda file: write_embeddings(
                    file,
                    {kind: journal.path(f"{kind}.f32") for kind in kinds},
                    {kind: journal.path(f"{kind}.ids") for kind in kinds},
                    counts["size"],
                ),
            )
        record = {
            "settings": journal.progress.settings,
            "utterances": counts["utterances"],
            "lists": counts["lists"],
            "audio_seconds": counts["samples"] / SAMPLE_RATE,
            "problems": self._recorded_problems(),
        }
        text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
        journal.publish(_record_path(self._target), lambda file: file.write(text.encode()))
        journal.publish_copy(self._target, LISTS)
        journal.discard()
        return _summary(record, was_complete=False)

    def _pieces(self, rows: list[Row], readings: Iterator[ReadRow]) -> Iterator[Piece]:
        for reading, (line, value) in zip(islice(readings, len(rows)), rows, strict=True):
            ids = [piece.id for piece in reading.pieces]
            taken = [id_ for id_ in ids if id_ != value.id and id_ in self._numbered_ids]
            if taken:
                message = f"its window {taken[0]!r} bears the id of another utterance; rename one of them"
                self._problem(line, value.id, message)
                continue
            for problem in reading.problems:
                self._problem(line, value.id, problem)
            for piece in reading.pieces:
                self._counts["samples"] += 0 if piece.audio is None else piece.audio.size
                yield piece

    def _recognize(self, batch: list[Piece]) -> None:
        assert self._recognizer is not None
        # features for recognizers that take them
        audios: list[Any] = [piece.audio for piece in batch if piece.audio is not None]
        found = iter(
            self._recognizer.recognize(audios, n=self._request.n, beams=self._request.beams) if audios else ()
        )
        pairs: dict[str, Any] = {piece.id: piece.clean for piece in batch if piece.clean is not None}
        clean = self._recognizer.embed(list(pairs.values())) if pairs else []
        clean_of = dict(zip(pairs, clean, strict=True))
        for piece in batch:
            recognition = None if piece.audio is None else next(found)
            self._record(piece, recognition, clean_of.get(piece.id))

    def _record(self, piece: Piece, recognition: Recognition | None, clean: AudioEmbedding | None) -> None:
        place: dict[str, Any] = {}
        if self._request.embeddings and recognition is not None:
            place = {"file": embeddings_path(self._target).name}
            noisy = AudioEmbedding(recognition.embedding, recognition.padded_embedding)
            place["noisy"] = self._store("noisy", piece.id, noisy)
            if clean is not None:
                place["clean"] = self._store("clean", piece.id, clean)
        nbest = list_of(
            piece.id,
            recognition,
            self._request.normalizer,
            text=piece.utterance.text,
            window=piece.window_meta(),
            meta=piece.meta(),
            audio=piece.utterance.to_dict(self._target.parent)["audio"],
            start=piece.start,
            end=piece.end,
            audio_embedding=place or None,
        )
        line = json.dumps(nbest.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"
        self._journal.append(LISTS, line.encode())
        self._counts["lists"] += 1

    def _store(self, kind: str, id_: str, means: AudioEmbedding) -> int:
        """Stores a row and returns its number."""
        embedding = means.real if self._request.embedding_frames == "real" else means.padded
        assert embedding is not None, "the recognizer says that it pads"
        self._journal.append(f"{kind}.f32", embedding.astype("<f4").tobytes())
        self._journal.append(f"{kind}.ids", json.dumps(id_).encode() + b"\n")
        self._counts["size"] = embedding.size
        self._counts[kind] += 1
        return self._counts[kind] - 1

    def _problem(self, line: int, id_: str | None, message: str) -> None:
        if id_ is not None:
            message = f"{id_}: {message}"
        problem = {"line": line, "message": message}
        self._journal.append(PROBLEMS, json.dumps(problem, ensure_ascii=False).encode() + b"\n")
        self._counts["problems"] += 1
        self._on_problem(line, message)

    def _recorded_problems(self) -> list[dict[str, Any]]:
        path = self._journal.path(PROBLEMS)
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]


def _checked(load_recognizer: Callable[[], Recognizer], request: Request) -> Callable[[], Recognizer]:
    """Loads a recognizer that can do what is asked.

    Raises:
        InputError: when called: it cannot.
    """

    def load() -> Recognizer:
        recognizer = load_recognizer()
        if request.embeddings and request.embedding_frames == "all" and not recognizer.pads:
            raise InputError(
                "embedding frames 'all': this recognizer pads no audio to a fixed length, so it has no mean over the "
                "padding; choose real"
            )
        return recognizer

    return load


def _record_path(target: Path) -> Path:
    return target.with_name(f"{target.stem}.run.json")


def _complete_record(target: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The record of the complete run that wrote `target`.

    Raises:
        InputError: there is none, or that run had other settings.
    """
    try:
        record = json.loads(_record_path(target).read_text(encoding="utf-8"))
        before = record["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{target}: exists, and nothing says how it was made; name another output, or overwrite it with --restart"
        ) from None
    check_same_settings(before, json.loads(json.dumps(settings)), f"{target}: was made")
    return record


def _summary(record: Mapping[str, Any], was_complete: bool) -> PreparationSummary:
    return PreparationSummary(
        record["utterances"],
        record["lists"],
        len(record["problems"]),
        record["audio_seconds"],
        was_complete,
    )
