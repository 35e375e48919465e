"""Turns a manifest of recordings into a file of N-best lists with embeddings, in bulk.

A manifest is cut into chunks of `batch_size` rows, and chunk k belongs to shard k mod n. Only windows of one chunk are
recognized together, and a chunk is recorded whole or not at all. So the bytes of the result depend neither on
interruptions nor on the number of shards: shard i of n writes, for its chunks, the lists that a run without shards
writes.

A run writes three files: the lists, `LISTS.embeddings.safetensors` (see `robustger.hypotheses.audio_embeddings`; only
where there are embeddings), and `LISTS.run.json` with the settings, the counts, and the problem of each row that has
one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.hypotheses.audio_embeddings import embeddings_path
from robustger.hypotheses.checks import shown
from robustger.recognition.bulk.chunks import ManifestRow, Request, Survey, manifest_chunks, survey_manifest
from robustger.recognition.bulk.journal import STATE, Journal, exclusive_folder, open_journal, remove
from robustger.recognition.bulk.list_writer import ListWriter, complete_record, record_path
from robustger.recognition.bulk.read_ahead import read_ahead, report_dead_workers
from robustger.recognition.bulk.read_rows import ReadRow, RowReader
from robustger.recognition.recognizer import AudioEmbedding, HearsFeatures
from robustger.recognition.recording import Cutting, Excerpt, longest_window, recognized_lists
from robustger.version import __version__

if TYPE_CHECKING:
    from robustger.recognition.recognizer import Recognizer


@dataclass(frozen=True, slots=True)
class PreparationSummary:
    """The counts of a run, interruptions included.

    Attributes:
        utterances: rows of the manifest.
        lists: N-best lists written.
        problems: rows that could not be read, recordings that gave no list, clean recordings that gave no embedding.
        audio_seconds: length of the recordings.
        was_complete: whether there was nothing left to do.
    """

    utterances: int
    lists: int
    problems: int
    audio_seconds: float
    was_complete: bool


def prepare_lists(
    load_recognizer: Callable[[], Recognizer],
    manifest: str | Path,
    target: str | Path,
    request: Request,
    *,
    settings: Mapping[str, Any],
    restart: bool = False,
    workers: int | None = None,
    on_problem: Callable[[int, str], None] = lambda line, message: None,
    on_warning: Callable[[str], object] = lambda message: None,
    on_start: Callable[[int], object] = lambda utterances: None,
    on_progress: Callable[[int, float], object] = lambda utterances, seconds: None,
) -> PreparationSummary:
    """Makes the lists of all recordings of a manifest. It continues an interrupted run and leaves a complete one alone.

    Args:
        load_recognizer: returns the recognizer; called only when there is something to recognize.
        manifest: see `robustger.manifest.read_manifest`; a file or folder, because it is read twice.
        target: the N-best JSONL file; it appears when it is complete.
        request: how the lists are made.
        settings: distinguishes this recognizer from others (kind, model, options), by values that JSON can hold. See
            `check_same_settings` for keys that end with "_sha256".
        restart: whether to throw away the work of earlier runs, finished or not.
        workers: processes that read recordings ahead and extract features. With 0 this process does it. None takes 2
            where there is a GPU, which would wait for the recordings, else 0. The result does not depend on it, and an
            interrupted run may continue with another number.
        on_problem: called with the line of the manifest and what is wrong there; when an interrupted run continues,
            also for the problems recorded before.
        on_warning: called with one line for each list in which the recognizer looped even in the first hypothesis. Such
            lists are no problems; `meta.loops` marks them.
        on_start: called once with the number of rows of this shard.
        on_progress: called after every chunk with its rows and their length in seconds (0 for chunks of earlier runs).

    Raises:
        InputError: the manifest cannot be opened or is empty, the target cannot be written or is being written by
            another process, earlier work there had other settings, or the recognizer has no embeddings over the frames
            asked for.
    """
    target = _checked_target(target, manifest)
    survey = survey_manifest(manifest, target.parent, request)
    all_settings = _all_settings(survey, settings, request)
    load_recognizer = _checked_loader(load_recognizer, request)
    with exclusive_folder(target) as folder:
        if restart:
            recognizer = load_recognizer()  # a run that cannot begin must not throw anything away
            load_recognizer = lambda: recognizer  # noqa: E731
            remove(target, embeddings_path(target), record_path(target), folder / STATE)
        on_start(survey.utterances)
        if not target.exists() or (folder / STATE).exists():
            journal = open_journal(folder, all_settings)
            with closing(journal):
                run = _Run(load_recognizer, request, survey, target, journal, on_problem, on_warning)
                return run.complete(manifest, workers, on_progress)
        record = complete_record(target, all_settings)
    for problem in record["problems"]:
        on_problem(problem["line"], problem["message"])
    on_progress(survey.utterances, 0.0)
    return _summary(record, was_complete=True)


class _Run:
    """The work on one manifest: read a chunk, recognize its windows, record the chunk, and so on to the end."""

    def __init__(
        self,
        load_recognizer: Callable[[], Recognizer],
        request: Request,
        survey: Survey,
        target: Path,
        journal: Journal,
        on_problem: Callable[[int, str], None],
        on_warning: Callable[[str], object],
    ) -> None:
        self._load_recognizer = load_recognizer
        self._request = request
        self._numbered_ids = survey.numbered_ids
        self._folder = target.parent
        self._done_chunks = journal.progress.units
        self._writer = ListWriter(journal, target, request.embedding_frames)
        self._on_problem, self._on_warning = on_problem, on_warning
        self._recognizer: Recognizer | None = None  # loaded when the first row is read

    def complete(
        self, manifest: str | Path, workers: int | None, on_progress: Callable[[int, float], object]
    ) -> PreparationSummary:
        """Does all chunks that earlier runs have not done, and publishes the results."""
        from robustger.audio import SAMPLE_RATE

        for problem in self._writer.problems():
            self._on_problem(problem["line"], problem["message"])
        chunks = manifest_chunks(manifest, self._request)
        for rows in islice(chunks, self._done_chunks):
            on_progress(len(rows), 0.0)
        coming, current = tee(chunks)
        with report_dead_workers(), closing(self._read(chain.from_iterable(coming), workers)) as readings:
            for rows in current:
                samples = self._do_chunk(rows, readings)
                self._writer.commit(len(rows), samples)
                on_progress(len(rows), samples / SAMPLE_RATE)
        return _summary(self._writer.publish(), was_complete=False)

    def _read(self, rows: Iterator[ManifestRow], workers: int | None) -> Generator[ReadRow, None, None]:
        """Every row after it was read; while one batch is recognized, the next one is read."""
        import torch

        request = self._request
        recognizer = self._recognizer = self._load_recognizer()
        reader = RowReader(
            self._folder,
            Cutting(longest_window(recognizer.window_seconds), request.find_speech, keeps_short=True),
            with_clean=request.embeddings,
            track=request.track,
            channel=request.channel,
            keep_going=request.keep_going,
            features_of=recognizer.features_of if isinstance(recognizer, HearsFeatures) else None,
        )
        if workers is None:
            workers = 2 if torch.cuda.is_available() else 0
        yield from read_ahead(reader, rows, workers, request.batch_size)

    def _do_chunk(self, rows: Sequence[ManifestRow], readings: Iterator[ReadRow]) -> int:
        """Makes the lists of a chunk; returns how many samples were recognized."""
        samples = 0
        batch: list[Excerpt] = []
        for excerpt in self._excerpts(rows, readings):
            samples += 0 if excerpt.sound is None else excerpt.sound.size
            batch.append(excerpt)
            if len(batch) == self._request.batch_size:
                self._do_batch(batch)
                batch = []
        if batch:
            self._do_batch(batch)
        return samples

    def _excerpts(self, rows: Sequence[ManifestRow], readings: Iterator[ReadRow]) -> Iterator[Excerpt]:
        """The excerpts of a chunk; problems of its rows are reported on the way."""
        for (line, value), reading in zip(rows, islice(readings, len(rows)), strict=True):
            ids = [excerpt.id for excerpt in reading.excerpts]
            taken = [id_ for id_ in ids if id_ != value.id and id_ in self._numbered_ids]
            problems = reading.problems
            if taken:
                problems = [f"its window {taken[0]!r} bears the id of another utterance; rename one of them"]
            for problem in problems:
                message = problem if value.id is None else f"{value.id}: {problem}"
                self._writer.add_problem(line, message)
                self._on_problem(line, message)
            if not taken:
                yield from reading.excerpts

    def _do_batch(self, batch: Sequence[Excerpt]) -> None:
        """Recognizes excerpts and writes their lists."""
        request, recognizer = self._request, self._recognizer
        assert recognizer is not None
        pairs = recognized_lists(
            recognizer, batch, n=request.n, beams=request.beams, normalizer=request.normalizer
        )
        clean_sounds: list[Any] = [excerpt.clean for excerpt in batch if excerpt.clean is not None]
        clean_found = iter(recognizer.embed(clean_sounds) if clean_sounds else ())
        for excerpt, (nbest, recognition) in zip(batch, pairs, strict=True):
            noisy = None
            if request.embeddings and recognition is not None:
                noisy = AudioEmbedding(recognition.embedding, recognition.padded_embedding)
            clean = None if excerpt.clean is None else next(clean_found)
            self._writer.add_list(nbest, noisy, clean)
            if nbest.meta.get("loops"):
                self._on_warning(
                    f"{nbest.id}: the recognizer repeats itself ({shown(nbest.best)}); do not trust this list"
                )


def _checked_target(target: str | Path, manifest: str | Path) -> Path:
    """The file to write. A link stays a link, and the file that it points to is written.

    Raises:
        InputError: a stream, a folder, or the manifest itself.
    """
    if str(manifest) == "-" or str(target) == "-":
        raise InputError(
            "nbest reads and writes files only, so that it can be interrupted; name files instead of '-'"
        )
    target = Path(os.path.realpath(target) if os.path.islink(target) else target)
    if target.is_dir():
        raise InputError(f"{target}: is a folder; name a file to write")
    if target.exists() and Path(manifest).exists() and target.samefile(manifest):
        raise InputError(f"{target}: is the manifest itself; name another output")
    return target


def _all_settings(survey: Survey, settings: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """All that the bytes of the result depend on; a run continues only the work of a run with equal settings."""
    return {
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


def _checked_loader(load_recognizer: Callable[[], Recognizer], request: Request) -> Callable[[], Recognizer]:
    """Loads a recognizer and checks that it can do what is asked.

    Raises:
        InputError: when called, if it cannot.
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


def _summary(record: Mapping[str, Any], was_complete: bool) -> PreparationSummary:
    return PreparationSummary(
        record["utterances"],
        record["lists"],
        len(record["problems"]),
        record["audio_seconds"],
        was_complete,
    )
