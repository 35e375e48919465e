"""Reads the beams that NeMo writes in its output manifests or in tables of candidates.

`transcribe_speech.py` with `return_best_hypothesis=false` writes an output manifest, JSON Lines whose `beams` hold
`[text, score]` for every candidate, best first, beside `audio_filepath`, `text` and `pred_text`.

`scripts/asr_language_modeling/ngram_lm/eval_beamsearch_ngram_ctc.py` (and `..._transducer.py`) write with
`preds_output_folder` one line `text<TAB>score` for every candidate, utterance after utterance in the order of the
manifest, and nothing that says where an utterance ends. `eval_neural_rescorer.py` of the same repository counts the
lines, and so does this module. Its output has the same form, with new scores in the old order, so candidates are sorted
by their score. The score is the search's: acoustic log-probability, language model and word bonus together.

If a search ended early, utterances have different numbers of candidates, and counting assigns rows to the wrong
utterances. Two signs show this. A search writes the candidates of an utterance best first, so no score may rise within
an utterance (unless scores rise nearly everywhere, as those of the neural rescorer do). And neighboring candidates
share words. A table with such a sign is refused, unless both the manifest and the number of candidates are given. No
search writes more candidates than it was asked for, so if the table has as many lines as possible, every utterance has
all of its candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.files import shown_name
from robustger.hypotheses.checks import finite_number, kind_of, printable
from robustger.hypotheses.jsonl import BadLine, parse_json
from robustger.hypotheses.keyed import Placed, parse_score, read_lines
from robustger.hypotheses.nemo_manifest import load_nemo_manifest, named_rows, nemo_row
from robustger.hypotheses.values import NBest

Candidate = tuple[float, str]


def read_nemo(
    source: str | Path, *, manifest: str | Path | None = None, beams: int | None = None
) -> Iterator[Placed]:
    """The lists of an output manifest with `beams`, or of a beams table.

    With a manifest, a list is named after its audio file (see `robustger.hypotheses.nemo_manifest`). Without one, the
    lists of a table are named after beams file and position ("preds-00000"). A line that cannot be read is reported and
    missing in its list; it counts as a candidate all the same.

    Args:
        source: the output manifest or the table, "-" for standard input.
        manifest: the manifest that was evaluated; gives ids, audio and references. An output manifest has them itself;
            one given beside it must have the same recordings in the same order.
        beams: candidates of every utterance of a table; None divides the lines by those of the manifest.

    Yields:
        (place, list or bad line).

    Raises:
        InputError: a file cannot be opened, the lines cannot be divided evenly or seem to be divided unevenly, or
            neither the manifest nor `beams` is given.
    """
    name = shown_name(source)
    read = list(_rows(source))
    utterances = None if manifest is None else load_nemo_manifest(manifest)
    first = next((line for _, line in read if isinstance(line, str)), "")
    if first.startswith("{"):
        if beams is not None:
            raise InputError(
                f"{name}: is a manifest, which says where each list ends; leave out the number of beams"
            )
        return _from_manifest(name, read, utterances)
    if utterances is None and beams is None:
        raise InputError(
            f"{name}: does not say where an utterance ends; give NeMo's manifest as references, or the number of beams"
        )
    lines = [
        (number, line if isinstance(line, BadLine) else _candidate(number, line)) for number, line in read
    ]
    if not lines:
        raise InputError(f"{name}: holds no candidates")
    count = None if utterances is None else len(utterances)
    surely_even = beams is not None and count is not None
    if beams is None:
        beams = len(lines) // count if count else 0
    if beams == 0 or len(lines) % beams or (count is not None and count * beams != len(lines)):
        parts = f"lists of {beams}" if count is None else f"{count} utterances with as many candidates each"
        raise InputError(
            f"{name}: {len(lines)} lines cannot be divided into {parts}; check manifest and beams"
        )
    if not surely_even:
        _refuse_uneven(name, lines, beams)
    stem = "stdin" if name == "stdin" else printable(Path(source).stem)
    return _lists(
        name, lines, beams, utterances or [{"id": f"{stem}-{k:05d}"} for k in range(len(lines) // beams)]
    )


def _refuse_uneven(name: str, lines: list[tuple[int, Candidate | BadLine]], beams: int) -> None:
    """Refuses a table whose scores or words show that an utterance does not end after every `beams` lines.

    Raises:
        InputError: scores rise within what would be an utterance, and no more often than utterances begin; or two
            candidates of it have no word in common, while about there one utterance goes on as the other ended.
    """
    pairs = [
        (position, before, after)
        for position, ((_, before), (_, after)) in enumerate(pairwise(lines), start=1)
        if not isinstance(before, BadLine) and not isinstance(after, BadLine)
    ]
    rises = [position for position, before, after in pairs if after[0] > before[0]]
    within = [position for position in rises if position % beams]
    sorted_ = len(rises) < len(lines) // beams and 2 * len(rises) <= len(pairs)
    signs = [(within[0], "the score rises")] if within and sorted_ else []
    alike = {
        position
        for position, before, after in pairs
        if position % beams == 0 and _overlap(before, after) >= 0.5
    }
    for position, before, after in pairs:
        first = position - position % beams
        near = range(
            first - 2 * beams, first + 4 * beams, beams
        )  # where this list and two on each side begin and end
        if position % beams and _overlap(before, after) == 0 and not alike.isdisjoint(near):
            signs.append((position, "the words are others"))
            break
    if signs:
        position, sign = signs[0]
        raise InputError(
            f"{name}:{lines[position][0]}: {sign} within one utterance, if all have {beams} candidates; if "
            "their numbers differ, nobody knows which candidates belong together: transcribe with "
            "return_best_hypothesis=false, or, if all have as many, give both the manifest and the number of beams"
        )


def _overlap(one: Candidate, other: Candidate) -> float:
    """The share of words that two candidates have in common; 0.25, which proves nothing, if one has too few words."""
    words, others = set(one[1].split()), set(other[1].split())
    return 0.25 if min(len(words), len(others)) < 2 else len(words & others) / len(words | others)


def _from_manifest(
    name: str, lines: list[tuple[int, str | BadLine]], others: list[dict[str, Any]] | None
) -> Iterator[Placed]:
    """The lists of an output manifest; references come from another manifest if one is given.

    Raises:
        InputError: no row has beams, or the other manifest is not of the same recordings.
    """
    rows: list[tuple[int, dict[str, Any] | BadLine, Any]] = []
    for number, line in lines:
        fields: Any = None
        try:
            if isinstance(line, BadLine):
                raise InputError(line.message)
            fields = parse_json(line.encode(), constants=True)
            rows.append((number, nemo_row(fields), fields.get("beams")))
        except InputError as error:
            rows.append((number, BadLine(number, None, str(error)), None))
    if all(beams is None for _, _, beams in rows):
        raise InputError(
            f"{name}: is a manifest without 'beams'; transcribe with return_best_hypothesis=false, or name the table "
            "of candidates, and the manifest as references"
        )
    if others is not None and (
        len(others) != len(rows)
        or any(
            not isinstance(row, BadLine) and row["audio"] != other["audio"]
            for (_, row, _), other in zip(rows, others, strict=True)
        )
    ):
        raise InputError(f"{name}: the references are not of the same recordings, row for row")
    known = named_rows([row for _, row, _ in rows if not isinstance(row, BadLine)])
    return _listed(name, rows, iter(known), iter(others or []))


def _listed(
    name: str,
    rows: list[tuple[int, dict[str, Any] | BadLine, Any]],
    names: Iterator[dict[str, Any]],
    others: Iterator[dict[str, Any]],
) -> Iterator[Placed]:
    for number, row, beams in rows:
        place, other = f"{name}:{number}", next(others, {})
        if isinstance(row, BadLine):
            yield place, row
            continue
        known = next(names)
        if "reference" in other:
            known["reference"] = other["reference"]
        texts, scores, problems = _beams(beams)
        for problem in problems:
            yield place, BadLine(number, known["id"], problem)
        if texts:
            yield place, NBest.from_texts(texts=texts, scores=scores, **known)


def _beams(beams: Any) -> tuple[list[str], list[float] | None, list[str]]:
    """Texts and scores of a row's candidates in order, and the problems of candidates that cannot be read."""
    if not isinstance(beams, list) or not beams:
        what = "is missing" if beams is None else f"must be a list of [text, score], not {kind_of(beams)}"
        return [], None, [f"'beams' {what if beams != [] else 'is empty'}; there is no list"]
    if all(isinstance(beam, str) for beam in beams):
        return [" ".join(text.split()) for text in beams], None, []
    texts, scores, problems = [], [], []
    for rank, beam in enumerate(beams, start=1):
        try:
            if not isinstance(beam, list) or len(beam) != 2 or not isinstance(beam[0], str):
                raise InputError(f"beam {rank} must be [text, score], not {kind_of(beam)}")
            scores.append(finite_number(beam[1], f"the score of beam {rank}"))
            texts.append(" ".join(beam[0].split()))
        except InputError as error:
            problems.append(f"{error}; the candidate is left out")
    if not texts:
        problems.append("none of the candidates can be read; there is no list")
    return texts, scores, problems


def _rows(source: str | Path) -> Iterator[tuple[int, str | BadLine]]:
    """Skips blank lines, as pandas does, with which NeMo reads the table. A line with a tab is an empty candidate."""
    return read_lines(source, strip="\r\n")


def _candidate(number: int, line: str) -> Candidate | BadLine:
    text, tab, score = line.rpartition("\t")
    value = parse_score(score) if tab else None
    if value is None:
        return BadLine(number, None, "is not a text, a tab and a finite score; the candidate is left out")
    return value, " ".join(text.split())


def _lists(
    name: str,
    lines: list[tuple[int, Candidate | BadLine]],
    beams: int,
    utterances: list[dict[str, Any]],
) -> Iterator[Placed]:
    for position, known in enumerate(utterances):
        own = lines[position * beams : (position + 1) * beams]
        place = f"{name}:{own[0][0]}"
        for number, candidate in own:
            if isinstance(candidate, BadLine):
                yield f"{name}:{number}", BadLine(number, known["id"], candidate.message)
        good = sorted(
            (candidate for _, candidate in own if not isinstance(candidate, BadLine)), key=lambda one: -one[0]
        )
        if good:
            yield (
                place,
                NBest.from_texts(texts=[text for _, text in good], scores=[s for s, _ in good], **known),
            )
        else:
            yield (
                place,
                BadLine(own[0][0], known["id"], "none of the candidates can be read; there is no list"),
            )
