"""Reads the N-best lists of ESPnet 1: `data.json`, which `asr_recog.py --nbest N` writes, and files derived from it.

An utterance of `{"utts": {id: {"output": [...]}}}` has one entry of `output` for each hypothesis, best first, named
`target1[1]`, `target1[2]`, ..., with `rec_text`, `score` and the reference `text`; or one entry with `rec_text[1]`,
`score[1]`, `rec_text[2]`, ... A recognition in several jobs leaves `data.1.json`, `data.2.json`, ..., which recipes
join to `data.json`. Texts are the decoder's tokens without blanks between them; the import joins them to words
(`robustger.hypotheses.tokens`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.files import closing_unless_stdin, open_binary, shown_name
from robustger.hypotheses.checks import kind_of
from robustger.hypotheses.jsonl import BadLine, parse_json
from robustger.hypotheses.keyed import Placed
from robustger.hypotheses.values import NBest, parse_fields

_RANKED = re.compile(r"rec_text\[([1-9]\d*)\]")


def result_files(folder: Path) -> list[Path]:
    """The result files of ESPnet 1 in a folder, if any: the joined file of its recipes, or the files of the jobs."""
    for name in ("data.json", "result.json"):
        if (folder / name).is_file():
            return [folder / name]
    jobs = [path for path in folder.glob("data.*.json") if path.name.split(".")[1].isdecimal()]
    return sorted(jobs, key=lambda path: int(path.name.split(".")[1]))


def read_results(path: str | Path) -> Iterator[Placed]:
    """The lists of one file.

    Args:
        path: the file, or "-" for standard input.

    Yields:
        (place, list or bad line).

    Raises:
        InputError: the file cannot be opened, or is no result of ESPnet 1; raised here, before the first value.
    """
    name = shown_name(path)
    with closing_unless_stdin(open_binary(path)) as file:
        content = file.read()
    try:
        found = parse_json(content.removeprefix(b"\xef\xbb\xbf"), constants=True)
    except InputError as error:
        raise InputError(
            f"{name}: {error}; name a data.json of ESPnet 1, or the folder in which ESPnet 2 wrote 1best_recog, "
            "2best_recog, ..."
        ) from None
    utterances = found.get("utts") if isinstance(found, Mapping) else None
    if not isinstance(utterances, Mapping):
        raise InputError(
            f"{name}: has no 'utts', as a data.json of ESPnet 1 has; of ESPnet 2, name the folder in which it wrote "
            "1best_recog, 2best_recog, ..."
        )
    return (
        (f"{name}: {id_}", value) for id_, utterance in utterances.items() for value in _lists(id_, utterance)
    )


def _lists(id_: str, utterance: Any) -> Iterator[NBest | BadLine]:
    """The list of an utterance, or its problem. Scores that are no numbers are reported, and the list has none then."""
    try:
        outputs = utterance.get("output") if isinstance(utterance, Mapping) else None
        if not isinstance(outputs, list) or not all(isinstance(output, Mapping) for output in outputs):
            raise InputError(f"'output' of {id_!r} must be a list of objects, not {kind_of(outputs)}")
        outputs = [output for output in outputs if _is_first_target(output)]
        ranked = [_hypotheses_in(output) for output in outputs]
        found = [hypothesis for own in ranked for hypothesis in own]
        if not found:
            raise InputError(f"{id_!r} has no 'rec_text'; it is data that was not recognized yet")
        fields = {
            "id": id_,
            "hypotheses": [text for text, _ in found],
            "reference": next((output["text"] for output in outputs if "text" in output), None),
        }
        parse_fields(fields)
    except InputError as error:
        yield BadLine(0, id_, str(error))
        return
    try:
        scored = any(score is not None for _, score in found)
        yield parse_fields({**fields, "scores": [score for _, score in found] if scored else None})
    except InputError as error:
        yield BadLine(0, id_, f"{error}; the list is kept without scores")
        yield parse_fields(fields)


def _is_first_target(output: Mapping[str, Any]) -> bool:
    """Whether the entry holds the spoken words; further targets are translations or other scripts."""
    name = str(output.get("name", ""))
    return not name.startswith("target") or re.fullmatch(r"target1(\[\d+\])?", name) is not None


def _hypotheses_in(output: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Texts and scores of one entry, best first: of one hypothesis, or of all."""
    if "rec_text" in output:
        return [(output["rec_text"], output.get("score"))]
    ranks = sorted(int(match[1]) for key in output if (match := _RANKED.fullmatch(key)))
    if ranks and ranks != list(range(1, len(ranks) + 1)):
        gap = next(rank for rank in range(1, ranks[-1]) if rank not in ranks)
        raise InputError(f"has no 'rec_text[{gap}]', but 'rec_text[{ranks[-1]}]'")
    return [(output[f"rec_text[{rank}]"], output.get(f"score[{rank}]")) for rank in ranks]
