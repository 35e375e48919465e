"""Reader for the beams that NeMo's evaluation scripts write.

`scripts/asr_language_modeling/ngram_lm/eval_beamsearch_ngram_ctc.py` (and `..._transducer.py`) write with
`preds_output_folder` one line `text<TAB>score` for every candidate, utterance after utterance in the order of the
manifest, and nothing that says where an utterance ends: `eval_neural_rescorer.py` of the same repository counts, as is
done here. Its own output, with new scores in the old order, has the same form; candidates are therefore sorted by their
score. The score is the search's: acoustic log-probability, language model and word bonus together.

The manifest is NeMo's: JSON Lines with `audio_filepath` and `text`, and perhaps `offset` and `duration` in seconds.
Several rows with one `audio_filepath` are parts of one recording, each with a list of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.hypotheses.files import shown_name
from robustger.hypotheses.jsonl import BadLine, decode
from robustger.hypotheses.keyed import Placed, parse_score, read_lines
from robustger.hypotheses.values import NBest, finite_number


def read_nemo(
    source: str | Path, *, manifest: str | Path | None = None, beams: int | None = None
) -> Iterator[Placed]:
    """The lists of a beams file.

    With a manifest, a list is named after its audio file, or after the file's path where files of one name are in
    several folders. Parts of one file get their times behind that, in milliseconds ("talk-00001500-00003500"), and rows
    that not even times tell apart their position. Without a manifest, a list is named after beams file and position
    ("preds-00000"). A line that cannot be read is reported and missing in its list; it counts as a candidate all the
    same.

    Args:
        source: the beams file, "-" for standard input.
        manifest: the manifest that was evaluated; gives ids, audio and references.
        beams: candidates of every utterance; None divides the lines by those of the manifest.

    Yields:
        (place, list or bad line).

    Raises:
        InputError: a file cannot be opened, the lines cannot be divided evenly, or neither the manifest nor `beams` is
            given.
    """
    name = shown_name(source)
    utterances = None if manifest is None else _utterances(manifest)
    if utterances is None and beams is None:
        raise InputError(
            f"{name}: does not say where an utterance ends; give NeMo's manifest as references, or the number of beams"
        )
    lines = [
        (number, line if isinstance(line, BadLine) else _candidate(number, line))
        for number, line in _rows(source)
    ]
    if not lines:
        raise InputError(f"{name}: holds no candidates")
    count = None if utterances is None else len(utterances)
    if beams is None:
        beams = len(lines) // count if count else 0
    if beams == 0 or len(lines) % beams or (count is not None and count * beams != len(lines)):
        parts = f"lists of {beams}" if count is None else f"{count} utterances with as many candidates each"
        raise InputError(
            f"{name}: {len(lines)} lines cannot be divided into {parts}; check manifest and beams"
        )
    stem = "stdin" if name == "stdin" else Path(source).stem
    return _lists(
        name, lines, beams, utterances or [{"id": f"{stem}-{k:05d}"} for k in range(len(lines) // beams)]
    )


def _rows(source: str | Path) -> Iterator[tuple[int, str | BadLine]]:
    """Blank lines are no candidates, as pandas, with which NeMo reads them, sees it; an empty text is, by its tab."""
    return read_lines(source, strip="\r\n")


def _candidate(number: int, line: str) -> tuple[float, str] | BadLine:
    text, tab, score = line.rpartition("\t")
    value = parse_score(score) if tab else None
    if value is None:
        return BadLine(number, None, "is not a text, a tab and a finite score; the candidate is left out")
    return value, " ".join(text.split())


def _lists(
    name: str,
    lines: list[tuple[int, tuple[float, str] | BadLine]],
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


def _utterances(manifest: str | Path) -> list[dict[str, Any]]:
    """What the manifest says of every utterance, as arguments of `NBest.from_texts`."""
    name = shown_name(manifest)
    rows: list[dict[str, Any]] = []
    for number, line in read_lines(manifest):
        try:
            if isinstance(line, BadLine):
                raise InputError(line.message)
            fields = decode(line.encode())
            if not isinstance(fields, dict) or not isinstance(fields.get("audio_filepath"), str):
                raise InputError("needs 'audio_filepath'; a manifest of NeMo's is expected")
            rows.append(_known(fields))
        except InputError as error:  # not skipped: all that follows would get the beams of its neighbour
            raise InputError(f"{name}:{number}: {error}") from None
    parts = Counter(row["audio"] for row in rows)
    for row in rows:
        if "start" not in row and "end" in row:
            if parts[row["audio"]] > 1:
                row["start"] = 0.0
            else:
                del row["end"]  # how long the recording is, which is no part then
    return [{"id": id_, **row} for id_, row in zip(_ids(rows), rows, strict=True)]


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    """For every row the first name that no other row has, from the file's own to one with the row's position."""
    files: dict[str, set[str]] = {}
    for row in rows:
        files.setdefault(Path(row["audio"]).stem, set()).add(row["audio"])
    names: list[list[str]] = []  # of every row, the last first
    for position, row in enumerate(rows):
        audio, stem = row["audio"], Path(row["audio"]).stem
        base = stem if len(files[stem]) == 1 else audio
        times = "".join(f"-{1000 * row[key]:08.0f}" for key in ("start", "end") if key in row)
        names.append([f"{base}-{position:05d}", f"{base}{times}", audio, stem])
    while True:
        count = Counter(own[-1] for own in names)
        repeated = [own for own in names if count[own[-1]] > 1]
        if not repeated:
            return [own[-1] for own in names]
        for own in repeated:
            if len(own) > 1:  # of one group at most one row is at its last name, which ends in its position
                own.pop()


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {"audio": fields["audio_filepath"]}
    if isinstance(text := fields.get("text"), str):
        known["reference"] = text
    if fields.get("offset") is not None:
        known["start"] = finite_number(fields["offset"], "'offset'")
    if fields.get("duration") is not None:
        duration = finite_number(fields["duration"], "'duration'")
        if duration > 0:  # NeMo takes others for "to the end"
            known["end"] = known.get("start", 0.0) + duration
    return known
