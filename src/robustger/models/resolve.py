"""Finds the folder of a model by its name, in the format of transformers or of CTranslate2."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

from robustger.errors import MissingModelError
from robustger.models.embedded import MODELS, EmbeddedModel
from robustger.models.gguf import converted_gguf
from robustger.models.hub import NotOnTheHub, from_hub, from_hub_cache, has_weights
from robustger.models.peft_adapters import refuse_peft
from robustger.models.short_names import CTRANSLATE2, EMBEDDED, TRANSFORMERS, fetched_name, refuse_weight_file
from robustger.models.whisper_package import packaged_ctranslate2, packaged_transformers


def resolve_model(name: str | os.PathLike[str]) -> Path:
    """The folder with the Hugging Face files of the model called `name`.

    Embedded models in other formats are converted once, into the user's cache: a GGUF to bfloat16 safetensors (about 20
    s), a Whisper of CTranslate2 to float16 safetensors (a few seconds). Short names of Whisper (`base`, `large-v3`)
    stand for the embedded model where there is one, else for that of the hub.

    Raises:
        MissingModelError: nothing found; the message says which command gets the files.
    """
    if (folder := _local_folder(name)) is not None:
        return folder
    model, sources = _embedded(str(name))
    if model is not None:
        if model.is_whisper:
            return packaged_transformers(model, sources)
        return converted_gguf(model, sources[0]) if model.is_gguf else sources[0]
    return _hub_model(str(name))


def resolve_ctranslate2(name: str | os.PathLike[str]) -> Path:
    """The folder of the Whisper called `name`, in CTranslate2's format if there is one, else in that of transformers.

    Raises:
        MissingModelError: as `resolve_model`.
    """
    if (folder := _local_folder(name)) is not None:
        return folder
    model, sources = _embedded(str(name))
    if model is not None:
        return packaged_ctranslate2(model, sources) if model.is_whisper else resolve_model(name)
    short = str(name)
    if short in CTRANSLATE2:
        for repository in (CTRANSLATE2[short], TRANSFORMERS[short]):
            if (folder := from_hub_cache(repository)) is not None and has_weights(folder):
                return folder
        try:
            return from_hub(CTRANSLATE2[short])
        except NotOnTheHub as missing:
            raise _missing_short_name(short, missing) from None
    return _hub_model(short)


def fetch_model(name: str) -> Path:
    """Gets the files of `name` (pip for an embedded model, the hub for others) and returns their folder.

    Raises:
        MissingModelError: pip or the hub could not deliver.
    """
    model = MODELS.get(EMBEDDED.get(name, name))
    if model is not None and model.sources() is None:
        command = [sys.executable, "-m", "pip", "install", *model.install_options, *model.requirements]
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0:
            what = " and ".join(model.requirements)
            raise MissingModelError(f"could not install {what}; try: {model.install_command}")
        importlib.invalidate_caches()
    return resolve_model(name)


def _local_folder(name: str | os.PathLike[str]) -> Path | None:
    """The folder on this machine; None where `name` is no folder.

    Raises:
        InputError: an adapter of PEFT in the place of a model.
        MissingModelError: a folder without a model, or a file.
    """
    folder = Path(name)
    refuse_peft(folder)
    if not folder.is_dir():
        refuse_weight_file(os.fspath(name))
        return None
    if not (folder / "config.json").is_file():
        raise MissingModelError(f"{folder}: no config.json there; a Hugging Face model folder is needed")
    return folder


def _embedded(name: str) -> tuple[EmbeddedModel, list[Path]] | tuple[None, list[Path]]:
    """The embedded model called `name`, by its own or its short name, and where its files lie.

    Raises:
        MissingModelError: it is not installed.
    """
    model = MODELS.get(EMBEDDED.get(name, name))
    if model is None:
        return None, []
    sources = model.sources()
    if sources is None:
        raise MissingModelError(
            f"model {model.alias!r} is not installed; get it with: robustger models fetch {model.alias}"
        )
    return model, sources


def _hub_model(name: str) -> Path:
    try:
        return from_hub(TRANSFORMERS.get(name, name))
    except NotOnTheHub as missing:
        if name in TRANSFORMERS:
            raise _missing_short_name(name, missing) from None
        known = ", ".join(MODELS)
        if not missing.is_name:
            raise MissingModelError(
                f"{name}: no such folder, and not a model name; embedded models: {known}"
            ) from None
        raise MissingModelError(
            f"{name}: not a folder, not an embedded model ({known}), and the hub did not give it "
            f"({missing.reason}); on a machine that reaches the hub, run: robustger models fetch {name}"
        ) from None


def _missing_short_name(name: str, missing: NotOnTheHub) -> MissingModelError:
    other = f" ({CTRANSLATE2[name]} in CTranslate2's format)"
    return MissingModelError(
        f"{name}: its full name is {TRANSFORMERS[name]}{other}; it is not on this machine, and the hub did not give it "
        f"({missing.reason}); on a machine that reaches the hub, run: robustger models fetch {fetched_name(name)}; "
        f"{' and '.join(EMBEDDED.values())} work without the hub"
    )
