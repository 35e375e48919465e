"""Corrects a file of N-best lists as a stream: one output line for each input line, in a file that appears whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from robustger.correction.model import Corrector
from robustger.hypotheses import BadLine, NBest, atomic_writer, read_numbered, refuse_overwriting

LISTS_AT_A_TIME = 256  # held in memory together, and sorted into batches by their lengths


@dataclass(slots=True)
class CorrectionSummary:
    """Counts the outcomes of the lines of a file.

    Attributes:
        lists: lists that got a transcript.
        changed: transcripts that differ from the 1-best.
        agreeing: lists that were passed through because their hypotheses agree.
        guarded: corrections that the guard replaced by the 1-best, as a whole or in part.
        too_long: lists that exceed the language model's limit for prompts or answers and kept their 1-best.
        unanswered: lists that kept their 1-best because the language model's server gave no answer.
        problems: lines that could not be read, and repeated ids.
        foreign: lists that were passed through because the corrector does not know their language.
        languages: the languages that the corrector knows; empty where no list is foreign.
    """

    lists: int = 0
    changed: int = 0
    agreeing: int = 0
    guarded: int = 0
    too_long: int = 0
    unanswered: int = 0
    problems: int = 0
    foreign: int = 0
    languages: tuple[str, ...] = ()


def correct_file(
    load_corrector: Callable[[], Corrector],
    source: str | Path,
    target: str | Path,
    *,
    on_problem: Callable[[int, str], None] = lambda line, message: None,
    on_progress: Callable[[int], object] = lambda lists: None,
    on_warning: Callable[[str], object] = lambda message: None,
    **options: Any,
) -> CorrectionSummary:
    """Corrects an N-best JSONL file into a transcript JSONL file.

    The output has one line per input line that is not blank, in the same order, with at least `id` and `text`. A line
    that cannot be read becomes `{"id": its id or null, "text": "", "error": the reason}` and is counted.

    Args:
        load_corrector: loads the corrector; called when the input and the output are open, so that a wrong path is
            reported before a model is loaded.
        source: N-best JSONL, "-" for stdin.
        target: transcript JSONL, "-" for stdout; a file appears only when it is complete.
        on_problem: called with the line number and the problem.
        on_progress: called with the number of lines that were just finished, after each batch of the language model.
        on_warning: called once, with one line, if the language model's server gives no answer.
        options: keyword arguments of `Corrector.correct`.

    Raises:
        InputError: the input cannot be opened, or the output cannot be written or is the input.
    """
    refuse_overwriting(target, source)
    summary = CorrectionSummary()
    seen: set[str] = set()
    lines = read_numbered(source)
    with atomic_writer(target) as file:
        corrector = load_corrector()
        for chunk in _chunks(lines):
            good = [value for _, value in chunk if isinstance(value, NBest)]
            finished = _Finished(on_progress)
            transcripts = iter(corrector.correct(good, on_progress=finished.add, **options))
            for number, value in chunk:
                if isinstance(value, BadLine):
                    on_problem(number, value.message)
                    summary.problems += 1
                    fields: dict[str, Any] = {"id": value.id, "text": "", "error": value.message}
                else:
                    transcript = next(transcripts)
                    if value.id in seen:
                        on_problem(
                            number, f"id {value.id!r} is already the id of an earlier line; make ids unique"
                        )
                        summary.problems += 1
                    seen.add(value.id)
                    fields = transcript.to_dict()
                    summary.lists += 1
                    summary.changed += transcript.text != transcript.best
                    summary.agreeing += transcript.source == "agreement"
                    summary.guarded += transcript.source == "guard"
                    summary.too_long += transcript.source == "too_long"
                    if transcript.source == "no_answer":
                        if not summary.unanswered:
                            on_warning(f"{transcript.reason}; such lists keep the recognizer's text")
                        summary.unanswered += 1
                    if transcript.source == "language":
                        summary.foreign += 1
                        summary.languages = tuple(corrector.config.languages)
                file.write(json.dumps(fields, ensure_ascii=False) + "\n")
            finished.add(len(chunk) - finished.lines)  # lines that no corrector was asked about
    return summary


class _Finished:
    """Counts the finished lines of a chunk, and passes each number on."""

    def __init__(self, on_progress: Callable[[int], object]) -> None:
        self.lines = 0
        self._on_progress = on_progress

    def add(self, lines: int) -> None:
        self.lines += lines
        self._on_progress(lines)


def _chunks(lines: Iterator[tuple[int, NBest | BadLine]]) -> Iterator[list[tuple[int, NBest | BadLine]]]:
    while chunk := list(islice(lines, LISTS_AT_A_TIME)):
        yield chunk
