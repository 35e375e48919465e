"""Reads files of `torch.save` that a stranger wrote: no code is run, and no small file fills the memory.

torch keeps each tensor's numbers uncompressed in a ZIP archive (since 1.6) and its sizes in a pickle. torch would also
read a compressed archive, in which two megabytes may stand for gigabytes, and would enlarge a tensor whose
strides reach beyond its numbers. Both are refused before anything is allocated. Files of torch before 1.6 are read
without a memory map; their sizes are compared with the size of the file.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robustger.errors import InputError

_ZIP = b"PK\x03\x04"


def load_torch(path: str | Path) -> Any:
    """What `torch.save` stored in a file, on the CPU.

    The numbers of tensors are mapped from the file, not read.

    Raises:
        InputError: the file cannot be read, is broken or compressed, holds code, or holds a tensor that is larger than
            the file.
    """
    import torch

    zipped = refuse_inflating_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: not a file of data alone: it is broken, or it holds code, which is not run"
        ) from None
    except Exception:  # torch raises another class for each kind of broken file
        raise InputError(f"{path}: not a file of torch, or a broken one") from None
    _refuse_larger_than_file(content, Path(path))
    return content


def refuse_inflating_archive(path: str | Path) -> bool:
    """Refuses a ZIP archive whose entries take more room than the archive itself.

    Returns:
        whether the file is a ZIP archive, as torch has written since version 1.6.

    Raises:
        InputError: it is such an archive, a broken one, or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            if file.read(len(_ZIP)) != _ZIP:
                return False
            size = file.seek(0, 2)
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise InputError(f"{path}: not a file of torch, or a broken one") from None
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise InputError(f"{path}: is compressed, which torch never does; save it again with torch.save")
    if sum(entry.file_size for entry in entries) > size:
        raise InputError(f"{path}: claims to hold more than its {size:,} bytes; get it again")
    return True


def _refuse_larger_than_file(content: Any, path: Path) -> None:
    """Refuses a tensor with more numbers than the file has room for: one with strides of 0, say, or a sparse one."""
    import torch

    size = path.stat().st_size
    seen: set[int] = set()
    waiting = [content]
    while waiting:  # not recursive: a stranger's lists may be nested deeply, or contain themselves
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            if value.numel() * value.element_size() > size:
                shape = " x ".join(map(str, value.shape))
                raise InputError(
                    f"{path}: a tensor of {shape} in a file of {size:,} bytes; get the file again"
                )
        elif isinstance(value, Mapping | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            waiting.extend(value.values() if isinstance(value, Mapping) else value)
