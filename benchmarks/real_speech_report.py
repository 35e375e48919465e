"""Makes the tables of `benchmarks/real_speech.py`, as Markdown, from the files that its steps wrote."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import machine

from robustger.evaluation.report import evaluate_domains
from robustger.evaluation.tables import Table, percent
from robustger.hypotheses import NBest, load_nbest

CORRECTED = ("p232", "noisy_librispeech")  # sets whose lists are corrected


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that may not be there yet; a last line that was cut off is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def report(folder: Path, sets: Sequence[str], models: Sequence[str]) -> str:
    """All tables as Markdown."""
    parts = [f"Machine: {machine()}.", accuracy(folder, sets, models).to_markdown()]
    parts += [table(folder, models).to_markdown() for table in (corrected, written)]
    parts += [cost(folder, sets, models).to_markdown()]
    parts += [word_times(folder, models).to_markdown(), edits(folder, models).to_markdown()]
    return "\n".join(parts)


def both(folder: Path, name: str, model: str) -> tuple[list[NBest], dict[str, str]] | None:
    """Our lists and their texts of the recordings that both have done.

    Evaluation joins the windows of a recording; the first stands for all of their text, which knows no windows.
    """
    path = folder / f"{name}.{model}.lists.jsonl"
    if not path.exists():
        return None
    texts = {row["id"]: row["text"] for row in rows_of(folder / f"{name}.{model}.theirs.jsonl")}
    lists: list[NBest] = []
    theirs_of: dict[str, str] = {}
    for one in load_nbest(path):
        window = one.meta.get("window", {"of": one.id, "number": 1})
        if window["of"] in texts:
            lists.append(one)
            theirs_of[one.id] = texts[window["of"]] if window["number"] == 1 else ""
    return lists, theirs_of


def accuracy(folder: Path, sets: Sequence[str], models: Sequence[str]) -> Table:
    rows = []
    for model in models:
        found = {name: pair for name in sets if (pair := both(folder, name, model)) and pair[0]}
        if not found:
            continue
        lists = {name: pair[0] for name, pair in found.items()}
        texts = {name: pair[1] for name, pair in found.items()}
        result = evaluate_domains(lists, texts, ["number"])
        for name, part in [*result.domains.items(), ("all", result.total)]:
            number = part.normalizers["number"]
            own = lists.get(name) or [one for some in lists.values() for one in some]
            distinct = statistics.mean(len(one.hypotheses) for one in own)
            rates = [percent(number.wer[system]) for system in ("best", "o_nb", "o_cp", "corrected")]
            versus = number.comparison
            assert versus is not None, "their texts stand in the place of corrections"
            rows.append(
                (
                    f"{model.removeprefix('whisper-')}: {name}",
                    str(part.utterances),
                    f"{number.words:,}",
                    *rates,
                    percent(number.wer["best"] / number.wer["corrected"] - 1, digits=1, signed=True),
                    percent(versus.absolute_reduction, versus.absolute_interval),
                    f"{distinct:.2f}",
                )
            )
    columns = (
        "set",
        "files",
        "words",
        "1-best",
        "o_nb",
        "o_cp",
        "faster-whisper",
        "relative in %",
        "in points",
        "distinct",
    )
    return Table(
        "WER in %, normalizer `number`; 5 hypotheses, 10 beams, 50 where fewer than 5 differ; faster-whisper at beam 5",
        columns,
        tuple(rows),
        "relative, in points: our 1-best less faster-whisper, below 0 where ours is better; distinct: in a list.",
    )


def corrected(folder: Path, models: Sequence[str]) -> Table:
    """What the preset's corrector does to the 1-best."""
    rows = []
    for model in models:
        for name in CORRECTED:
            path = folder / f"{name}.{model}.corrected.jsonl"
            if not path.exists():
                continue
            texts = {row["id"]: row["text"] for row in rows_of(path)}
            lists = load_nbest(folder / f"{name}.{model}.lists.jsonl")
            part = evaluate_domains({name: lists}, {name: texts}, ["number"]).total
            number = part.normalizers["number"]
            versus, edits = number.comparison, number.edits
            assert versus is not None, "corrections are given"
            assert edits is not None, "corrections are given"
            rows.append(
                (
                    f"{model.removeprefix('whisper-')}: {name}",
                    str(part.utterances),
                    *(percent(number.wer[system]) for system in ("best", "corrected")),
                    percent(-versus.relative_reduction, digits=1, signed=True),
                    f"{edits.better}/{edits.worse}/{edits.changed}",
                )
            )
    return Table(
        "What the corrector of the preset `whisper` makes of these lists, WER in %, normalizer `number`",
        ("set", "files", "1-best = format-only", "corrected", "relative change in %", "better/worse/changed"),
        tuple(rows),
    )


def written(folder: Path, models: Sequence[str]) -> Table:
    """p232 with case and punctuation counted: its references have them."""
    rows = []
    for model in models:
        found = both(folder, "p232", model)
        if found is None or not found[0]:
            continue
        lists, texts = found
        forms = [
            NBest.from_texts(one.id, one.written, reference=one.written_reference or one.reference)
            for one in lists
        ]
        part = evaluate_domains({"p232": forms}, {"p232": texts}, ["raw"]).total.normalizers["raw"]
        systems = ("best", "corrected")
        cells = [percent(part.wer[system], part.wer_interval[system]) for system in systems]
        rows.append((model.removeprefix("whisper-"), str(len(lists)), f"{part.words:,}", *cells))
    return Table(
        "Written text of p232: WER in % with case and punctuation counted (normalizer `raw`)",
        ("model", "files", "words", "1-best as written", "faster-whisper"),
        tuple(rows),
    )


def cost(folder: Path, sets: Sequence[str], models: Sequence[str]) -> Table:
    rows = []
    for model in models:
        for name in sets:
            timed = rows_of(folder / f"{name}.{model}.pairs.jsonl")
            if not timed:
                continue
            hours = [
                sum(row["seconds"] for row in timed) / sum(row[label] for row in timed)
                for label in ("theirs", "ours", "adaptive")
            ]
            ratio = statistics.median(row["ours"] / row["theirs"] for row in timed)
            said = folder / f"{name}.{model}.lists.said.txt"
            heard = said.read_text(encoding="utf-8") if said.exists() else ""
            bulk = heard.partition("(")[2].partition(" audio-hours")[0]
            rows.append(
                (
                    f"{model.removeprefix('whisper-')}: {name}",
                    str(len(timed)),
                    *(f"{value:.1f}" for value in hours),
                    f"{ratio:.2f}",
                    bulk,
                )
            )
    return Table(
        "Audio-hours per hour, file by file in turns, and the ratio of times at beam 5 (ours / theirs, median)",
        ("set", "files", "faster-whisper, beam 5", "ours, beam 5", "ours, 5 hypotheses", "ratio", "`nbest`"),
        tuple(rows),
        "`nbest`: what the command itself said for the whole set, beside whatever else the machine did.",
    )


def word_times(folder: Path, models: Sequence[str]) -> Table:
    rows = []
    for model in models:
        found = [
            word for row in rows_of(folder / f"test-clean-dev.{model}.words.jsonl") for word in row["words"]
        ]
        if not found:
            continue
        begins = sorted(abs(word[1] - word[3]) for word in found)
        ends = sorted(abs(word[2] - word[4]) for word in found)
        cells = [
            f"{1000 * values[int(share * (len(values) - 1))]:.0f}"
            for values in (begins, ends)
            for share in (0.5, 0.9)
        ]
        rows.append((model.removeprefix("whisper-"), f"{len(found):,}", *cells))
    return Table(
        "Word times of test-clean-dev beside faster-whisper's own `word_timestamps`, same texts, difference in ms",
        ("model", "words", "begin, median", "begin, 90 %", "end, median", "end, 90 %"),
        tuple(rows),
    )


def edits(folder: Path, models: Sequence[str]) -> Table:
    """Words that the corrector changed in p232, and where they are heard."""
    rows = []
    for model in models:
        for row in rows_of(folder / f"p232.{model}.edits.jsonl"):
            edit, before = row["edit"], row["before"]
            rows.append(
                (
                    f"{model.removeprefix('whisper-')}: {row['id']}",
                    edit["from"] or "nothing",
                    f"{before['start']:.2f} - {before['end']:.2f}",
                    edit["to"] or "nothing",
                    f"{edit['start']:.2f} - {edit['end']:.2f}",
                )
            )
    return Table(
        "Words that the corrector changed in p232, and where each text has them, in s",
        ("file", "recognized", "heard at", "corrected", "heard at"),
        tuple(rows),
        "The recognizer aligns either text as a whole; what is deleted lies between its neighbors.",
    )
