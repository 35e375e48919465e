"""Converts N-best lists of other toolkits to the package's own format, and adds references from a separate file.

Formats are documented where they are read:

==============  ==================================================================================
espnet          `robustger.hypotheses.espnet`: a decoding's folder with 1best_recog, 2best_recog, ...;
                `robustger.hypotheses.espnet1`: data.json of ESPnet 1
kaldi           `robustger.hypotheses.kaldi`: `utt-k words` lines, or archives.*/words_text with costs
nemo            `robustger.hypotheses.nemo`: an output manifest with beams, or a beams TSV, with the
                manifest as references
hyporadise      `robustger.hypotheses.hyporadise`: a JSON file of the data set, or JSON Lines
robusthp        `robustger.hypotheses.robusthp`: a .pt file of the data set, or a folder of them
==============  ==================================================================================
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustger.errors import InputError, one_line
from robustger.files import atomic_writer, refuse_overwriting, shown_name
from robustger.hypotheses.espnet import read_espnet
from robustger.hypotheses.hyporadise import numbered_hyporadise
from robustger.hypotheses.jsonl import BadLine
from robustger.hypotheses.kaldi import read_kaldi_lists
from robustger.hypotheses.keyed import Archive, Placed, read_references
from robustger.hypotheses.merging import merged, words_alone
from robustger.hypotheses.nemo import read_nemo
from robustger.hypotheses.robusthp import read_robusthp
from robustger.hypotheses.tokens import words_of
from robustger.hypotheses.values import NBest
from robustger.registry import Registry

LIST_FORMATS: Registry[Callable[..., Iterator[Placed]]] = Registry("format")
LIST_FORMATS.register("espnet")(read_espnet)
LIST_FORMATS.register("kaldi")(read_kaldi_lists)
LIST_FORMATS.register("nemo")(read_nemo)
LIST_FORMATS.register("robusthp")(read_robusthp)


@LIST_FORMATS.register("hyporadise")
def _read_hyporadise(source: str | Path) -> Iterator[Placed]:
    name = shown_name(source)
    return ((f"{name}: entry {number}", value) for number, value in numbered_hyporadise(source))


@dataclass(slots=True)
class ImportSummary:
    """Counts the lists and problems of an import.

    Attributes:
        lists: lists written.
        problems: the number of lines, entries, scores and ids that could not be used unchanged; each was reported.
        without_reference: lists written for which references were given, but not theirs; reported, too.
        unused_references: references whose utterance has no list.
        merged: hypotheses left out because one of their list says the same.
        joined: lists written in decoder tokens, which were put together to words.
    """

    lists: int = 0
    problems: int = 0
    without_reference: int = 0
    unused_references: int = 0
    merged: int = 0
    joined: int = 0


def import_lists(
    source: str | Path,
    target: str | Path,
    *,
    format: str,
    references: str | Path | None = None,
    same: Callable[[str], str] | None = words_alone,
    on_problem: Callable[[str, str], None] = lambda place, message: None,
    on_progress: Callable[[int], object] = lambda lists: None,
    **options: Any,
) -> ImportSummary:
    """Writes lists of another format as N-best JSONL.

    Lists that cannot be read are reported and left out, and reading goes on. Of several lists with one id, the first is
    kept. Decoder tokens are put together to words (`robustger.hypotheses.tokens`), and hypotheses that say the same are
    merged.

    Args:
        source: file or folder.
        target: N-best JSONL, "-" for standard output; a file appears when it is complete.
        format: a name in `LIST_FORMATS`.
        references: what was said: Kaldi's `text`, or JSON Lines with `id` and `text`; for `nemo` the manifest that was
            evaluated. They replace references that the source has itself.
        same: maps hypotheses that say the same to the same text; None keeps repeated hypotheses.
        on_problem: called with the place ("file:line") and what is wrong there.
        on_progress: called with the number of lists just written.
        options: of the format's reader (`beams`, `acoustic_scale`); those that are None are not passed on.

    Raises:
        InputError: no such format, an option it does not have, a file that cannot be opened or written, a target that
            is one of the files read, or no list in the source; nothing is written then.
    """
    reader = LIST_FORMATS.get(format)
    refuse_overwriting(target, source, references)
    given = {name: value for name, value in options.items() if value is not None}
    known = inspect.signature(reader).parameters
    for name in given:
        if name not in known:
            raise InputError(f"format {format!r} has no option {name!r}")
    summary = ImportSummary()

    def tell(place: str, message: str) -> None:
        on_problem(place, one_line(message))

    def report(place: str, message: str) -> None:
        summary.problems += 1
        tell(place, message)

    said: Archive | None = None
    if "manifest" in known:
        given["manifest"] = references
    elif references is not None:
        said = read_references(references)
        for place, bad in said.bad:
            report(place, bad.message if isinstance(bad, BadLine) else "")
    placed = reader(source, **given)
    seen: dict[str, str] = {}
    with atomic_writer(target) as file:
        for place, value in placed:
            if isinstance(value, BadLine):
                report(place, value.message)
                continue
            if value.id in seen:
                report(place, f"a list of {value.id!r} stands at {seen[value.id]} already; the first is kept")
                continue
            seen[value.id] = place
            if said is not None and value.id in said.values:
                value = dataclasses.replace(value, reference=said.values[value.id][1])
            elif said is not None:
                summary.without_reference += 1
                tell(place, f"{value.id!r} has no reference in {said.name}; the list is kept without one")
            value = _in_words(place, value, summary, report)
            whole = len(value.hypotheses)
            if same is not None:
                value = merged(value, same)
            summary.merged += whole - len(value.hypotheses)
            file.write(json.dumps(value.to_dict(), ensure_ascii=False) + "\n")
            summary.lists += 1
            on_progress(1)
        if not summary.lists:
            raise InputError(f"{shown_name(source)}: holds no list that can be read as {format}")
    if said is not None:
        summary.unused_references = len(said.values.keys() - seen.keys())
    return summary


def _in_words(place: str, nbest: NBest, summary: ImportSummary, report: Callable[[str, str], None]) -> NBest:
    """The list with decoder tokens joined to words. A list whose words look like tokens is reported and kept."""
    words, doubt = words_of(nbest)
    summary.joined += words is not nbest
    if doubt is not None:
        report(place, f"{nbest.id!r}: {doubt}; the list is kept unchanged")
    return words
