"""Which lists a base learns from, which the arms learn from, and which they are tested on.

Where a base is trained, the sentences of the training lists are halved: the base learns from one half, the arms from
the other. Had the base seen what an arm trains on, it would know the answers by heart, and the arm would learn to
trust that. No sentence of the base is among those of the arms, and none of either among those of the test; this is
checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.experiments.measures.conditions import level, sentence, snr_db
from robustger.experiments.data import ExperimentData, embedding_files, has_reference
from robustger.experiments.kept_embeddings import KeptDigest, kept_path
from robustger.files import sha256_of
from robustger.hypotheses import NBest, atomic_writer, load_nbest, save_nbest
from robustger.recognition.bulk.journal import UNSPOKEN

KINDS = ("noisy", "clean")
COMPOSITION = "composition.json"
FOLDER = "lists"
# What of the settings of `robustger nbest` makes lists what they are. Not the manifest and its shards.
SETTINGS = ("recognizer", "model", "model_sha256", "options", "n", "beams", "normalizer", "embedding_frames")


@dataclass(frozen=True, slots=True)
class ListFiles:
    """The files that `write_lists` wrote.

    Attributes:
        base: for the shared base; None where there is none to be trained.
        arms: for the arms, by the number of lists.
        available: how many lists there are for the arms.
        decoded: test lists that are corrected.
        test: all test lists, whose references are scored.
        heard: whether all lists have embeddings of both audios.
        overlaps: a line on each two sides that share sentences.
    """

    base: Path | None
    arms: dict[int, Path]
    available: int
    decoded: Path
    test: Path
    heard: bool
    overlaps: tuple[str, ...] = ()


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
                    "recognizer and search"
                )
    return first


def write_lists(
    data: ExperimentData,
    runs: Path,
    counts: Sequence[int | None],
    sentences: int | None,
    *,
    halved: bool,
    quick: bool = False,
    say: Callable[[str], None],
) -> ListFiles:
    """Selects the lists of trainings and writes them to a folder in `runs`, with links to their embeddings.

    Selections are by hashes of ids, so that fewer lists are always among more, and lists that are added to the data
    move no other to another side. What they are made of goes to composition.json. Lists that are there already stay
    untouched; other lists than those go to a folder beside them.

    Args:
        data: the lists there are.
        runs: folder of trainings.
        counts: how many lists arms learn from, one file for each; None, or more than there are, for all.
        sentences: how many test sentences are decoded; None, or more than there are, for all.
        halved: whether half of the sentences are kept for a base.
        quick: whether a few test lists are enough, also where references are scored.
        say: prints a line.

    Raises:
        InputError: there is nothing to train on, or a file is broken; or the files were made with other recognizers or
            settings; or, in a laboratory, a sentence is on two sides.
    """
    if not data.train:
        raise InputError(f"{data.source}: has no lists to train on")
    tests = [path for paths in data.tests.values() for path in paths]
    files = [*data.train, *tests]
    summarized = files if data.lab else [path for path in files if path.with_suffix(".run.json").exists()]
    settings = check_settings(summarized) if summarized else {}
    made = {path.name: load_nbest(path) for path in data.train}
    usable, heard = _usable(made.values(), say)
    test, complete = _test_lists(data, quick)
    heard = heard and all(map(_has_embeddings, test))
    halves: tuple[list[NBest], list[NBest]] = ([], [])
    for nbest in usable:
        halves[int(_key(f"half {sentence(nbest)}"), 16) % 2 if halved else 1].append(nbest)
    sides = {"the base": halves[0], "the arms": halves[1], "the test": test}
    overlaps = _overlaps(sides, strict=data.lab)
    for line in overlaps:
        say(line)
    chosen = sorted(halves[1], key=lambda nbest: _key(nbest.id))
    if not chosen:
        raise InputError(f"{data.source}: has no list that could be trained on")
    wanted = sorted({min(len(chosen), count or len(chosen)) for count in counts})
    if any((count or 0) > len(chosen) for count in counts):
        say(f"{len(chosen)} lists are all there are to train on, not {max(count or 0 for count in counts)}")
    kept = set(complete[:sentences])
    decoded = [nbest for nbest in test if sentence(nbest) in kept]
    parts = {f"arms-{count}.jsonl": chosen[:count] for count in wanted}
    parts |= {f"decoded-{len(kept)}.jsonl": decoded, "test.jsonl": test}
    if halved:
        parts["base.jsonl"] = halves[0]
    made |= {"of the base": halves[0]} if halved else {}
    made |= {f"of arms with lists={count}": chosen[:count] for count in wanted}
    composition = _composition(made | {"tested": test, "decoded": decoded}, settings)
    folder = _settled(parts, composition, runs, {path.name: path.parent for path in _embeddings_of(files)})
    for name, count in composition["composition"].items():
        say(f"{name}: {count['lists']} lists of {count['sentences']} sentences")
    return ListFiles(
        folder / "base.jsonl" if halved else None,
        {count: folder / f"arms-{count}.jsonl" for count in wanted},
        len(chosen),
        folder / f"decoded-{len(kept)}.jsonl",
        folder / "test.jsonl",
        heard,
        overlaps,
    )


def _usable(made: Iterable[list[NBest]], say: Callable[[str], None]) -> tuple[list[NBest], bool]:
    """The lists to train on, and whether they have embeddings of both audios: those that have, or all if none has."""
    unique = {nbest.id: nbest for lists in reversed(list(made)) for nbest in lists}
    lists = [nbest for nbest in unique.values() if has_reference(nbest)]
    heard = [nbest for nbest in lists if _has_embeddings(nbest)]
    kept = heard or lists
    if len(kept) < len(unique):
        also = " or no embedding of both audios" if heard else ""
        say(f"{len(unique) - len(kept)} lists have no reference{also}; left out")
    return kept, bool(heard)


def _test_lists(data: ExperimentData, quick: bool) -> tuple[list[NBest], list[str]]:
    """The lists that trainings are tested on, and their sentences in a drawn order.

    Where SNRs are named: those at these SNRs, of the sentences that have a list at each.
    """
    lists = [nbest for one in data.test_lists(quick).values() for nbest in one]
    snrs = set(map(level, data.snrs_db or ()))
    if snrs:
        lists = [nbest for nbest in lists if snr_db(nbest) in snrs]
    found: dict[str, set[float | None]] = defaultdict(set)
    for nbest in lists:
        found[sentence(nbest)].add(snr_db(nbest))
    complete = {name for name, there in found.items() if there >= snrs}
    if not complete:
        where = ", ".join(str(path) for paths in data.tests.values() for path in paths)
        raise InputError(f"{where}: no sentence has lists at all of {', '.join(map(str, sorted(snrs)))} dB")
    return [nbest for nbest in lists if sentence(nbest) in complete], sorted(complete, key=_key)


def _overlaps(sides: dict[str, list[NBest]], *, strict: bool) -> tuple[str, ...]:
    """A line on each two sides that share sentences: by what was said, which a new id does not hide.

    Raises:
        InputError: a sentence is on two sides, and `strict`.
    """
    seen: dict[str, tuple[str, str]] = {}
    twice: Counter[tuple[str, str]] = Counter()
    for side, lists in sides.items():
        for nbest in lists:
            said = " ".join((nbest.reference or "").lower().split())
            other, id_ = seen.setdefault(said, (side, nbest.id))
            if other != side:
                if strict:
                    raise InputError(
                        f"list {nbest.id!r} of {side} has the sentence of {id_!r} of {other}; take one of them away"
                    )
                twice[side, other] += 1
    return tuple(
        f"{count:,} lists of {side} have a sentence that {other} have, too."
        for (side, other), count in twice.items()
    )


def _composition(made: dict[str, list[NBest]], settings: dict[str, Any]) -> dict[str, Any]:
    counted = {
        name: {"lists": len(lists), "sentences": len(set(map(sentence, lists)))}
        for name, lists in made.items()
    }
    return {"settings": settings, "composition": counted}


def _settled(
    parts: dict[str, list[NBest]], composition: dict[str, Any], runs: Path, sources: dict[str, Path]
) -> Path:
    """Writes the files, and returns the folder: `lists`, or one beside it where others are in that."""
    runs.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{FOLDER}.", dir=runs))
    try:
        digest = hashlib.sha256()
        for name, lists in sorted(parts.items()):
            save_nbest(lists, partial / name)
            for file in embedding_files(lists):
                source = kept_path(sources[file] / file) or sources[file] / file
                if not (link := partial / source.name).is_symlink():
                    os.symlink(source.resolve(), link)
            digest.update(f"{name} {digest_of(partial / name)}\n".encode())
        with atomic_writer(partial / COMPOSITION) as file:
            file.write(json.dumps(composition, indent=1) + "\n")
        for folder in (runs / FOLDER, runs / f"{FOLDER}-{digest.hexdigest()[:8]}"):
            if all(_same(path, folder / path.name) for path in partial.iterdir() if path.name != COMPOSITION):
                folder.mkdir(exist_ok=True)
                for path in partial.iterdir():
                    if not (folder / path.name).exists():
                        os.replace(path, folder / path.name)
                return folder
        raise InputError(f"{folder}: holds other lists than its name says; remove it")
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _same(made: Path, there: Path) -> bool:
    """Whether a file is there with the same content, or not at all."""
    if not there.exists() or there.samefile(made):
        return True
    return made.stat().st_size == there.stat().st_size and made.read_bytes() == there.read_bytes()


def digest_of(path: Path) -> str:
    """The digest of lists and of the embeddings that they name; a kept digest stands in for embeddings that are not there.

    Raises:
        InputError: neither a file of embeddings nor its digest is there.
    """
    digest = hashlib.sha256(path.read_bytes())
    for name in embedding_files(load_nbest(path)):
        embeddings = path.parent / name
        if embeddings.exists():
            digest.update(embeddings.read_bytes())
            continue
        kept = KeptDigest.of(embeddings, path.name)
        if (known := kept.lists.get(sha256_of(path))) is not None:
            return known
        digest.update(kept.sha256.encode())
    return digest.hexdigest()[:16]


def _has_embeddings(nbest: NBest) -> bool:
    return all((nbest.audio_embedding or {}).get(kind) is not None for kind in KINDS)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _embeddings_of(files: Iterable[Path]) -> list[Path]:
    """The files of embeddings that lists name, each once.

    Raises:
        InputError: files of one name are in two folders.
    """
    found: dict[str, Path] = {}
    for path in files:
        for name in embedding_files(load_nbest(path)):
            other = found.setdefault(name, path.parent / name)
            if other.parent.resolve() != path.parent.resolve():
                raise InputError(
                    f"{other} and {path.parent / name}: of one name; rename the lists of one of them"
                )
    return list(found.values())
