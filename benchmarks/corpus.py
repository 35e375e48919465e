"""Time and memory against the number of lists: python benchmarks/corpus.py [CHECKPOINT] [--quick]

Runs `robustger correct` on files of 100 to 10,000 lists in one process, the smallest file first. The peak of the
process's memory can only grow; if it does not grow, a larger file needs no more memory. Without CHECKPOINT, the
corrector is made of tiny random models whose answers end at once, so the benchmark measures the work around the models.
With a real corrector, such as `whisper`, it takes hours on a CPU.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.chain import TOY, chain_corrector
from benchmarks.lists import distinct_lists
from benchmarks.timing import Row, as_json, seconds, significant

SIZES = (100, 316, 1_000, 3_162, 10_000)
QUICK_SIZES = (20, 60)
TINY = replace(TOY, answer=0)
TINY_MODELS = "tiny models"
MEMORY_LISTS = 64


def correct_files(checkpoint: str, sizes: Sequence[int]) -> None:
    """In a process of its own: prints a line of JSON for what is loaded, and one for every size."""
    import torch

    from robustger.correction import Corrector
    from robustger.correction.files import correct_file
    from robustger.hypotheses import save_nbest

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if checkpoint == TINY_MODELS:
            corrector = chain_corrector(TINY, folder, torch.float32, "cpu")
        else:
            corrector = Corrector.from_pretrained(checkpoint, device="cpu")
        lists = distinct_lists(max(sizes))
        corrector.correct(lists[:16])  # what happens on first use is not what is measured
        source, target = folder / "lists.jsonl", folder / "corrected.jsonl"
        print(json.dumps({"resident": _resident("VmRSS")}), flush=True)
        # Forgets the peak of what was loaded; where that is not allowed, it counts too.
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            print("corpus: the peak of loading the models cannot be forgotten", file=sys.stderr)
        for size in sizes:
            save_nbest(lists[:size], source)
            # One run of small files says little; with real models it is long enough.
            repeats = max(1, min(5, 1_000 // size)) if checkpoint == TINY_MODELS else 1
            times = []
            busy = 0.0
            for _ in range(repeats):
                corrector.renew_noise()  # which remembers what it has seen
                begin = time.process_time()
                times.append(seconds(lambda: correct_file(lambda: corrector, source, target)))
                busy += (time.process_time() - begin) / repeats
            found = {
                "lists": size,
                "seconds": statistics.median(times),
                "processor_seconds": busy,
                "peak": _resident("VmHWM"),
            }
            print(json.dumps(found), flush=True)


def _resident(key: str) -> int:
    """Resident bytes of this process, now (`VmRSS`) or at most so far (`VmHWM`)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(next(line for line in status.splitlines() if line.startswith(key)).split()[1])


def _run(checkpoint: str, sizes: Sequence[int]) -> tuple[int, list[dict[str, float]]]:
    """What `correct_files` prints, from a process of its own: resident bytes before, and a point for every size."""
    command = [sys.executable, __file__, "--child", checkpoint, *map(str, sizes)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    loaded, *points = map(json.loads, printed.splitlines())
    return loaded["resident"], points


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the straight line through (log x, log y), by least squares: y grows as x to this power."""
    return statistics.linear_regression(
        *zip(*((math.log(x), math.log(y)) for x, y in points), strict=True)
    ).slope


def measure(quick: bool, checkpoint: str = TINY_MODELS) -> list[Row]:
    """How time grows with the number of lists, and how much memory they take."""
    sizes = QUICK_SIZES if quick else SIZES
    _, points = _run(checkpoint, sizes)
    # Lists go through in chunks of 256, so memory may still grow up to the first full one.
    middle, last = points[(len(points) - 1) // 2], points[-1]
    growth = Row(
        "g",
        f"power of the number of lists, {sizes[0]:,} to {sizes[-1]:,}, {checkpoint}",
        "1: twice the lists, twice the time",
        (exponent([(point["lists"], point["seconds"]) for point in points]),),
        "exponent",
        aim="0.95 to 1.05",
        details={
            "processor_time_exponent": significant(
                exponent([(point["lists"], point["processor_seconds"]) for point in points])
            ),
            "points": [
                {key: significant(value) if "seconds" in key else value for key, value in point.items()}
                for point in points
            ],
        },
    )
    memory = Row(
        "h",
        f"peak memory, {sizes[-1]:,} lists, {checkpoint}",
        f"{middle['lists']:,} lists",
        (last["peak"] / middle["peak"],),
        "x the memory",
        aim="1: flat",
        details={"megabytes": round(last["peak"] / 1e6), "baseline_megabytes": round(middle["peak"] / 1e6)},
    )
    return [growth, memory]


def measure_memory(quick: bool) -> list[Row]:
    """Peak memory while the preset `whisper` corrects, against what its models take."""
    lists = 4 if quick else MEMORY_LISTS
    loaded, [point] = _run("whisper", [lists])
    return [
        Row(
            "h",
            f"peak memory, {lists} lists, preset whisper",
            "its models, loaded",
            (point["peak"] / loaded,),
            "x the memory",
            details={"megabytes": round(point["peak"] / 1e6), "baseline_megabytes": round(loaded / 1e6)},
        )
    ]


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        return correct_files(sys.argv[2], [int(size) for size in sys.argv[3:]])
    checkpoints = [argument for argument in sys.argv[1:] if argument != "--quick"]
    rows = measure("--quick" in sys.argv[1:], *checkpoints)
    print(as_json(rows, benchmark="corpus"), end="")


if __name__ == "__main__":
    main()
