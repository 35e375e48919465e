"""What commands check about their inputs before a model is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from robustger.errors import InputError
from robustger.files import file_identity


def corrector_of(preset: str, checkpoint: str | None) -> str:
    """The checkpoint folder or preset whose corrector is used: `--checkpoint`, else that of `--preset`.

    A preset's `recognizer.yaml` may name the corrector of another preset.

    Raises:
        InputError: there is no such preset or checkpoint, or its configuration is not valid.
    """
    from robustger.correction.checkpoint import checkpoint_folder, read_config
    from robustger.pipeline.presets import SETTINGS, load_preset_recognizer, preset_folder

    chosen = checkpoint
    if checkpoint is None:
        is_pair = (Path(preset) / SETTINGS).is_file()
        chosen = (load_preset_recognizer(preset).corrector if is_pair else None) or preset
    elif preset != "whisper":
        preset_folder(preset)
    assert chosen is not None
    read_config(checkpoint_folder(chosen))
    return chosen


def files_of_models(*names: str | None) -> Iterator[Path]:
    """The files of models that the user named by their folders, which no output may replace.

    Args:
        names: folders, names of presets or models, and None; only folders have files to give.
    """
    for name in names:
        if name is not None and (folder := Path(name)).is_dir():
            yield from (path for path in folder.iterdir() if path.is_file())


def refuse_overwriting_within(
    target: str, folders: Iterable[str | None], *, besides: tuple[str, ...] = ()
) -> None:
    """Keeps an output from taking the place of a file below one of the folders that are read.

    Args:
        target: the file to write, or "-".
        folders: files are looked for at any depth; None is passed over.
        besides: suffixes of the files that may be replaced, because the command itself wrote them earlier.

    Raises:
        InputError: the output is one of the files, by its name or a link.
    """
    if target == "-" or (identity := file_identity(target)) is None:
        return
    for folder in folders:
        for place, _, names in os.walk(folder or ""):
            for name in names:
                if not name.endswith(besides or ("/",)) and file_identity(os.path.join(place, name)) == identity:
                    raise InputError(
                        f"{target}: is read by this command, as {os.path.join(place, name)}; name another output"
                    )


def refuse_output_around(folder: str | Path, *sources: str | Path | None) -> None:
    """Keeps a command from replacing a folder that holds something it reads.

    Args:
        folder: the folder to replace.
        sources: files and folders that are read; None, and what does not exist, is passed over.

    Raises:
        InputError: a source is the folder, or lies in it.
    """
    place = Path(os.path.realpath(folder))
    for source in sources:
        if source is not None and os.path.exists(source):
            found = Path(os.path.realpath(source))
            if found == place or place in found.parents:
                raise InputError(
                    f"{folder}: holds {source}, which is read by this command; name another output"
                )
