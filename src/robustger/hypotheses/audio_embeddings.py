"""Stores audio embeddings of any number of utterances in one file beside their N-best lists.

`LISTS.embeddings.safetensors` holds, for each kind of audio there is (`noisy`, `clean`):

=============  ===================  ==============================================================================
`KIND`         float32 (count, D)   a row per embedding: the time-mean of the encoder's last hidden state, over the
                                    audio's own frames or over all; `LISTS.run.json` says which
`KIND.ids`     uint8 (bytes,)       the ids of the rows, in order: JSON Lines, one string a line
=============  ===================  ==============================================================================

A list's `audio_embedding` says where its own are: `{"file": "LISTS.embeddings.safetensors", "noisy": 17, "clean": 12}`,
the file's name relative to the folder of the lists, and the row of each kind. So files of lists in one folder can
be concatenated, and the embeddings stay where they are. The ids are data and not metadata because a reader parses
all metadata whenever it opens the file; rows are read from the mapped file, so opening costs no memory.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from robustger.errors import InputError
from robustger.hypotheses.checks import printable

if TYPE_CHECKING:
    import numpy as np

    from robustger.hypotheses import NBest

EMBEDDING_KINDS = ("noisy", "clean")


def embeddings_path(lists: Path) -> Path:
    """The path of the embeddings of the file `lists`; always valid text, because the lists contain this name."""
    return lists.with_name(f"{printable(lists.stem)}.embeddings.safetensors")


def write_embeddings(file: BinaryIO, rows: Mapping[str, Path], ids: Mapping[str, Path], size: int) -> None:
    """Writes the file of the format above, in constant memory.

    safetensors' own writer wants all tensors in memory, and orders metadata differently from run to run.

    Args:
        file: is written to.
        rows: for each kind, a file of raw little-endian float32, row after row.
        ids: for each kind, a file of JSON Lines.
        size: D, the length of a row.
    """
    header: dict[str, Any] = {}
    offset = 0
    sources = []
    for kind, path in rows.items():  # numbers before bytes: they stay aligned
        length = path.stat().st_size
        header[kind] = _tensor("F32", [length // (4 * size), size], offset, length)
        offset += length
        sources.append(path)
    for kind, path in ids.items():
        length = path.stat().st_size
        header[f"{kind}.ids"] = _tensor("U8", [length], offset, length)
        offset += length
        sources.append(path)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for path in sources:
        with open(path, "rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)


def _tensor(dtype: str, shape: list[int], offset: int, length: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + length]}


class AudioEmbeddings:
    """The embeddings that N-best lists point to; a file is opened when a list first names it, and stays mapped.

    Args:
        folder: the folder of the lists.

    Example:
        >>> embeddings = AudioEmbeddings("data")  # doctest: +SKIP
        >>> [embeddings.get(nbest, "noisy") for nbest in load_nbest("data/lists.jsonl")]  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._files: dict[str, Any] = {}

    def get(self, nbest: NBest, kind: str = "noisy") -> np.ndarray | None:
        """The embedding of the list's audio, float32 (D,); None where it has none of this kind.

        Raises:
            InputError: the file it names cannot be read, or has no such row.
        """
        place = nbest.audio_embedding or {}
        if kind not in place:
            return None
        row = place[kind]
        rows = self._file(str(place.get("file")), kind).get_slice(kind)
        if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < rows.get_shape()[0]:
            raise InputError(
                f"list {nbest.id!r}: {self.folder / str(place.get('file'))} has no row {row!r} of {kind!r}"
            )
        return rows[row]

    def ids(self, name: str, kind: str = "noisy") -> list[str]:
        """The ids of the rows of the file called `name`, in order.

        Raises:
            InputError: the file cannot be read, or has nothing of this kind.
        """
        from safetensors import SafetensorError

        file = self._file(name, kind)
        try:
            return [json.loads(line) for line in file.get_tensor(f"{kind}.ids").tobytes().splitlines()]
        except (SafetensorError, ValueError, RecursionError):
            raise InputError(f"{self.folder / name}: its ids of the kind {kind!r} cannot be read") from None

    def _file(self, name: str, kind: str) -> Any:
        from safetensors import SafetensorError, safe_open

        path = self.folder / name
        if name not in self._files:
            try:
                self._files[name] = safe_open(path, framework="numpy")
            except (OSError, SafetensorError) as error:
                raise InputError(
                    f"{path}: cannot be read: {error}; embeddings lie beside their lists"
                ) from None
        if kind not in self._files[name].keys():  # noqa: SIM118, it is no dict
            raise InputError(f"{path}: holds no embeddings of the kind {kind!r}")
        return self._files[name]
