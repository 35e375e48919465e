"""Keeps what `make results` needs of a laboratory as two archives, and lays it out again.

    python -m lab.kept pack LAB RUNS      # writes the archives beside this file
    python -m lab.kept unpack LAB RUNS    # files that are there already stay

The archives hold the N-best lists, the results of every training, and the weights of the trainings into which a figure
looks. Of the embeddings of the audio, which are large, they hold those that a figure shows, and digests of all of them
(see `robustger.experiments.kept_embeddings`). To train again, make the laboratory again with `make lab`.
"""

from __future__ import annotations

import argparse
import io
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from robustger.experiments.conditions import snr_db
from robustger.experiments.data import LAB_SNRS_DB, embedding_files
from robustger.experiments.kept_embeddings import KeptDigest, digest_path
from robustger.experiments.runs.selection import FOLDER, digest_of
from robustger.files import sha256_of
from robustger.hypotheses import load_nbest
from robustger.hypotheses.audio_embeddings import embeddings_path

KEPT = Path(__file__).with_name("kept")
LISTS, RUNS = KEPT / "lists.tar.xz", KEPT / "runs.tar.xz"
PARTS = ("corrector-more", "dev-1", "dev-2", "dev-3", "test", "test-clean")
WITH_EMBEDDINGS = ("test", "test-clean")  # the experiment `embedding` shows them
RUN_FILES = ("run.json", "results.json", "corrections.jsonl", "training.yaml", "log.jsonl", "seconds.txt")
WITH_WEIGHTS = re.compile(r"(robustger|mine-paper)-\d+")  # and into the weights of these trainings

Entry = tuple[str, bytes]  # a file's path in the archive, and its content


def kept_lists(lab: Path, runs: Path) -> Iterator[Entry]:
    """The lists that experiments read, with digests of their embeddings and those embeddings that a figure shows.

    Args:
        lab: folder of the laboratory.
        runs: folder of the trainings, which holds the lists that they were made of.
    """
    for part in PARTS:
        lists = lab / "lists" / f"{part}.jsonl"
        for path in (lists, lists.with_suffix(".run.json")):
            yield path.relative_to(lab).as_posix(), path.read_bytes()
        embeddings = embeddings_path(lists)
        content = kept_digest(embeddings, runs / FOLDER).to_json().encode()
        yield digest_path(embeddings).relative_to(lab).as_posix(), content
        if part in WITH_EMBEDDINGS:
            yield embeddings.relative_to(lab).as_posix(), shown_embeddings(lists)


def shown_embeddings(lists: Path) -> bytes:
    """The content of a file with the embeddings that the experiment `embedding` shows; the other rows are NaN.

    These are the embeddings of the lists' own audio, in clean speech or at the SNRs of the experiments.
    """
    from safetensors.numpy import load_file, save

    found = load_file(embeddings_path(lists))
    rows = np.full_like(found["noisy"], np.nan)
    for nbest in load_nbest(lists):
        if snr_db(nbest) is None or snr_db(nbest) in LAB_SNRS_DB:
            row = (nbest.audio_embedding or {})["noisy"]
            rows[row] = found["noisy"][row]
    return save({"noisy": rows, "noisy.ids": found["noisy.ids"]})


def kept_digest(embeddings: Path, trained_on: Path) -> KeptDigest:
    """The digest that is kept in the place of embeddings.

    Args:
        embeddings: the file.
        trained_on: the folder of the lists that trainings were made of; the digest of each file there that names the
            embeddings is recorded.
    """
    lists = {
        sha256_of(path): digest_of(path)
        for path in sorted(trained_on.glob("*.jsonl"))
        if embeddings.name in embedding_files(load_nbest(path))
    }
    return KeptDigest(sha256_of(embeddings), lists)


def kept_runs(runs: Path) -> Iterator[Entry]:
    """What tables and figures read of every training that is done, and the transcripts of the baselines.

    The absolute path of the folder is left out of what is kept: it is written as it was given.
    """
    here, given = str(runs.resolve()).encode(), str(runs).encode()
    for path in _run_files(runs):
        content = path.read_bytes()
        if path.suffix != ".safetensors":
            content = content.replace(here, given)
        yield path.relative_to(runs).as_posix(), content


def _run_files(runs: Path) -> Iterator[Path]:
    for done in sorted(runs.glob("*/results.json")):
        yield from (path for name in RUN_FILES if (path := done.parent / name).exists())
        if WITH_WEIGHTS.fullmatch(done.parent.name):
            yield from sorted(path for path in (done.parent / "best").iterdir() if path.is_file())
    yield from sorted((runs / "texts").glob("*"))


def pack(archive: Path, entries: Iterable[Entry]) -> None:
    """Writes an archive; the same entries give the same bytes."""
    archive.parent.mkdir(exist_ok=True)
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))


def unpack(archive: Path, folder: Path) -> None:
    """Writes the files of an archive that are not in the folder yet."""
    with tarfile.open(archive) as tar:
        for entry in tar:
            if not (folder / entry.name).exists():
                tar.extract(entry, folder, filter="data")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Keep what `make results` needs of a laboratory as archives."
    )
    parser.add_argument(
        "action", choices=("pack", "unpack"), help="write the archives, or lay out their files"
    )
    parser.add_argument("lab", type=Path, help="folder of the laboratory")
    parser.add_argument("runs", type=Path, help="folder of the trainings")
    arguments = parser.parse_args()
    if arguments.action == "pack":
        pack(LISTS, kept_lists(arguments.lab, arguments.runs))
        pack(RUNS, kept_runs(arguments.runs))
        return
    if not (arguments.lab / "lists").exists():  # another laboratory's lists are not mixed with these
        unpack(LISTS, arguments.lab)
    unpack(RUNS, arguments.runs)


if __name__ == "__main__":
    main()
