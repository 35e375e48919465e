"""Reads and writes checkpoint folders: `adapter.safetensors`, `config.yaml` and `README.md`."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from robustger.correction.config import CorrectorConfig, validate_config
from robustger.errors import InputError
from robustger.models.peft_adapters import refuse_peft
from robustger.yaml_files import read_yaml

if TYPE_CHECKING:  # torch takes seconds to import, and a checkpoint that is not there needs none
    import torch
    from torch import Tensor, nn

    from robustger.correction.llm.conditioning import ConditionedLLM

WEIGHTS_FILE = "adapter.safetensors"
CONFIG_FILE = "config.yaml"


def presets() -> list[str]:
    """Names of the presets shipped with the package."""
    root = Path(str(resources.files("robustger.presets")))
    return sorted(folder.name for folder in root.iterdir() if (folder / CONFIG_FILE).is_file())


def checkpoint_folder(name: str | os.PathLike[str]) -> Path:
    """The folder of a checkpoint or a preset.

    Raises:
        InputError: the name is neither a folder with `config.yaml` and `adapter.safetensors` nor a preset. The message
            says so where it is an adapter of PEFT.
    """
    folder = Path(name)
    if not (folder / CONFIG_FILE).is_file() and str(name) in presets():
        folder = Path(str(resources.files("robustger.presets"))) / str(name)
    refuse_peft(folder)
    if not folder.is_dir():
        raise InputError(
            f"{name}: no such folder and no such preset; presets: {', '.join(presets()) or 'none'}"
        )
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / file).is_file():
            raise InputError(f"{folder}: not a checkpoint: {file} is missing")
    return folder


def read_config(folder: Path) -> CorrectorConfig:
    """The configuration in a checkpoint folder.

    Raises:
        InputError: the file cannot be read, or a key or value is wrong.
    """
    return validate_config(CorrectorConfig, read_yaml(folder / CONFIG_FILE), str(folder / CONFIG_FILE))


def trained_parameters(llm: ConditionedLLM) -> dict[str, nn.Parameter]:
    """All parameters that training changes, by their names in a checkpoint: `adapter.*` and `lora.*`."""
    parameters = {f"adapter.{name}": value for name, value in llm.adapter.named_parameters()}
    for name, value in llm.llm.named_parameters():
        if ".lora_" in name:
            parameters["lora." + re.sub(r"\.(lora_[AB])\.default\.", r".\1.", name)] = value
    return parameters


def load_weights(llm: ConditionedLLM, folder: Path) -> None:
    """Reads the trained parameters from `adapter.safetensors` into the model.

    Raises:
        InputError: the file is broken, or its names or shapes do not fit the configuration.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS_FILE
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not readable as safetensors: {error}") from None
    own = trained_parameters(llm)
    if unfit := sorted(stored.keys() ^ own.keys()):
        side = "missing from the file" if unfit[0] in own else "unknown to the configuration"
        raise InputError(
            f"{path}: {len(unfit)} weights do not fit config.yaml, the first, {unfit[0]!r}, is {side}"
        )
    with torch.no_grad():
        for name, parameter in own.items():
            if stored[name].shape != parameter.shape:
                raise InputError(
                    f"{path}: {name!r} has shape {tuple(stored[name].shape)}, "
                    f"config.yaml and the language model need {tuple(parameter.shape)}"
                )
            parameter.copy_(stored[name])


def save_checkpoint(
    llm: ConditionedLLM,
    config: CorrectorConfig,
    folder: str | os.PathLike[str],
    dtype: torch.dtype,
    card: str,
) -> None:
    """Writes a checkpoint folder; an existing one is replaced only when the new one is complete."""
    from safetensors.torch import save_file

    weights: dict[str, Tensor] = {
        name: value.detach().to("cpu", dtype).contiguous() for name, value in trained_parameters(llm).items()
    }
    with replaced_folder(folder) as partial:
        save_file(weights, partial / WEIGHTS_FILE, metadata={"format": "pt"})
        (partial / CONFIG_FILE).write_text(
            yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
        )
        (partial / "README.md").write_text(card, encoding="utf-8")


class replaced_folder:
    """A temporary folder beside `folder`, which takes its place on success and is removed on an error.

    Raises:
        InputError: the folder cannot be written, or holds something else than a checkpoint.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def __enter__(self) -> Path:
        try:
            if self.folder.exists() and not self.folder.is_dir():
                raise InputError(f"{self.folder}: a file is in the way; name a folder")
            if (
                self.folder.is_dir()
                and any(self.folder.iterdir())
                and not (self.folder / CONFIG_FILE).is_file()
            ):
                raise InputError(
                    f"{self.folder}: holds files, but no checkpoint; they would be lost: name another folder"
                )
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.partial = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
            self.partial.chmod(0o755)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written: {error.strerror}") from None
        return self.partial

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            old = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.old.", dir=self.folder.parent))
            if self.folder.exists():
                os.replace(self.folder, old / "replaced")
            os.replace(self.partial, self.folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            shutil.rmtree(self.partial, ignore_errors=True)
