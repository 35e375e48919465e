"""Checks the inputs of commands before a model is loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from robustger.errors import InputError
from robustger.files import check_readable, file_identity, refuse_overwriting


def corrector_of(preset: str, checkpoint: str | None) -> str:
    """The checkpoint folder or preset whose corrector is used: `--checkpoint`, else the corrector of `--preset`.

    A preset's `recognizer.yaml` may name the corrector of another preset.

    Raises:
        InputError: there is no such preset or checkpoint, or its configuration is not valid.
    """
    from robustger.correction.checkpoint import checkpoint_folder, read_config
    from robustger.pipeline.presets import load_preset_recognizer, preset_folder

    try:
        preset_folder(preset)
    except InputError:  # a checkpoint folder, which has no recognizer
        own, has_recognizer = preset, False
    else:
        own, has_recognizer = load_preset_recognizer(preset).corrector or preset, True
    if not has_recognizer:
        checkpoint_folder(own)  # a wrong name is refused even if its corrector is not used
    chosen = checkpoint or own
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
    target: str, folders: Iterable[str | None], *, is_own: Callable[[str], bool] = lambda path: False
) -> None:
    """Keeps an output from taking the place of a file below one of the folders that are read.

    Args:
        target: the file to write, or "-".
        folders: the folders that are read, at any depth; None and names of other things are skipped.
        is_own: tells whether the command itself wrote a file, which it may then replace.

    Raises:
        InputError: the output is one of the files, by its name or a link.
    """
    if target == "-" or (identity := file_identity(target)) is None:
        return
    for folder in filter(None, folders):
        for place, _, names in os.walk(folder):
            for path in (os.path.join(place, name) for name in names):
                if file_identity(path) == identity and not is_own(path):
                    raise InputError(f"{target}: is read by this command, as {path}; name another output")


def refuse_within(folder: str, source: Path) -> None:
    """Keeps a command from filling a folder from which it reads.

    Raises:
        InputError: the source lies in the folder.
    """
    if Path(os.path.realpath(folder)) in Path(os.path.realpath(source)).parents:
        raise InputError(
            f"{source}: lies in the output {folder} and is read by this command; name another output"
        )


def refuse_output_around(folder: str | Path, *sources: str | Path | None) -> None:
    """Keeps a command from replacing a folder that holds something it reads.

    Args:
        folder: the folder to replace.
        sources: files and folders that are read; None and missing ones are skipped.

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


def check_manifest(manifest: str) -> None:
    """Checks that a manifest can be read, before anything that takes long is begun.

    Raises:
        InputError: there is no such file, or it cannot be opened; folders are left to the reader of manifests.
    """
    if not Path(manifest).is_dir():
        check_readable(manifest)


def refuse_replacing(output: str, manifest: str, model: str | None, *, restart: bool) -> None:
    """Keeps `robustger nbest` from replacing what it reads: the manifest, the model, and the recordings.

    The lists have two files beside them, which must not be inputs either. Only with `--restart` can an existing file
    be replaced, so that the recordings of the manifest are looked through only then.

    Raises:
        InputError: one of the files to write is read.
    """
    from robustger.hypotheses.audio_embeddings import embeddings_path
    from robustger.manifest import Utterance, read_manifest

    target = Path(output)
    targets = [target, embeddings_path(target), target.with_name(f"{target.stem}.run.json")]
    place = Path(manifest)
    kaldi = str(place.parent if place.suffix == ".scp" else place)  # its folder has more files that are read
    sources = [place, *files_of_models(model, kaldi)]
    for one in targets:
        refuse_overwriting(one, *sources)
    if restart and any(one.exists() for one in targets):
        for _, row in read_manifest(manifest):
            if isinstance(row, Utterance):
                for one in targets:
                    refuse_overwriting(one, row.audio, row.clean_audio)
