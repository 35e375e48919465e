"""Corrects a file of N-best lists so that a run that was killed goes on where it stopped.

`robustger.correction.files` corrects some hundred lists at a time. The transcripts of each such batch are kept beside
the output, as `robustger.pipeline.resume` keeps them. The same command reads the lists again, which is quick, and takes
the kept transcripts instead of correcting. The output has the same bytes as that of an undisturbed run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.files import sha256_of
from robustger.hypotheses import NBest, Transcript
from robustger.pipeline.resume import KeptBatches, kept_batches
from robustger.version import __version__

if TYPE_CHECKING:
    from robustger.correction.files import CorrectionSummary


def correct_file_resumably(
    load_corrector: Callable[[], Any],
    source: str,
    target: str,
    *,
    identity: Mapping[str, Any],
    restart: bool = False,
    on_problem: Callable[[int, str], None] = lambda line, message: None,
    on_progress: Callable[[int], object] = lambda lists: None,
    on_warning: Callable[[str], object] = lambda message: None,
    heard: Callable[[NBest], Any] | None = None,
    **options: Any,
) -> CorrectionSummary:
    """Corrects an N-best JSONL file into a transcript JSONL file; goes on with a run that was killed.

    A run from standard input, or to standard output, a device or a pipe, keeps nothing.

    Args:
        load_corrector: loads the corrector, or anything else that has its `config`, `correct` and `forget`.
        source: N-best JSONL, "-" for stdin.
        target: transcript JSONL, "-" for stdout.
        identity: tells the corrector from others, as values that JSON can hold.
        restart: whether to throw away the work of an earlier run.
        on_problem: as for `robustger.correction.files.correct_file`.
        on_progress: as for `correct_file`.
        on_warning: as for `correct_file`.
        heard: as for `Corrector.correct`.
        options: further keyword arguments of `Corrector.correct`, as values that JSON can hold.

    Raises:
        InputError: as for `correct_file`; or the transcripts that are kept belong to a run with other settings.
    """
    from robustger.correction.files import correct_file

    def load() -> Any:
        return _Resumed(load_corrector(), kept)

    with _kept(source, target, {**identity, **options}, restart) as kept:
        return correct_file(
            load,
            source,
            target,
            on_problem=on_problem,
            on_progress=on_progress,
            on_warning=on_warning,
            heard=heard,
            **options,
        )


class _Resumed:
    """A corrector that takes the transcripts of batches that an earlier run finished.

    Attributes:
        config: of the corrector.
    """

    def __init__(self, corrector: Any, kept: KeptBatches | None) -> None:
        self.config = corrector.config
        self._corrector = corrector
        self._kept = kept

    def correct(self, lists: Sequence[NBest], **options: Any) -> list[Transcript]:
        transcripts = None if self._kept is None else self._kept.get()
        if transcripts is None:
            self._corrector.forget()
            transcripts = self._corrector.correct(lists, **options)
            if self._kept is not None:
                self._kept.put(transcripts)
        return transcripts


def _kept(
    source: str, target: str, settings: Mapping[str, Any], restart: bool
) -> AbstractContextManager[KeptBatches | None]:
    place = Path(os.path.realpath(target))
    if "-" in (source, target) or (place.exists() and not place.is_file()):
        return nullcontext()
    return kept_batches(
        place,
        {"robustger": __version__, "lists_sha256": sha256_of(source), **settings},
        restart=restart,
        form=(asdict, lambda fields: Transcript(**fields)),
    )
