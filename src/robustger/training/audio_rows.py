"""Finds the audio embedding of every list, so that batches can read it from the files that `robustger nbest` wrote."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings
from robustger.noise.audio_noise import AudioLookup, in_every_row
from robustger.training.lists import TrainingLists
from robustger.training.stored_rows import read_rows

REMEDY = {
    "noisy": "make the lists with `robustger nbest ... --embeddings`",
    "clean": "name every recording's `clean_audio` in the manifest and make the lists with `robustger nbest ... "
    "--embeddings`",
}
TOGETHER = "make lists and embeddings together, with `robustger nbest ... --embeddings`"
MOST_LACKING = 0.05  # share of the lists that may be left out because they have no embedding
NAMED = 3  # lists without an embedding that a message names


@dataclass(slots=True)
class AudioRows:
    """The audio embeddings of lists, in the order in which they were added. Only their places in the files are kept.

    Args:
        kinds: the embeddings that every list needs: `noisy`, and `clean` where the objective uses it.

    Attributes:
        width: the width of the embeddings; 0 before the first list.
        lacking: number of lists that `add` refused, by the kind of embedding that is missing.
        first_lacking: the ids of the first of these lists.
    """

    kinds: tuple[str, ...]
    width: int = 0
    lacking: dict[str, int] = field(default_factory=dict)
    first_lacking: list[str] = field(default_factory=list)
    _files: dict[Path, int] = field(default_factory=dict)
    _file: array[int] = field(default_factory=lambda: array("i"))  # for each list, its position in `_files`
    _rows: dict[str, array[int]] = field(default_factory=dict)
    # The list that each row of a file belongs to, by file and kind. At 8 bytes a row, all files fit in memory.
    _owners: dict[tuple[Path, str], array[int]] = field(default_factory=dict)
    _digest: Any = field(default_factory=hashlib.sha256)

    def add(self, lists: Iterable[tuple[Path, NBest]]) -> list[bool]:
        """Looks up and checks the embeddings of lists. Lists that lack one are counted, not kept.

        Args:
            lists: lists, each after the file that holds it.

        Returns:
            for every list, whether it was kept.

        Raises:
            InputError: an embedding cannot be read, is not finite, has another width than the first, or belongs to
                another list.
        """
        opened: dict[Path, AudioEmbeddings] = {}  # only during this call; see `read_rows`
        kept = []
        for file, nbest in lists:
            place = nbest.audio_embedding or {}
            missing = next((kind for kind in self.kinds if place.get(kind) is None), None)
            kept.append(missing is None)
            if missing is not None:
                self.lacking[missing] = self.lacking.get(missing, 0) + 1
                self.first_lacking += [nbest.id] * (len(self.first_lacking) < NAMED)
                continue
            if not isinstance(place.get("file"), str):
                raise InputError(
                    f"{file}: the `audio_embedding` of list {nbest.id!r} names no file; {TOGETHER}"
                )
            embeddings = opened.setdefault(file.parent, AudioEmbeddings(file.parent))
            path = file.parent / place["file"]
            for kind in self.kinds:
                self._check_owner(path, nbest, kind, place, embeddings)
                self._check_values(path, nbest, kind, embeddings)
                self._rows.setdefault(kind, array("q")).append(place[kind])
            self._file.append(self._files.setdefault(path, len(self._files)))
        return kept

    def _check_owner(
        self, path: Path, nbest: NBest, kind: str, place: Mapping[str, Any], embeddings: AudioEmbeddings
    ) -> None:
        row, owners = place[kind], self._owners.get((path, kind))
        if owners is None:
            with _told(path, nbest, kind):
                owners = array("q", map(hash, embeddings.ids(place["file"], kind)))
            self._owners[path, kind] = owners
        if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < len(owners):
            raise InputError(
                f"{path}: has no row {row!r} of {kind!r}, which list {nbest.id!r} points to; {TOGETHER}"
            )
        if owners[row] != hash(nbest.id):
            owner = embeddings.ids(place["file"], kind)[row]
            raise InputError(
                f"{path}: row {row} of {kind!r} belongs to {owner!r}, not to list {nbest.id!r}: lists and embeddings "
                f"are not of one run of `robustger nbest`; {TOGETHER}"
            )

    def _check_values(self, path: Path, nbest: NBest, kind: str, embeddings: AudioEmbeddings) -> None:
        with _told(path, nbest, kind):
            embedding = embeddings.get(nbest, kind)
            assert embedding is not None  # its kind is there
            width = len(embedding)
        if not np.isfinite(embedding).all():
            raise InputError(
                f"{path}: the embedding of the {kind} audio of list {nbest.id!r} holds NaN or infinity; "
                "make it again, or take the list out"
            )
        if self.width and width != self.width:
            raise InputError(
                f"{path}: the embedding of the {kind} audio of list {nbest.id!r} is {width} wide, those "
                f"before it are {self.width}; take lists of one recognizer"
            )
        self.width = width
        self._digest.update(embedding.tobytes())

    @property
    def digest(self) -> str:
        """Digest of the embeddings of all kept lists, in their order. It does not depend on their files and rows."""
        return self._digest.hexdigest()

    def read(self, kind: str, lists: Sequence[int]) -> Tensor | None:
        """The embeddings of kept lists by their positions, float32 (B, D); None for a kind that is not needed."""
        if kind not in self.kinds:
            return None
        result = np.empty((len(lists), self.width), dtype=np.float32)
        in_file: dict[int, list[int]] = {}
        for place, index in enumerate(lists):
            in_file.setdefault(self._file[index], []).append(place)
        paths = list(self._files)
        for number, places in in_file.items():
            rows = [self._rows[kind][lists[place]] for place in places]
            result[places] = read_rows(paths[number], kind, rows)
        return torch.from_numpy(result)

    def problem(self, part: str) -> str | None:
        """A message about the lists that lack an embedding; None where all have it.

        Raises:
            InputError: more than the share `MOST_LACKING` of all lists lack one.
        """
        if not self.lacking:
            return None
        lacking = sum(self.lacking.values())
        total = len(self._file) + lacking
        counts = " and ".join(f"{count} have no {kind} one" for kind, count in self.lacking.items())
        first = ", ".join(map(repr, self.first_lacking))
        said = f"data.{part}: distillation needs the embeddings of the audio: of {total} lists {counts}, first {first}"
        if lacking > MOST_LACKING * total:
            remedy = REMEDY["clean" if "clean" in self.lacking else "noisy"]
            raise InputError(
                f"{said}; at most {MOST_LACKING:.0%} may be left out: {remedy}, take these lists out, or set "
                "distillation.objective=none"
            )
        return f"{said}; these lists are left out"


@dataclass(frozen=True, slots=True)
class HeardRows:
    """Audio embeddings that replace E_LN (`noise: audio`). They are read like `NoiseRows`.

    Attributes:
        shape: (U, E).
        audio: the embeddings of one part of the data.
    """

    shape: tuple[int, int]
    audio: AudioRows

    @classmethod
    def of(cls, lists: TrainingLists, shape: tuple[int, int]) -> HeardRows:
        """Finds the embeddings of one part of the data.

        Raises:
            InputError: a list has no embedding or an unusable one, or the embeddings have another width than E.
        """
        audio = AudioRows(("noisy",))
        for chunk in lists.chunks():
            audio.add(chunk)
        if audio.lacking:
            first = ", ".join(map(repr, audio.first_lacking))
            raise InputError(
                f"data.{lists.part}: corrector.noise = audio needs the embedding of every list's audio: "
                f"{audio.lacking['noisy']} have none, first {first}: {REMEDY['noisy']}"
            )
        rows = cls(shape, audio)
        if lists.count:
            rows.read([0])  # checks the width before anything slow begins
        return rows

    def read(self, lists: Sequence[int] | np.ndarray) -> Tensor:
        """The noise of the lists at these positions of the part, float32 (B, U, E)."""
        heard = self.audio.read("noisy", [int(index) for index in lists])
        assert heard is not None  # `noisy` is the kind of these rows
        return in_every_row(heard, *self.shape)


def heard_beside(lists: Iterable[tuple[Path, NBest]]) -> AudioLookup:
    """A function that gives the embedding of the noisy audio of each of these lists.

    Args:
        lists: lists, each after the file that holds it. Ask for the same objects: two files may use the same ids.
    """
    folders = {id(nbest): file.parent for file, nbest in lists}
    return lambda nbest: AudioEmbeddings(folders[id(nbest)]).get(nbest, "noisy")


@contextmanager
def _told(path: Path, nbest: NBest, kind: str) -> Iterator[None]:
    """Adds to errors the list whose embedding cannot be read, and what to do.

    Raises:
        InputError: instead of the reader's errors, which name neither the list nor, at times, the file.
    """
    try:
        yield
    except InputError as error:
        said = str(error).removeprefix(f"list {nbest.id!r}: ")
        raise InputError(f"{said} (list {nbest.id!r}); {TOGETHER}") from None
    except (SafetensorError, ValueError, TypeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"{path}: the embedding of the {kind} audio of list {nbest.id!r}, or whose it is, cannot be read: "
            f"{reason}; {TOGETHER}"
        ) from None
