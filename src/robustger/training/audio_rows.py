"""Where the embeddings of every list's audio are; batches read theirs from the files that `robustger nbest` wrote."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.recognition.embeddings import AudioEmbeddings
from robustger.training.noise_rows import read_rows

REMEDY = {
    "noisy": "make the lists with `robustger nbest ... --embeddings`",
    "clean": "name every recording's `clean_audio` in the manifest and make the lists with `robustger nbest ... "
    "--embeddings`",
}


@dataclass(slots=True)
class AudioRows:
    """The embeddings of the audio of lists that were `add`ed one after the other; only their places are kept.

    Args:
        kinds: what every list needs: `noisy`, and `clean` where the objective compares with it.

    Attributes:
        width: of the embeddings; 0 before the first.
        lacking: lists that `add` refused, by the kind of audio they have no embedding of.
        first_lacking: the id of the first of each.
    """

    kinds: tuple[str, ...]
    width: int = 0
    lacking: dict[str, int] = field(default_factory=dict)
    first_lacking: dict[str, str] = field(default_factory=dict)
    _files: dict[Path, int] = field(default_factory=dict)
    _file: array[int] = field(default_factory=lambda: array("i"))  # of each list, its position in `_files`
    _rows: dict[str, array[int]] = field(default_factory=dict)
    _ids: tuple[Path | None, list[str]] = (None, [])  # of the noisy rows of the file looked at last

    def add(self, lists: Iterable[tuple[Path, NBest]]) -> list[bool]:
        """Looks up and checks lists, and says which of them have all they need; the others are counted, not kept.

        Args:
            lists: each with the file it stands in.

        Raises:
            InputError: an embedding cannot be read, is not finite, has another width than the first, or belongs to
                another list.
        """
        opened: dict[Path, AudioEmbeddings] = {}  # for this call alone; see `read_rows`
        kept = []
        for file, nbest in lists:
            place = nbest.audio_embedding or {}
            missing = next((kind for kind in self.kinds if place.get(kind) is None), None)
            kept.append(missing is None)
            if missing is not None:
                self.lacking[missing] = self.lacking.get(missing, 0) + 1
                self.first_lacking.setdefault(missing, nbest.id)
                continue
            embeddings = opened.setdefault(file.parent, AudioEmbeddings(file.parent))
            path = file.parent / str(place.get("file"))
            for kind in self.kinds:
                self._check(path, nbest, kind, embeddings.get(nbest, kind))
                self._rows.setdefault(kind, array("q")).append(place[kind])
            self._check_owner(path, nbest, embeddings)
            self._file.append(self._files.setdefault(path, len(self._files)))
        return kept

    def _check(self, path: Path, nbest: NBest, kind: str, embedding: np.ndarray | None) -> None:
        assert embedding is not None  # its kind is there
        if not np.isfinite(embedding).all():
            raise InputError(
                f"{path}: the embedding of the {kind} audio of list {nbest.id!r} holds NaN or infinity; "
                "make it again, or take the list out"
            )
        if self.width and len(embedding) != self.width:
            raise InputError(
                f"{path}: the embeddings are {len(embedding)} wide, those of {next(iter(self._files))} are "
                f"{self.width}; take lists of one recogniser"
            )
        self.width = len(embedding)

    def _check_owner(self, path: Path, nbest: NBest, embeddings: AudioEmbeddings) -> None:
        if self._ids[0] != path:
            self._ids = (path, embeddings.ids(path.name, "noisy"))
        row = self._rows["noisy"][-1]
        owner = self._ids[1][row]
        if owner != nbest.id:
            raise InputError(
                f"{path}: row {row} belongs to {owner!r}, not to list {nbest.id!r}: lists and embeddings are not of "
                "one run of `robustger nbest`; make them together"
            )

    def read(self, kind: str, lists: Sequence[int]) -> Tensor | None:
        """The embeddings of lists by their position among the kept ones, float32 (B, D); None for a kind not needed."""
        if kind not in self.kinds:
            return None
        result = np.empty((len(lists), self.width), dtype=np.float32)
        for path, number in self._files.items():
            places = [place for place, index in enumerate(lists) if self._file[index] == number]
            if places:
                rows = [self._rows[kind][lists[place]] for place in places]
                result[places] = read_rows(path, kind, rows)
        return torch.from_numpy(result)

    def problem(self, part: str) -> str | None:
        """What is to be said about the lists that lack an embedding; None where none does.

        Raises:
            InputError: more of them lack one than have all.
        """
        for kind, count in self.lacking.items():
            said = (
                f"data.{part}: {count} lists, the first {self.first_lacking[kind]!r}, have no embedding of their "
                f"{kind} audio, which distillation needs"
            )
            if sum(self.lacking.values()) > len(self._file):
                raise InputError(f"{said}: {REMEDY[kind]}, or set distillation.objective=none")
        if not self.lacking:
            return None
        counts = " and ".join(f"{count} have no {kind} one" for kind, count in self.lacking.items())
        return (
            f"data.{part}: distillation needs the embeddings of the audio: {counts}; these lists are left out"
        )
