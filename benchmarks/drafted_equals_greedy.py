"""Drafted decoding against `generate`, token for token: python benchmarks/drafted_equals_greedy.py [LISTS.jsonl ...]

Answers every list twice in float32, with the preset `whisper`: from drafts, and by greedy `generate` in the same
batches, one token a pass. Prints how many answers differ, and a histogram of the passes of the language model for a
list, including those of the guard. Without LISTS it takes all dev lists of HyPoradise in `$ROBUSTGER_DATA`, which lasts
half an hour on two cores.

The results are kept in `runs/drafted_equals_greedy` after every batch, in one file for every file of lists. So a
stopped command continues, and two commands may work on different files at once. A list is answered again if the source
of the package's decoding, torch or transformers has changed since. The exit code is 1 if answers differ. For each such
answer, the command prints how far the logits of the first two different tokens are apart: rounding moves logits by
about 1e-4, and a larger difference is a mistake.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.decoding import Prompts, generated, read_tokens
from benchmarks.timing import machine, significant

from robustger.correction import Corrector
from robustger.correction.decoding.reading import Reading
from robustger.correction.guards.margin_guard import edited_stretches, keep_sure_stretches
from robustger.files import write_bytes
from robustger.hypotheses import NBest, load_nbest

BATCH = 16
FOLDER = Path("runs/drafted_equals_greedy")

Found = dict[str, Any]
"""What is kept of a list; see `answered`."""


def dev_lists() -> list[Path]:
    """The dev lists of HyPoradise."""
    data = os.environ.get("ROBUSTGER_DATA")
    found = sorted((Path(data) / "hyporadise").glob("*.dev.jsonl")) if data else []
    if not found:
        sys.exit("drafted_equals_greedy: no *.dev.jsonl in $ROBUSTGER_DATA/hyporadise; name files of lists")
    return found


def depends_on() -> str:
    """A digest of what decides answers and passes beside the lists."""
    digest = hashlib.sha256(f"{torch.__version__} {transformers.__version__}".encode())
    package = Path(str(files("robustger")))
    for room in ("correction", "noise"):
        for source in sorted((package / room).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@torch.no_grad()
def answered(corrector: Corrector, lists: Sequence[NBest]) -> list[Found]:
    """Both answers to each list of a batch, compared.

    Returns:
        for each list whether the answers are the `same`, how far apart the logits of the two tokens are where they
        part (`gap`), the `passes` of drafted decoding, those `with_guard` too, the `tokens` of the answer with its end,
        the `stretches` of the 1-best that it edits, and whether all hypotheses are `agreeing`.
    """
    prompts = Prompts.of(corrector, lists)
    end = corrector.tokens.end
    reading = Reading(corrector.llm, prompts.tokens, prompts.noise, end)
    limits = [corrector.config.max_new_tokens] * len(lists)
    answers, best_log_probabilities = reading.decode(prompts.drafts, limits)
    passes = list(reading.passes)
    greedy = generated(corrector, [prompts])
    bests = [" ".join(nbest.best.split()) for nbest in lists]
    texts = [corrector.tokens.text(answer.tokens) for answer in answers]
    keep_sure_stretches(
        reading,
        corrector.answer_tokens,
        bests,
        [text if answer.finished else best for text, answer, best in zip(texts, answers, bests, strict=True)],
        [answer.log_probability for answer in answers],
        best_log_probabilities,
        corrector.config.guard.min_gain or 0.0,
    )
    found = []
    for row, (answer, theirs) in enumerate(zip(answers, greedy, strict=True)):
        gap = None
        if answer.tokens != theirs:
            gap = parting(corrector, prompts.rows([row]), answer.tokens, theirs)
        found.append(
            {
                "same": answer.tokens == theirs,
                "gap": gap,
                "passes": passes[row],
                "with_guard": reading.passes[row],
                "tokens": answer.length,
                "stretches": len(edited_stretches(bests[row].split(), texts[row].split())),
                "agreeing": prompts.agreeing[row],
            }
        )
    return found


def parting(corrector: Corrector, prompt: Prompts, own: Sequence[int], theirs: Sequence[int]) -> float:
    """By how much the logits of two answers' tokens differ in the first place where the answers do."""
    end = corrector.tokens.end
    pairs = list(zip([*own, end], [*theirs, end], strict=False))
    at = next(place for place, (one, other) in enumerate(pairs) if one != other)
    ids = torch.tensor([[*prompt.tokens[0], *own[:at]]])
    one, other = corrector.logits(ids, prompt.noise)[0, -1, list(pairs[at])].tolist()
    return significant(abs(one - other))


def batches(corrector: Corrector, lists: Iterable[NBest]) -> Iterator[list[NBest]]:
    """Lists of like length together."""
    ordered = sorted(lists, key=lambda nbest: read_tokens(corrector, nbest))
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]


def compare(corrector: Corrector, source: Path, folder: Path, most: int | None) -> list[Found]:
    """What is found of the first `most` lists of a file, of those too that were compared by an earlier run."""
    record = folder / f"{source.name.removesuffix('.jsonl')}.json"
    kept: dict[str, Any] = {"depends_on": depends_on(), "lists": {}}
    if record.exists():
        earlier = json.loads(record.read_text(encoding="utf-8"))
        if earlier["depends_on"] == kept["depends_on"]:
            kept = earlier
    done: dict[str, Found] = kept["lists"]
    lists = list(load_nbest(source))[:most]
    folder.mkdir(parents=True, exist_ok=True)
    for batch in batches(corrector, [nbest for nbest in lists if nbest.id not in done]):
        done |= {nbest.id: found for nbest, found in zip(batch, answered(corrector, batch), strict=True)}
        write_bytes(record, json.dumps(kept).encode())
        print(f"{source.name}: {len(done)} lists", file=sys.stderr, flush=True)
    return [done[nbest.id] for nbest in lists]


def summary(found: Sequence[Found]) -> dict[str, Any]:
    """The figures of some lists."""

    def mean(key: str) -> float:
        return statistics.mean(each[key] for each in found)

    return {
        "lists": len(found),
        "different": sum(not each["same"] for each in found),
        "gaps": sorted(each["gap"] for each in found if not each["same"]),
        "agreeing": sum(each["agreeing"] for each in found),
        "tokens": mean("tokens"),
        "stretches": mean("stretches"),
        "median_passes": statistics.median(each["passes"] for each in found),
        "mean_passes": mean("passes"),
        "mean_passes_beyond_stretches": mean("passes") - mean("stretches"),
        "mean_passes_with_guard": mean("with_guard"),
        "passes": histogram(each["passes"] for each in found),
        "passes_with_guard": histogram(each["with_guard"] for each in found),
    }


def histogram(counts: Iterable[int]) -> dict[str, int]:
    """How often each number comes."""
    return {str(number): count for number, count in sorted(Counter(counts).items())}


def table(summaries: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures by file, as Markdown, and the histograms of the last."""
    lines = [
        "| lists | number | different | tokens | edited stretches | passes, median | mean | beyond stretches "
        "| mean with guard |",
        "|---|" + "---:|" * 8,
    ]
    for name, of in summaries.items():
        cells = (
            *(
                name,
                f"{of['lists']:,}",
                f"{of['different']}",
                f"{of['tokens']:.1f}",
                f"{of['stretches']:.2f}",
            ),
            *(f"{of['median_passes']:g}", f"{of['mean_passes']:.2f}"),
            *(f"{of['mean_passes_beyond_stretches']:.2f}", f"{of['mean_passes_with_guard']:.2f}"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    _, last = list(summaries.items())[-1]
    numbers = sorted({int(number) for key in ("passes", "passes_with_guard") for number in last[key]})
    lines += ["", f"| passes | {' | '.join(map(str, numbers))} |", "|---|" + "---:|" * len(numbers)]
    for name, key in (("decoding", "passes"), ("with guard", "passes_with_guard")):
        lines.append(f"| {name} | {' | '.join(f'{last[key].get(str(n), 0):,}' for n in numbers)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("lists", nargs="*", type=Path, metavar="LISTS", help="N-best JSONL")
    parser.add_argument("--most", type=int, metavar="N", help="no more than the first N lists of a file")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"what is done is kept there ({FOLDER})")
    options = parser.parse_args(arguments)
    corrector = Corrector.from_pretrained("whisper", torch.float32, "cpu")
    summaries = {}
    every: list[Found] = []
    for source in options.lists or dev_lists():
        found = compare(corrector, source, options.folder, options.most)
        summaries[source.name.partition(".")[0]] = summary(found)
        every += found
    summaries["all"] = summary(every)
    print(table(summaries))
    saved = {"machine": machine(), "dtype": "float32", "preset": "whisper", "files": summaries}
    (options.folder / "summary.json").write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    different = summaries["all"]["different"]
    print(f"{different} of {len(every):,} answers differ; saved to {options.folder}", file=sys.stderr)
    if different:
        sys.exit(f"drafted_equals_greedy: logits are apart by {summaries['all']['gaps']}")


if __name__ == "__main__":
    main()
