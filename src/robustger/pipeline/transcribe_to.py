"""Transcribes files into one file or stream, or each into a file of its own in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.files import file_identity
from robustger.hypotheses import atomic_writer
from robustger.hypotheses.checks import shown
from robustger.pipeline.formats import FORMATS, SUBTITLES, SUFFIXES, WITH_WORDS, nbest_lines
from robustger.pipeline.resume import KeptBatches, file_settings, kept_batches
from robustger.pipeline.robustger import RobustGER
from robustger.pipeline.transcription import Failure, Transcription
from robustger.version import __version__

if TYPE_CHECKING:
    from robustger.audio import ReadingOptions


@dataclass(slots=True)
class TranscriptionSummary:
    """The counts of a run.

    Attributes:
        files: files that were transcribed, also those in which nobody speaks.
        seconds: the length of these files.
        segments: windows that were recognized.
        changed: windows whose text differs from the text of the recognizer.
        problems: files that could not be read.
        unanswered: windows that kept the recognizer's text because the language model's server gave no answer.
    """

    files: int = 0
    seconds: float = 0.0
    segments: int = 0
    changed: int = 0
    problems: int = 0
    unanswered: int = 0


def transcribe_to(
    robustger: RobustGER,
    files: Sequence[str],
    output: str = "-",
    *,
    format: str | None = None,
    show_nbest: bool = False,
    words: bool = False,
    plain: bool = False,
    restart: bool = False,
    on_problem: Callable[[str], None] = lambda message: None,
    on_warning: Callable[[str], None] = lambda message: None,
    on_progress: Callable[[float], object] = lambda seconds: None,
    **options: Any,
) -> TranscriptionSummary:
    """Transcribes files into one file, or each into its own file of a folder.

    `output` is a folder if it exists as one, if it ends in a slash, or if it has no suffix and there are several files.
    A new folder is made when the first transcription is finished. In one file of several recordings, `text` puts the
    name of the recording and a tab before each line. A recording that cannot be read keeps its line with an empty text,
    in `json` with the reason as `error`.

    Args:
        robustger: the recognizer and the corrector.
        files: the recordings; "-" is standard input.
        output: a file, a folder, or "-" for standard output. Files appear complete or not at all.
        format: `text`, `json`, `srt` or `vtt`; None goes by the suffix of `output`, and is `text` for other suffixes.
        show_nbest: whether `text` shows the N-best lists below the text.
        words: whether `json`, `srt` and `vtt` give the time of every word.
        plain: whether `text`, `srt` and `vtt` show the words alone, without case and punctuation.
        restart: whether to throw away the finished batches of a killed run instead of continuing it.
        on_problem: called with one line for each file that cannot be transcribed.
        on_warning: called with one line for each file in which nobody speaks, whose language the corrector does not
            know, or of which a part is missing, for each segment in which the recognizer looped, and once if the
            language model's server gives no answer.
        on_progress: called with the seconds of recordings just finished.
        options: further arguments of `RobustGER.transcribe_files`.

    Raises:
        InputError: the output does not fit the files or the format, or cannot be written; a model cannot be loaded; or
            another command left the finished batches there. Nothing is written then.
    """
    name = format or _format_of(output)
    if show_nbest and name in SUBTITLES:
        raise InputError(f"--nbest does not go with the format {name}; choose --format text or json")
    write = FORMATS.get(name)
    if words and name not in WITH_WORDS:
        raise InputError(f"--words does not go with the format {name}; choose --format json, srt or vtt")
    if words or name in SUBTITLES:
        options["words"] = True
    summary = TranscriptionSummary()
    unknown_languages: set[str] = set()
    options |= {"on_progress": on_progress, "on_warning": on_warning}

    def tell(result: Transcription) -> None:
        if not result.segments:
            on_warning(f"{result.audio}: nobody speaks in it")
        for part in result.segments:
            if part.nbest.meta.get("loops"):
                on_warning(
                    f"{result.audio}: from {part.start:.1f} to {part.end:.1f} s the recognizer repeats itself "
                    f"({shown(part.recognized)}); do not trust this text"
                )
            if part.transcript.source == "no_answer":
                if not summary.unanswered:
                    on_warning(f"{part.transcript.reason}; such texts stay as they were recognized")
                summary.unanswered += 1
            language = part.nbest.language or "?"
            if part.transcript.source == "language" and language not in unknown_languages:
                unknown_languages.add(language)
                on_warning(
                    f"{result.audio}: the corrector does not know the language {language!r}; such texts stay as they "
                    "were recognized"
                )

    def rendered(result: Transcription) -> str:
        tell(result)
        summary.files += 1
        summary.seconds += result.seconds
        summary.segments += len(result.segments)
        summary.changed += sum(bool(part.edits) for part in result.segments)
        lists = nbest_lines(result, plain=plain) if show_nbest and name == "text" else ""
        return write(result, plain=plain, words=words) + lists

    if _is_folder(output, len(files), name):
        targets = _targets(files, Path(output), SUFFIXES[name])
        with _kept(robustger, files, output, restart, options) as kept:
            results = robustger.transcribe_files(files, kept=kept, **options)
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
    with (
        _kept(robustger, files, output, restart, options) as kept,
        suppress(_NothingToWriteError),
        atomic_writer(output) as file,
    ):
        for result in robustger.transcribe_files(files, kept=kept, **options):
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
                file.flush()  # so that a reader gets each text at once
    return summary


def known_seconds(files: Sequence[str], reading: ReadingOptions) -> float:
    """The length of all recordings together, in seconds, as far as they state it; unreadable ones count nothing.

    Args:
        files: the recordings; standard input counts nothing.
        reading: how files are read.
    """
    from robustger.audio import probe_audio

    seconds = 0.0
    for file in files:
        if file != "-":
            with suppress(InputError):
                seconds += probe_audio(file, options=reading).seconds
    return seconds


def _kept(
    robustger: RobustGER, files: Sequence[str], output: str, restart: bool, options: Mapping[str, Any]
) -> AbstractContextManager[KeptBatches | None]:
    """The finished batches of a killed run for this output, if batches can be kept for it."""
    path = Path(output)
    is_stream = output == "-" or (path.exists() and not (path.is_file() or path.is_dir()))
    if is_stream or "-" in files or robustger.identity is None:
        return nullcontext()
    settings = {
        "robustger": __version__,
        **robustger.identity,
        "files": file_settings(files),
        **{key: value for key, value in options.items() if not key.startswith("on_")},
    }
    if (reading := options.get("reading")) is not None:
        settings["reading"] = asdict(reading)
    return kept_batches(Path(os.path.realpath(path)), settings, restart=restart)


class _NothingToWriteError(Exception):
    """Leaves the output unchanged, because its only recording cannot be read."""


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
    """The file in the folder for each recording, named after the recording.

    Raises:
        InputError: two recordings would share a file, or a file would replace a recording.
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
    recordings = {file_identity(file) for file in files} - {None}
    for target in targets:
        if str(target) != "-" and file_identity(target) in recordings:
            raise InputError(f"{target}: is one of the recordings; name another output")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made a folder: {error.strerror}") from None
