"""Reads CTranslate2's `model.bin`, a list of named arrays.

All numbers are little-endian. The file: version (uint32), kind of model (a name), its revision (uint32), the number of
variables (uint32), and for each its name, rank (uint8), dimensions (uint32 each), dtype (uint8), length in bytes
(uint32) and data; then the number of aliases (uint32), and for each its name and that of the variable it stands for.
A name is its length (uint16, the zero at its end included) and its bytes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from robustger.errors import InputError

if TYPE_CHECKING:
    import numpy as np

VERSION = 6  # since CTranslate2 2.18 (2022), the first that ran Whisper
_DTYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
_ITEM_BYTES = (4, 1, 2, 4, 2, 2)
_HIGHEST_RANK = 8


@dataclass(frozen=True, slots=True)
class Variable:
    """A named array in the file.

    Attributes:
        shape: empty for a single number.
        dtype: its name, as numpy has it; "bfloat16", which numpy lacks, is not read.
        offset: of its data in the file, in bytes.
    """

    shape: tuple[int, ...]
    dtype: str
    offset: int


@dataclass(frozen=True, slots=True)
class CTranslate2File:
    """The table of contents of a `model.bin`; `read` reads the data of one variable.

    Attributes:
        path: of the file.
        kind: of the model, "WhisperSpec" for a Whisper.
        variables: by name, those that an alias stands for included.
    """

    path: Path
    kind: str
    variables: dict[str, Variable]

    def read(self, name: str) -> np.ndarray:
        """The variable's data, in its own shape and dtype.

        Raises:
            InputError: no such variable, or one in bfloat16.
        """
        import numpy as np

        variable = self.variables.get(name)
        if variable is None or variable.dtype == "bfloat16":
            reason = f"has no variable {name!r}" if variable is None else f"{name} is in bfloat16"
            raise InputError(f"{self.path}: {reason}; convert the model again, to float16")
        return np.fromfile(
            self.path,
            dtype=np.dtype(variable.dtype).newbyteorder("<"),
            count=math.prod(variable.shape),
            offset=variable.offset,
        ).reshape(variable.shape)


def open_ctranslate2_file(path: Path) -> CTranslate2File:
    """Reads the names, shapes and places of all variables; a few milliseconds for a file of any size.

    Raises:
        InputError: not such a file, another version of it, or one that is cut off; the message says which.
    """
    try:
        with path.open("rb") as file:
            return _Reader(path, file).contents()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


class _Reader:
    """Reads one file from its beginning to its end."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._size = path.stat().st_size

    def contents(self) -> CTranslate2File:
        version = self._number("I")
        if version != VERSION:
            raise InputError(
                f"{self._path}: not a model of CTranslate2, or one of another version (this reads {VERSION}); "
                "convert the model again"
            )
        kind = self._name()
        self._number("I")  # the revision of that kind
        variables = {}
        for _ in range(self._number("I")):
            name = self._name()
            variables[name] = self._variable(name)
        for _ in range(self._number("I")):
            alias, name = self._name(), self._name()
            if name not in variables:
                raise self._broken(f"{alias} stands for {name}, which is not there")
            variables[alias] = variables[name]
        if self._file.read(1):
            raise self._broken("there is more behind its end")
        return CTranslate2File(self._path, kind, variables)

    def _variable(self, name: str) -> Variable:
        rank = self._number("B")
        if rank > _HIGHEST_RANK:
            raise self._broken(f"{name} has {rank} dimensions")
        shape = tuple(self._number("I") for _ in range(rank))
        dtype, size, offset = self._number("B"), self._number("I"), 0
        if dtype >= len(_DTYPES) or math.prod(shape) * _ITEM_BYTES[dtype] != size:
            raise self._broken(f"{name} does not have the size of its shape")
        offset = self._file.tell()
        if offset + size > self._size:
            raise self._broken(f"it ends inside {name}")
        self._file.seek(size, 1)
        return Variable(shape, _DTYPES[dtype], offset)

    def _number(self, kind: str) -> int:
        return struct.unpack(f"<{kind}", self._bytes(struct.calcsize(f"<{kind}")))[0]

    def _name(self) -> str:
        read = self._bytes(self._number("H"))
        try:
            return read.removesuffix(b"\0").decode("utf-8")
        except UnicodeDecodeError:
            raise self._broken(f"{read[:40]!r} is no name") from None

    def _bytes(self, count: int) -> bytes:
        read = self._file.read(count)
        if len(read) < count:
            raise self._broken(f"it ends after {self._size:,} bytes")
        return read

    def _broken(self, reason: str) -> InputError:
        return InputError(f"{self._path}: not a whole model of CTranslate2 ({reason}); get it again")
