"""Selects the lists that a base learns from, that the arms learn from, and that both are tested on.

Where a base is trained, the sentences of the training lists are halved: the base learns from one half, the arms from
the other. A base that had seen the lists of an arm would know the answers by heart, and the arm would learn to trust
it. The code checks that base, arms and test have no sentence in common.
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
from robustger.experiments.conditions import level, sentence, snr_db
from robustger.experiments.data import ExperimentData, embedding_files, has_reference
from robustger.experiments.kept_embeddings import KeptDigest, is_whole, kept_paths, refuse_unkept
from robustger.files import atomic_writer, sha256_of
from robustger.hypotheses import NBest, load_nbest, save_nbest
from robustger.recognition.bulk.journal import UNSPOKEN

AUDIO_KINDS = ("noisy", "clean")
COMPOSITION = "composition.json"
FOLDER = "lists"
# The settings of `robustger nbest` that decide what lists look like; manifest and shards do not.
LIST_SETTINGS = (
    "recognizer",
    "model",
    "model_sha256",
    "options",
    "n",
    "beams",
    "normalizer",
    "embedding_frames",
)


@dataclass(frozen=True, slots=True)
class ListFiles:
    """The files that `write_lists` wrote.

    Attributes:
        base: the lists of the shared base; None where no base is trained.
        arms: the lists of the arms, by their number.
        available: how many lists there are for the arms.
        decoded: the test lists that are corrected.
        test: all test lists; their references are scored.
        heard: whether all lists have embeddings of the noisy and of the clean audio.
        overlaps: a line for each two sides that share sentences.
    """

    base: Path | None
    arms: dict[int, Path]
    available: int
    decoded: Path
    test: Path
    heard: bool
    overlaps: tuple[str, ...] = ()


def settings_of(lists: Path) -> dict[str, Any]:
    """The settings that made the lists of a file, `LIST_SETTINGS`, read from the run.json beside the file.

    Raises:
        InputError: there is no run.json, or it is broken.
    """
    path = lists.with_suffix(".run.json")
    try:
        given = UNSPOKEN | json.loads(path.read_text(encoding="utf-8"))["settings"]
    except FileNotFoundError:
        raise InputError(
            f"{path}: does not exist, so that nobody knows how {lists.name} was made; make {lists.name} again"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is not a summary of robustger nbest; make {lists.name} again") from None
    return {name: given.get(name) for name in LIST_SETTINGS}


def check_settings(files: Sequence[Path]) -> dict[str, Any]:
    """The settings that made all files.

    Raises:
        InputError: files were made with different settings.
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

    Lists are selected by hashes of their ids. A selection of fewer lists is therefore part of every larger one, and
    lists that are added to the data do not move others to another side. The file composition.json counts the lists of
    every part. Existing files with the same lists stay untouched; other lists go to a folder beside them.

    Args:
        data: the lists to select from.
        runs: folder of the trainings.
        counts: how many lists arms learn from, one file for each; None, or more than there are, for all.
        sentences: how many test sentences are decoded; None, or more than there are, for all.
        halved: whether half of the sentences are kept for a base.
        quick: whether a few test lists are enough, also for scoring references.
        say: prints a line of progress.

    Raises:
        InputError: there is nothing to train on, a file is broken, files were made with different recognizers or
            settings, or, in a laboratory, a sentence is on two sides.
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
        raise InputError(f"{data.source}: has no list to train on")
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
    """Selects the lists to train on: those with embeddings of both kinds of audio, or all where none has them.

    Returns:
        the lists, and whether they have the embeddings.
    """
    unique = {nbest.id: nbest for lists in reversed(list(made)) for nbest in lists}
    lists = [nbest for nbest in unique.values() if has_reference(nbest)]
    heard = [nbest for nbest in lists if _has_embeddings(nbest)]
    kept = heard or lists
    if len(kept) < len(unique):
        also = " or no embedding of both audios" if heard else ""
        say(f"{len(unique) - len(kept)} lists have no reference{also}; left out")
    return kept, bool(heard)


def _test_lists(data: ExperimentData, quick: bool) -> tuple[list[NBest], list[str]]:
    """The lists that trainings are tested on, and their sentences in an order drawn by hash.

    Where the data names SNRs, these are the lists at the named SNRs of the sentences that have a list at each of them.
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
    """A line for each two sides that share sentences; sentences are compared by their text, not by their ids.

    Raises:
        InputError: `strict`, and a sentence is on two sides.
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
    """Writes the files and returns their folder: `lists`, or one beside it where `lists` holds other lists."""
    runs.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{FOLDER}.", dir=runs))
    try:
        digest = hashlib.sha256()
        for name, lists in sorted(parts.items()):
            save_nbest(lists, partial / name)
            for file in embedding_files(lists):
                for source in kept_paths(sources[file] / file):
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
        raise InputError(f"{folder}: holds other lists than its name says; remove the folder")
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _same(made: Path, there: Path) -> bool:
    """Whether `there` does not exist or has the same content as `made`."""
    if not there.exists() or there.samefile(made):
        return True
    return made.stat().st_size == there.stat().st_size and made.read_bytes() == there.read_bytes()


def digest_of(path: Path) -> str:
    """The digest of a file of lists and of the embeddings that they name; a kept digest stands in for them.

    Raises:
        InputError: a file of embeddings and its digest are both missing.
    """
    digest = hashlib.sha256(path.read_bytes())
    for name in embedding_files(load_nbest(path)):
        embeddings = path.parent / name
        if is_whole(embeddings):
            digest.update(embeddings.read_bytes())
            continue
        kept = KeptDigest.of(embeddings, path.name)
        if (known := kept.lists.get(sha256_of(path))) is not None:
            return known
        digest.update(kept.sha256.encode())
    return digest.hexdigest()[:16]


def check_embeddings(path: Path, what: str) -> None:
    """Checks that the embeddings which a file of lists names are there.

    Args:
        path: the file of lists.
        what: needs the embeddings, with a verb: "3 trainings need".

    Raises:
        InputError: only the digest of an embedding file is kept; the message names the command that makes the file.
    """
    for name in embedding_files(load_nbest(path)):
        refuse_unkept(path.parent / name, what)


def _has_embeddings(nbest: NBest) -> bool:
    return all((nbest.audio_embedding or {}).get(kind) is not None for kind in AUDIO_KINDS)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _embeddings_of(files: Iterable[Path]) -> list[Path]:
    """The embedding files that lists name, each once.

    Raises:
        InputError: two folders hold embedding files of the same name.
    """
    found: dict[str, Path] = {}
    for path in files:
        for name in embedding_files(load_nbest(path)):
            other = found.setdefault(name, path.parent / name)
            if other.parent.resolve() != path.parent.resolve():
                raise InputError(
                    f"{other} and {path.parent / name}: have the same name; rename the lists of one of them"
                )
    return list(found.values())
