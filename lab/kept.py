"""Keeps the laboratory's lists and the results of its trainings as two archives, and lays them out again.

    python kept.py pack LAB RUNS      # writes the archives beside this file
    python kept.py unpack LAB RUNS    # what is there already stays

With them `make results` makes every table without hearing or training anything again. Of trainings are kept: what was
measured, what it was made of, and the weights where a figure needs them.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

KEPT = Path(__file__).with_name("kept")
LISTS, RUNS = KEPT / "lists.tar.xz", KEPT / "runs.tar.xz"
RUN_FILES = ("run.json", "results.json", "corrections.jsonl", "training.yaml", "log.jsonl", "seconds.txt")
WITH_WEIGHTS = ("robustger-", "mine-paper-")  # the experiment `embedding` looks into them


def of_lists(lab: Path) -> Iterable[Path]:
    """What `robustger nbest` wrote of the parts that experiments read."""
    for part in ("corrector-more", "dev-1", "dev-2", "dev-3", "test", "test-clean"):
        for suffix in (".jsonl", ".run.json", ".embeddings.safetensors"):
            yield lab / "lists" / f"{part}{suffix}"


def of_runs(runs: Path) -> Iterable[Path]:
    """What tables and figures read of every training that is done, and the transcripts of the baselines."""
    for done in sorted(runs.glob("*/results.json")):
        yield from (path for name in RUN_FILES if (path := done.parent / name).exists())
        if done.parent.name.startswith(WITH_WEIGHTS):
            yield from sorted(path for path in (done.parent / "best").iterdir() if path.is_file())
    yield from sorted((runs / "texts").glob("*"))


def pack(archive: Path, folder: Path, files: Iterable[Path]) -> None:
    """The same files give the same bytes, wherever the folder is: its absolute path is written as it was given."""
    archive.parent.mkdir(exist_ok=True)
    here, given = str(folder.resolve()).encode(), str(folder).encode()
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for file in files:
            content = file.read_bytes()
            if file.suffix != ".safetensors":
                content = content.replace(here, given)
            entry = tarfile.TarInfo(str(file.relative_to(folder)))
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))


def unpack(archive: Path, folder: Path) -> None:
    """Writes what is not there."""
    with tarfile.open(archive) as tar:
        for entry in tar:
            if not (folder / entry.name).exists():
                tar.extract(entry, folder, filter="data")


def main() -> None:
    action, lab, runs = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if action == "pack":
        pack(LISTS, lab, of_lists(lab))
        pack(RUNS, runs, of_runs(runs))
    elif action == "unpack":
        if not (lab / "lists").exists():  # another laboratory's lists are not mixed with these
            unpack(LISTS, lab)
        unpack(RUNS, runs)
    else:
        sys.exit(f"kept.py {action}: pack or unpack")


if __name__ == "__main__":
    main()
