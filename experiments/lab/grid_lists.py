"""The lists of the laboratory's grid: what its base learns from, what its arms learn from, what they are tested on.

The sentences of the corrector's lists are halved: the base learns from one half, the arms from the other. Had the base
seen what an arm trains on, it would know the answers by heart, and the arm would learn to trust that.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustger.errors import InputError
from robustger.hypotheses import NBest, load_nbest, save_nbest

SNRS_DB = (0, 5, 10)  # of the test
KINDS = ("noisy", "clean")


@dataclass(frozen=True, slots=True)
class ListFiles:
    """The files that `write_lists` wrote.

    Attributes:
        base: for the shared base.
        arms: for the arms, by the number of lists.
        decoded: test lists that are corrected.
        test: all test lists at `SNRS_DB`, whose references are scored.
    """

    base: Path
    arms: dict[int, Path]
    decoded: Path
    test: Path


def sentence(nbest: NBest) -> str:
    """What was said, by whom: the resampling unit; its mixtures have it as the beginning of their ids."""
    return nbest.id.split("_")[0]


def write_lists(lab: Path, folder: Path, counts: Sequence[int], sentences: int | None) -> ListFiles:
    """Selects the lists of a grid and writes them to `folder`, with links to their embeddings.

    Selections are by hashes of ids, so that fewer lists are always among more, and lists that are added to the
    laboratory move no other to another side.

    Args:
        lab: the laboratory's folder; its lists are in `lists`.
        folder: is written to.
        counts: how many lists arms learn from; one file for each.
        sentences: how many test sentences are decoded; None for all.

    Raises:
        InputError: a file is missing or broken, or holds fewer lists or sentences than asked for.
    """
    source = lab / "lists"
    files = sorted(source.glob("corrector-*.jsonl"))
    if not files:
        raise InputError(f"{source}: no corrector-*.jsonl there; make the laboratory first (make lab)")
    unique = {nbest.id: nbest for file in reversed(files) for nbest in load_nbest(file)}
    heard = [nbest for nbest in unique.values() if nbest.reference and _has_embeddings(nbest)]
    if len(heard) < len(unique):
        lacking = len(unique) - len(heard)
        print(f"{lacking} lists have no reference or no embedding of both audios; left out", file=sys.stderr)
    halves: tuple[list[NBest], list[NBest]] = ([], [])
    for nbest in heard:
        halves[int(_key(f"half {sentence(nbest)}"), 16) % 2].append(nbest)
    folder.mkdir(parents=True, exist_ok=True)
    base = _saved(halves[0], folder / "base.jsonl", source)
    chosen = _ordered(halves[1])
    for count in counts:
        if not 1 <= count <= len(chosen):
            raise InputError(f"lists={count}: {source} has {len(chosen)} lists for the arms; ask for no more")
    arms = {count: _saved(chosen[:count], folder / f"arms-{count}.jsonl", source) for count in counts}
    test, complete = _test_lists(source / "test.jsonl")
    if sentences is not None and not 1 <= sentences <= len(complete):
        raise InputError(f"--sentences {sentences}: {source / 'test.jsonl'} has {len(complete)}")
    kept = set(complete[:sentences])
    decoded = [nbest for nbest in test if sentence(nbest) in kept]
    decoded_path = _saved(decoded, folder / f"decoded-{len(kept)}.jsonl", source)
    return ListFiles(base, arms, decoded_path, _saved(test, folder / "test.jsonl", source))


def digest_of(path: Path) -> str:
    """Of lists and the embeddings that they name."""
    digest = hashlib.sha256(path.read_bytes())
    for name in _embedding_files(load_nbest(path)):
        digest.update((path.parent / name).read_bytes())
    return digest.hexdigest()[:16]


def snr_db(nbest: NBest) -> int | None:
    value = nbest.meta.get("snr_db")
    return None if value is None else round(value)


def _test_lists(path: Path) -> tuple[list[NBest], list[str]]:
    """The lists at `SNRS_DB` of the sentences that have one at each of them, and these sentences in a drawn order."""
    lists = [nbest for nbest in load_nbest(path) if nbest.reference and snr_db(nbest) in SNRS_DB]
    times = Counter(map(sentence, lists))
    complete = {name for name, count in times.items() if count == len(SNRS_DB)}
    if not complete:
        raise InputError(f"{path}: no sentence has lists at {', '.join(map(str, SNRS_DB))} dB")
    return [nbest for nbest in lists if sentence(nbest) in complete], sorted(complete, key=_key)


def _has_embeddings(nbest: NBest) -> bool:
    return all((nbest.audio_embedding or {}).get(kind) is not None for kind in KINDS)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _ordered(lists: Iterable[NBest]) -> list[NBest]:
    return sorted(lists, key=lambda nbest: _key(nbest.id))


def _embedding_files(lists: Iterable[NBest]) -> list[str]:
    places = (nbest.audio_embedding for nbest in lists)
    return sorted({str(place["file"]) for place in places if place})


def _saved(lists: Sequence[NBest], path: Path, source: Path) -> Path:
    save_nbest(lists, path)
    for name in _embedding_files(lists):
        link = path.with_name(name)
        if not link.exists():
            link.unlink(missing_ok=True)  # a link that leads nowhere any more
            os.symlink((source / name).resolve(), link)
    return path
