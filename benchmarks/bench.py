"""Every benchmark in one table: python benchmarks/bench.py [--quick] [--json FILE] [--only PARTS]

Prints the table of ratios as Markdown. Saves it as JSON (FILE, default `runs/bench.json`) with every single value, the
sizes and the machine, and saves the curves beside it as PNG. `--quick` takes a minute or two and only shows that
everything works. `--only cf` runs parts c and f alone.

a, b  corrections against `generate` and against a loop in the released style
c     E_LN against one call of the sentence encoder per word and sentence
d     a training step with the noise prompt and distillation against one without
e     lists of five hypotheses against one hypothesis; in batches against one at a time
f     from audio to text against the audio's own time
g     time against words, hypotheses, batch size and number of lists
h     peak memory
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.timing import Row, save_json, table

# What is run, in order: the parts of the table it gives, its module, and the function in it.
PARTS = (
    ("ab", "decoding", "measure"),
    ("c", "noise_embedding", "measure"),
    ("d", "training_step", "measure"),
    ("e", "nbest_cost", "measure"),
    ("e", "nbest_throughput", "measure"),
    ("f", "end_to_end", "measure"),
    ("g", "scaling", "measure"),
    ("gh", "corpus", "measure"),
    ("h", "corpus", "measure_memory"),
)


def run(only: str, quick: bool) -> tuple[list[Row], list[str]]:
    """The rows of the parts asked for, and the names of the benchmarks that failed."""
    rows: list[Row] = []
    failed: list[str] = []
    for parts, module, function in PARTS:
        if not set(parts) & set(only):
            continue
        start = time.perf_counter()
        try:
            measure: Callable[[bool], list[Row]] = getattr(
                importlib.import_module(f"benchmarks.{module}"), function
            )
            rows += measure(quick)
        except (Exception, SystemExit):  # the others are worth having
            traceback.print_exc()
            failed.append(module)
        print(f"{module}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return sorted(rows, key=lambda row: row.part), failed


def save(rows: list[Row], path: Path, **about: object) -> None:
    """Writes the rows as JSON, and the curves beside it as PNG."""
    from benchmarks.scaling import plot

    save_json(rows, path, **about)
    if any("points" in row.details for row in rows):
        plot(rows, path.with_suffix(".png"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="show that it works, in a minute or two")
    parser.add_argument("--json", type=Path, default=Path("runs/bench.json"), metavar="FILE")
    parser.add_argument("--only", default="abcdefgh", metavar="PARTS", help="letters of the parts to run")
    options = parser.parse_args()
    start = time.perf_counter()
    rows, failed = run(options.only, options.quick)
    taken = round(time.perf_counter() - start)
    print(table(rows))
    save(rows, options.json, quick=options.quick, seconds=taken, failed=failed)
    print(f"{taken} s; saved to {options.json}", file=sys.stderr)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
