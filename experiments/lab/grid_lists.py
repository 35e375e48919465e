"""The lists of the laboratory's grid: what its base learns from, what its arms learn from, what they are tested on.

The sentences of the named parts of the corrector's lists are halved: the base learns from one half, the arms from the
other. Had the base seen what an arm trains on, it would know the answers by heart, and the arm would learn to trust
that. No sentence of the base is among those of the arms, and none of either among those of the test; this is checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.hypotheses import NBest, atomic_writer, load_nbest, save_nbest
from robustger.recognition.journal import UNSPOKEN

SNRS_DB = (0, 5, 10)  # of the test
KINDS = ("noisy", "clean")
PARTS = ("corrector-more",)  # in voices that the recogniser has not heard, as those of the test
COMPOSITION = "composition.json"
# What of the settings of `robustger nbest` makes lists what they are. Not the manifest and its shards.
SETTINGS = ("recognizer", "model", "model_sha256", "options", "n", "beams", "normalizer", "embedding_frames")


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


def settings_of(lists: Path) -> dict[str, Any]:
    """What made the lists of a file, by the run.json beside it: `SETTINGS`.

    Raises:
        InputError: there is no run.json, or it is broken.
    """
    path = lists.with_suffix(".run.json")
    try:
        given = UNSPOKEN | json.loads(path.read_text(encoding="utf-8"))["settings"]
    except FileNotFoundError:
        raise InputError(
            f"{path}: not there, so nobody knows how {lists.name} was made; make it anew"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is no summary of robustger nbest; make {lists.name} anew") from None
    return {name: given.get(name) for name in SETTINGS}


def check_settings(files: Sequence[Path]) -> dict[str, Any]:
    """Returns the settings that made all files.

    Raises:
        InputError: they differ.
    """
    first = settings_of(files[0])
    for file in files[1:]:
        for name, value in settings_of(file).items():
            if value != first[name]:
                raise InputError(
                    f"{file}: was made with {name} {value!r}, {files[0].name} with {first[name]!r}; take lists of one "
                    "recogniser and search"
                )
    return first


def write_lists(
    lab: Path,
    folder: Path,
    counts: Sequence[int],
    sentences: int | None,
    parts: Sequence[str] = PARTS,
) -> ListFiles:
    """Selects the lists of a grid and writes them to `folder`, with links to their embeddings.

    Selections are by hashes of ids, so that fewer lists are always among more, and lists that are added to the
    laboratory move no other to another side. What they are made of is printed, and written to composition.json.

    Args:
        lab: the laboratory's folder; its lists are in `lists`.
        folder: is written to.
        counts: how many lists arms learn from; one file for each.
        sentences: how many test sentences are decoded; None for all.
        parts: of the corrector's lists: PART.jsonl.

    Raises:
        InputError: a file is missing or broken, or holds fewer lists or sentences than asked for; or the files were
            made with other recognisers or settings; or a sentence is on two sides.
    """
    source = lab / "lists"
    files = [source / f"{part}.jsonl" for part in parts]
    for file in files:
        if not file.exists():
            raise InputError(f"{file}: not there; make the laboratory first (make lab)")
    settings = check_settings([*files, source / "test.jsonl"])
    made = {file.name: load_nbest(file) for file in files}
    unique = {nbest.id: nbest for lists in reversed(made.values()) for nbest in lists}
    heard = [nbest for nbest in unique.values() if nbest.reference and _has_embeddings(nbest)]
    if len(heard) < len(unique):
        lacking = len(unique) - len(heard)
        print(f"{lacking} lists have no reference or no embedding of both audios; left out", file=sys.stderr)
    halves: tuple[list[NBest], list[NBest]] = ([], [])
    for nbest in heard:
        halves[int(_key(f"half {sentence(nbest)}"), 16) % 2].append(nbest)
    test, complete = _test_lists(source / "test.jsonl")
    _check_disjoint({"the base": halves[0], "the arms": halves[1], "the test": test})
    folder.mkdir(parents=True, exist_ok=True)
    base = _saved(halves[0], folder / "base.jsonl", source)
    chosen = _ordered(halves[1])
    for count in counts:
        if not 1 <= count <= len(chosen):
            raise InputError(f"lists={count}: {source} has {len(chosen)} lists for the arms; ask for no more")
    arms = {count: _saved(chosen[:count], folder / f"arms-{count}.jsonl", source) for count in counts}
    if sentences is not None and not 1 <= sentences <= len(complete):
        raise InputError(f"--sentences {sentences}: {source / 'test.jsonl'} has {len(complete)}")
    kept = set(complete[:sentences])
    decoded = [nbest for nbest in test if sentence(nbest) in kept]
    decoded_path = _saved(decoded, folder / f"decoded-{len(kept)}.jsonl", source)
    made |= {"of the base": halves[0]} | {f"of arms with lists={count}": chosen[:count] for count in counts}
    _say_composition(made | {"tested": test, "decoded": decoded}, settings, folder / COMPOSITION)
    return ListFiles(base, arms, decoded_path, _saved(test, folder / "test.jsonl", source))


def _say_composition(made: dict[str, list[NBest]], settings: dict[str, Any], path: Path) -> None:
    counted = {
        name: {"lists": len(lists), "sentences": len(set(map(sentence, lists)))}
        for name, lists in made.items()
    }
    with atomic_writer(path) as file:
        file.write(json.dumps({"settings": settings, "composition": counted}, indent=1) + "\n")
    for name, count in counted.items():
        print(f"{name}: {count['lists']} lists of {count['sentences']} sentences", file=sys.stderr)
    print("no sentence of the base is among those of the arms or of the test", file=sys.stderr)


def _check_disjoint(sides: dict[str, list[NBest]]) -> None:
    """By what was said, which a new id does not hide.

    Raises:
        InputError: a sentence is on two sides.
    """
    seen: dict[str, tuple[str, str]] = {}
    for side, lists in sides.items():
        for nbest in lists:
            said = " ".join((nbest.reference or "").lower().split())
            other, id_ = seen.setdefault(said, (side, nbest.id))
            if other != side:
                raise InputError(
                    f"list {nbest.id!r} of {side} has the sentence of {id_!r} of {other}; take one of them away"
                )


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
