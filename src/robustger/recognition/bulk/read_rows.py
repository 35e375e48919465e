"""Reads one row of a manifest: its recording, cut into excerpts, and the clean recording alongside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.hypotheses import BadLine
from robustger.manifest import Utterance
from robustger.recognition.bulk.chunks import ManifestRow
from robustger.recognition.recording import AudioSource, Cutting, Excerpt, cut, heard

if TYPE_CHECKING:
    import numpy as np

    from robustger.audio import ReadingOptions
    from robustger.recognition.recognizer import Features

# Encoders pad, so the lengths of a noisy recording and of its clean partner may differ by this much.
PAIR_TOLERANCE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class ReadRow:
    """A row of a manifest after its recording was read.

    Attributes:
        excerpts: the parts to recognize; empty where the row or its recording cannot be used.
        problems: what is wrong with the row or with one of its recordings, one line each.
    """

    excerpts: list[Excerpt] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads rows; each worker process gets a copy.

    Attributes:
        folder: the folder of the lists, in which paths of recordings are written relative to it.
        cutting: how recordings are cut.
        with_clean: whether clean recordings are read where the manifest names them.
        track: which audio track of a file is read, from 1; None is the first.
        channel: which channel is read, from 1; None is the mean of all.
        keep_going: whether the readable rest of a damaged recording is used.
        features_of: turns samples into the features that the recognizer takes; None where it takes samples.
    """

    folder: Path
    cutting: Cutting
    with_clean: bool
    track: int | None = None
    channel: int | None = None
    keep_going: bool = False
    features_of: Callable[[np.ndarray], Features] | None = None

    def __getitem__(self, row: ManifestRow) -> ReadRow:
        """Reads a row. The method has this name because torch's loader takes the reader for a data set of rows."""
        from robustger.audio import ReadingOptions

        _, value = row
        if isinstance(value, BadLine):
            return ReadRow(problems=[value.message])
        problems: list[str] = []
        options = ReadingOptions(self.track, self.channel, self.keep_going)
        try:
            excerpts = read_utterance(
                value,
                self.folder,
                self.cutting,
                with_clean=self.with_clean,
                options=options,
                on_problem=problems.append,
            )
        except InputError as error:
            return ReadRow(problems=[str(error)])
        return ReadRow([self._with_features(excerpt) for excerpt in excerpts], problems)

    def _with_features(self, excerpt: Excerpt) -> Excerpt:
        if self.features_of is None or excerpt.sound is None:
            return excerpt
        sound: Any = excerpt.sound
        clean: Any = excerpt.clean
        return replace(
            excerpt,
            sound=self.features_of(sound),
            clean=None if clean is None else self.features_of(clean),
        )


def read_utterance(
    utterance: Utterance,
    folder: Path,
    cutting: Cutting,
    *,
    with_clean: bool,
    options: ReadingOptions,
    on_problem: Callable[[str], object],
) -> list[Excerpt]:
    """Reads an utterance of a manifest and cuts it, at least into one excerpt.

    Where nobody speaks there is one excerpt without sound, so that the row still gets a list.

    Args:
        utterance: names the recording.
        folder: the folder of the lists.
        cutting: the rules of cutting.
        with_clean: whether the clean recording is read where there is one. If it cannot be used, the excerpts come
            without it.
        options: how files are read.
        on_problem: called with one line for each defect that does not prevent reading.

    Raises:
        AudioError: the recording cannot be used.
    """
    from robustger.audio import SAMPLE_RATE, Window, read_audio

    samples = read_audio(
        utterance.audio, start=utterance.start, end=utterance.end, options=options, on_warning=on_problem
    )
    source = source_of(utterance, folder)
    excerpts = list(cut(source, [samples], cutting))
    if not excerpts:
        return [Excerpt(source, Window(0.0, samples.size / SAMPLE_RATE), True, None)]
    excerpts = [replace(excerpt, count=len(excerpts)) for excerpt in excerpts]
    if with_clean and utterance.clean_audio is not None:
        try:
            clean = _clean_samples(utterance, samples.size, options)
        except InputError as error:
            on_problem(f"{error} (its list has no clean embedding)")
        else:
            excerpts = [
                replace(excerpt, clean=heard(clean[excerpt.window.samples], cutting)) for excerpt in excerpts
            ]
    return excerpts


def source_of(utterance: Utterance, folder: Path) -> AudioSource:
    """The recording that a row of a manifest names, as its lists describe it.

    Args:
        utterance: the row.
        folder: the folder of the lists; the paths of files inside it are written relative to it.
    """
    meta = dict(utterance.meta)
    for key in ("noise", "snr_db"):
        if (value := getattr(utterance, key)) is not None:
            meta[key] = value
    return AudioSource(
        utterance.id,
        utterance.to_dict(folder)["audio"],
        utterance.start,
        utterance.end,
        utterance.text,
        meta,
    )


def _clean_samples(utterance: Utterance, length: int, options: ReadingOptions) -> np.ndarray:
    """The clean recording, cut or padded to exactly `length` samples.

    Raises:
        InputError: it cannot be read, or its length shows that it is another utterance.
    """
    import numpy as np

    from robustger.audio import SAMPLE_RATE, read_audio

    assert utterance.clean_audio is not None
    clean = read_audio(utterance.clean_audio, start=utterance.start, end=utterance.end, options=options)
    if abs(clean.size - length) > PAIR_TOLERANCE_SECONDS * SAMPLE_RATE:
        raise InputError(
            f"{utterance.clean_audio}: lasts {clean.size / SAMPLE_RATE:.2f} s, and {utterance.audio} "
            f"{length / SAMPLE_RATE:.2f} s; the two recordings of a pair must match sample by sample"
        )
    return np.pad(clean[:length], (0, max(0, length - clean.size)))
