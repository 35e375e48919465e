"""The noise embeddings of all lists of a run, computed once and stored in one file that batches read from."""

from __future__ import annotations

import hashlib
import json
import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from robustger.correction.model import Corrector
from robustger.errors import InputError
from robustger.files import atomic_path
from robustger.noise.embedding import NOISE_LEVELS
from robustger.training.audio_rows import HeardRows
from robustger.training.lists import TrainingLists
from robustger.training.stored_rows import read_rows
from robustger.version import __version__

logger = logging.getLogger(__name__)

NAME = "noise"  # the tensor in the file


@dataclass(frozen=True, slots=True)
class NoiseRows:
    """E_LN of the lists of one part of the data, in the sign and order of the corrector's variant.

    Attributes:
        shape: (U, E).
        path: the file, or None where all rows are zero.
        rows: the row in the file of every list of the part.
    """

    shape: tuple[int, int]
    path: Path | None
    rows: Sequence[int] | np.ndarray

    def read(self, lists: Sequence[int] | np.ndarray) -> Tensor:
        """The noise of the lists at these positions of the part, float32 (B, U, E)."""
        if self.path is None:
            return torch.zeros(len(lists), *self.shape)
        return torch.from_numpy(read_rows(self.path, NAME, [self.rows[index] for index in lists])).float()


def noise_rows(
    corrector: Corrector, parts: Sequence[TrainingLists], folder: Path, seed: int, *, rehearsal: bool = False
) -> Sequence[NoiseRows | HeardRows]:
    """The noise of every part, read from the file in `folder` that an earlier run left, or computed now.

    All parts share a file, so that they are always computed in the same order: the last bits of a sentence encoder's
    output depend on what it has encoded before.

    Args:
        corrector: its noise source gives the rows.
        parts: the lists.
        folder: the folder of the file.
        seed: decides under the control `shuffled` which list gets the noise of which other list.
        rehearsal: embed nothing; zeros of the same shape stand for the noise.

    Raises:
        InputError: the folder cannot be written, or the audio of a list has no embedding that can be used.
    """
    source = corrector.noise
    shape = (corrector.llm.shape.slots, corrector.llm.shape.noise_dimension)
    if source.reads == "audio":
        return [HeardRows.of(part, shape) for part in parts]
    if source.reads == "nothing" or rehearsal:
        return [NoiseRows(shape, None, range(part.count)) for part in parts]
    path = folder / f"noise-{_digest(corrector, parts)}.safetensors"
    count = sum(part.count for part in parts)
    if not _holds(path, (count, *shape)):
        _compute(corrector, parts, path, (count, *shape))
        corrector.renew_noise()  # its memory must not depend on whether the file was there
    result, start = [], 0
    for part in parts:
        order = source.order(part.count, seed)
        result.append(NoiseRows(shape, path, np.asarray(order, dtype=np.int64) + start))
        start += part.count
    return result


def _digest(corrector: Corrector, parts: Sequence[TrainingLists]) -> str:
    """A digest of everything that the embeddings depend on."""
    config = corrector.config
    made_by = [
        __version__,
        config.variant,
        config.n_best,
        config.extractor,
        config.encoder,
        corrector.noise.stored_as == "random",
    ]
    if corrector.noise.stored_as in NOISE_LEVELS:
        made_by.append(corrector.noise.stored_as)
    if config.token_unit != "whitespace":
        made_by.append(config.token_unit)
    return hashlib.sha256(json.dumps([made_by, [part.digest for part in parts]]).encode()).hexdigest()[:16]


def _holds(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        with safe_open(path, framework="numpy") as file:
            return tuple(file.get_slice(NAME).get_shape()) == shape
    except (OSError, SafetensorError):
        return False


def _compute(
    corrector: Corrector, parts: Sequence[TrainingLists], path: Path, shape: tuple[int, ...]
) -> None:
    """Writes the file chunk by chunk, in half precision: 15 kB for a list of five hypotheses."""
    size = 2 * int(np.prod(shape))
    header = json.dumps({NAME: {"dtype": "F16", "shape": shape, "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as partial, partial.open("wb") as file:
            file.write(struct.pack("<Q", len(header)) + header)
            for part in parts:
                with tqdm(
                    total=part.count, desc=f"embedding data.{part.part}", leave=False, disable=None
                ) as bar:
                    for chunk in part.chunks():
                        noise = corrector.noise_embedding([nbest.texts for _, nbest in chunk])
                        file.write(noise.half().numpy().tobytes())
                        bar.update(len(chunk))
    except (OSError, InputError) as error:
        cause = error.__context__ if isinstance(error, InputError) else error
        if not isinstance(cause, OSError):
            raise
        raise InputError(
            f"{path.parent}: the noise embeddings, {size / 1e6:.0f} MB, cannot be written: {cause.strerror}; "
            "make room, or name another folder with data.cache"
        ) from None
