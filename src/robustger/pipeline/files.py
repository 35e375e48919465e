"""Transcribing files to files: into one stream, or each into a file of its own in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.hypotheses import atomic_writer
from robustger.pipeline.formats import FORMATS, SUBTITLES, SUFFIXES, WITH_WORDS, nbest_lines
from robustger.pipeline.transcription import RobustGER
from robustger.pipeline.values import Failure, Transcription


@dataclass(slots=True)
class TranscriptionSummary:
    """What happened to the files.

    Attributes:
        files: files that were transcribed.
        seconds: length of these, in seconds.
        segments: windows that were recognised.
        changed: windows whose text differs from the recognizer's own.
        problems: files that could not be read.
    """

    files: int = 0
    seconds: float = 0.0
    segments: int = 0
    changed: int = 0
    problems: int = 0


def transcribe_to(
    robustger: RobustGER,
    files: Sequence[str],
    output: str = "-",
    *,
    format: str | None = None,
    show_nbest: bool = False,
    words: bool = False,
    plain: bool = False,
    on_problem: Callable[[str], None] = lambda message: None,
    on_progress: Callable[[float], object] = lambda seconds: None,
    **options: Any,
) -> TranscriptionSummary:
    """Transcribes files into one file, or each into its own file of a folder.

    `output` is a folder where it is one, ends in a slash, or has no suffix while there are several files or subtitles
    of them; a new folder is made when the first transcription is there. In one file, `text` puts the recording's name
    and a tab before each line where there are several, and a recording that cannot be read keeps its line: an empty
    text, in `json` with the reason as `error`.

    Args:
        robustger: what transcribes.
        files: the recordings; "-" is standard input.
        output: a file, a folder, or "-" for standard output. Files appear complete or not at all.
        format: `text`, `json`, `srt` or `vtt`; None goes by the suffix of `output`, else is `text`.
        show_nbest: `text` shows the N-best lists beneath.
        words: `json`, `srt` and `vtt` give the time of every word.
        plain: `text`, `srt` and `vtt` show the words alone, without the recognizer's case and punctuation.
        on_problem: called with what is wrong with a file, and which.
        on_progress: called with the seconds of audio just finished.
        options: of `RobustGER.transcribe_files`.

    Raises:
        InputError: an output that does not fit the files or the format, or cannot be written; a model that cannot be
            loaded. Nothing is written then.
    """
    name = format or _format_of(output)
    if show_nbest and name in SUBTITLES:
        raise InputError(f"--nbest has no place in {name}; choose --format text or json")
    write = FORMATS.get(name)
    if words and name not in WITH_WORDS:
        raise InputError(f"--words has no place in {name}; choose --format json, srt or vtt")
    if words or name in SUBTITLES:
        options["words"] = True
    summary = TranscriptionSummary()

    def rendered(result: Transcription) -> str:
        summary.files += 1
        summary.seconds += result.seconds
        summary.segments += len(result.segments)
        summary.changed += sum(bool(part.edits) for part in result.segments)
        lists = nbest_lines(result, plain=plain) if show_nbest and name == "text" else ""
        return write(result, plain=plain, words=words) + lists

    if _is_folder(output, len(files), name):
        targets = _targets(files, Path(output), SUFFIXES[name])
        results = robustger.transcribe_files(files, on_progress=on_progress, **options)
        for target, result in zip(targets, results, strict=True):
            if isinstance(result, Failure):
                summary.problems += 1
                on_problem(result.message)
            else:
                _make(target.parent)
                with atomic_writer(target) as file:
                    file.write(rendered(result))
        return summary

    if name in SUBTITLES and len(files) > 1:
        raise InputError(
            f"{len(files)} recordings do not fit into one file of subtitles; name a folder: -o FOLDER/"
        )
    _refuse_overwriting([output], files)
    try:
        with atomic_writer(output) as file:
            for result in robustger.transcribe_files(files, on_progress=on_progress, **options):
                label = f"{result.audio}\t" if name == "text" and len(files) > 1 else ""
                if isinstance(result, Failure):
                    summary.problems += 1
                    on_problem(result.message)
                    if name == "json":
                        file.write(json.dumps(result.to_dict(), ensure_ascii=False) + "\n")
                    elif label:
                        file.write(f"{label}\n")
                    else:
                        raise _NothingToWriteError
                else:
                    file.write(label + rendered(result))
                if output == "-":
                    file.flush()  # a reader gets each text when it is there
    except _NothingToWriteError:
        pass
    return summary


class _NothingToWriteError(Exception):
    """Leaves the output as it is: its only recording cannot be read."""


def _format_of(output: str) -> str:
    by_suffix = {suffix: name for name, suffix in SUFFIXES.items()} | {".jsonl": "json"}
    return by_suffix.get(Path(output).suffix.lower(), "text")


def _is_folder(output: str, count: int, format: str) -> bool:
    if output == "-":
        return False
    path = Path(output)
    if path.is_dir() or output.endswith(("/", os.sep)):
        return True
    return count > 1 and not path.suffix and not path.exists()


def _targets(files: Sequence[str], folder: Path, suffix: str) -> list[Path]:
    """One file in the folder per recording, by the recording's name.

    Raises:
        InputError: two recordings would share one, or one would take a recording's place.
    """
    owners: dict[str, str] = {}
    for file in files:
        name = ("stdin" if file == "-" else Path(file).stem) + suffix
        if name in owners:
            raise InputError(
                f"{owners[name]} and {file} would both be written to {folder / name}; rename one of them"
            )
        owners[name] = file
    targets = [folder / name for name in owners]
    _refuse_overwriting(targets, files)
    return targets


def _refuse_overwriting(targets: Sequence[str | Path], files: Sequence[str]) -> None:
    recordings = {os.path.realpath(file) for file in files if file != "-"}
    for target in targets:
        if str(target) != "-" and os.path.realpath(target) in recordings:
            raise InputError(f"{target}: is one of the recordings; name another output")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made a folder: {error.strerror}") from None
