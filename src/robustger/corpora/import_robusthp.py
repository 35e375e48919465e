"""Converts RobustHP files to N-best lists and embeddings, as `nbest` would write them; the audio is not needed.

Beside the lists lie `LISTS.embeddings.safetensors` (see `robustger.hypotheses.audio_embeddings`) and, if asked for,
`LISTS.noise.safetensors`: the noise embedding that the released code computed, as E_LN of the paper, a tensor `e_ln`
(count, N(N-1) * E) float32 with `e_ln.ids`. Training does not read the latter, because E_LN can be computed from the
texts in every variant. It serves comparisons only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from robustger.errors import InputError
from robustger.files import atomic_path, atomic_writer
from robustger.hypotheses.audio_embeddings import EMBEDDING_KINDS, embeddings_path, write_embeddings
from robustger.hypotheses.foreign import ImportSummary, import_lists
from robustger.hypotheses.robusthp import NOISE_KIND, Decode
from robustger.models import resolve_model
from robustger.models.loading import load_pretrained

if TYPE_CHECKING:
    import numpy as np


def import_robusthp(
    source: str | Path,
    target: str | Path,
    *,
    tokenizer: str | Path | None = None,
    embeddings: bool = True,
    noise_embeddings: bool = False,
    references: str | Path | None = None,
    on_problem: Callable[[str, str], None] = lambda place, message: None,
    on_progress: Callable[[int], object] = lambda lists: None,
    **options: Any,
) -> ImportSummary:
    """Writes the lists of RobustHP files as N-best JSONL, and their embeddings beside it, in constant memory.

    Args:
        source: a `.pt` file, or a folder of such; see `robustger.hypotheses.robusthp`.
        target: N-best JSONL; it appears, after the embeddings, when everything is complete. "-" for standard output
            takes no embeddings.
        tokenizer: a model folder or name whose tokenizer made the tokens; for items without texts.
        embeddings: whether to store the time-means of the audio features.
        noise_embeddings: whether to store `emb_diff`, as E_LN.
        references: as in `import_lists`.
        on_problem: called with the place ("file: item k") and what is wrong there.
        on_progress: called with the number of lists just written.
        options: none are known; refused by name.

    Raises:
        InputError: a file cannot be read or written, or holds no list that can be used; nothing is written then.
        MissingModelError: there is no such tokenizer.
    """
    decode = None if tokenizer is None else _decoder(tokenizer)
    common: dict[str, Any] = {
        "format": "robusthp",
        "same": None,  # if hypotheses were merged, `emb_diff` would belong to another list
        "decode": decode,
        "references": references,
        "on_problem": on_problem,
        "on_progress": on_progress,
        **options,
    }
    kinds = (*(EMBEDDING_KINDS if embeddings else ()), *((NOISE_KIND,) if noise_embeddings else ()))
    if not kinds:
        return import_lists(source, target, **common)
    if str(target) == "-":
        raise InputError(
            "robusthp: embeddings lie beside the lists; name a file with --output, or use --no-embeddings"
        )
    target = Path(os.path.realpath(target))  # a link stays a link
    try:
        with (
            atomic_writer(target) as file,
            tempfile.TemporaryDirectory(prefix=".robustger-", dir=target.parent) as name,
        ):
            folder = Path(name)
            with contextlib.closing(_Arrays(folder, embeddings_path(target).name)) as arrays:
                summary = import_lists(source, folder / "lists", store=arrays.add, kinds=kinds, **common)
            arrays.publish(EMBEDDING_KINDS, embeddings_path(target))
            arrays.publish((NOISE_KIND,), target.with_name(f"{target.stem}.noise.safetensors"))
            with open(folder / "lists", encoding="utf-8", newline="") as lists:
                shutil.copyfileobj(lists, file, 1 << 20)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}") from None
    return summary


class _Arrays:
    """Collects rows of numbers by kind and writes them to a file; only the ids stay in memory."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._files: dict[str, tuple[BinaryIO, BinaryIO]] = {}
        self._counts: Counter[str] = Counter()
        self._sizes: dict[str, int] = {}  # of audio, and of noise embeddings
        self._ids: set[str] = set()

    def add(self, id_: str, arrays: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
        """Takes the arrays of a list and returns its `audio_embedding`; a second list of one id has none.

        Raises:
            InputError: an array has another size than those before it.
        """
        if id_ in self._ids:
            return None
        self._ids.add(id_)
        for kind, array in arrays.items():
            group = "noise" if kind == NOISE_KIND else "audio"
            size = self._sizes.setdefault(group, array.size)
            if array.size != size:
                raise InputError(
                    f"its {kind} embedding has {array.size} numbers, where those before have {size}"
                )
        place: dict[str, Any] = {}
        for kind, array in arrays.items():
            rows, ids = self._opened(kind)
            rows.write(array.astype("<f4").tobytes())
            ids.write(json.dumps(id_).encode() + b"\n")
            if kind in EMBEDDING_KINDS:
                place[kind] = self._counts[kind]
            self._counts[kind] += 1
        return {"file": self._name, **place} if place else None

    def publish(self, kinds: tuple[str, ...], path: Path) -> None:
        """Writes all kinds that have rows to a file; without any rows, no file is written."""
        found = [kind for kind in kinds if kind in self._files]
        if not found:
            return
        with atomic_path(path) as partial, open(partial, "wb") as file:
            write_embeddings(
                file,
                {kind: self._folder / f"{kind}.f32" for kind in found},
                {kind: self._folder / f"{kind}.ids" for kind in found},
                self._sizes["noise" if found == [NOISE_KIND] else "audio"],
            )

    def close(self) -> None:
        for files in self._files.values():
            for file in files:
                file.close()

    def _opened(self, kind: str) -> tuple[BinaryIO, BinaryIO]:
        if kind not in self._files:
            self._files[kind] = (
                open(self._folder / f"{kind}.f32", "wb"),  # noqa: SIM115
                open(self._folder / f"{kind}.ids", "wb"),  # noqa: SIM115
            )
        return self._files[kind]


def _decoder(name: str | Path) -> Decode:
    """The function that turns token ids into text.

    Raises:
        InputError: the folder has no tokenizer that can be loaded.
        MissingModelError: there is no such model.
    """
    folder = resolve_model(name)
    try:
        tokenizer = load_pretrained("AutoTokenizer", folder)
    except Exception as error:  # every tokenizer library raises its own
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{name}: its tokenizer cannot be loaded: {reason}") from None

    def decode(ids: list[int]) -> str:
        text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert isinstance(text, str)
        return text

    return decode
