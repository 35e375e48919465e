"""The folder of a checkpoint: `adapter.safetensors`, `config.yaml` and the model card `README.md`."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from robustger.correction.config import CorrectorConfig, validate_config
from robustger.errors import InputError
from robustger.files import atomic_folder
from robustger.models.peft_adapters import refuse_peft
from robustger.presets import preset_names, preset_path
from robustger.yaml_files import read_yaml

if TYPE_CHECKING:  # torch takes seconds to import, and a checkpoint that is not there needs none
    import torch
    from torch import Tensor, nn

    from robustger.correction.llm.conditioning import ConditionedLLM

logger = logging.getLogger(__name__)

WEIGHTS_FILE = "adapter.safetensors"
CONFIG_FILE = "config.yaml"
TUNER, TUNER_BIAS = "adapter.tuner.weight", "adapter.tuner.bias"


def presets() -> list[str]:
    """The names of the installed presets that have a corrector."""
    return preset_names(CONFIG_FILE)


def checkpoint_folder(name: str | os.PathLike[str]) -> Path:
    """The folder of a checkpoint or of an installed preset.

    Args:
        name: a folder, or the name of a preset. A folder comes first.

    Raises:
        InputError: there is neither a folder with `config.yaml` and `adapter.safetensors` nor a preset of that name.
            The message lists the presets, and names an adapter of PEFT as such.
    """
    folder = preset_path(name, CONFIG_FILE)
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
    """Reads and checks `config.yaml`.

    Raises:
        InputError: the file, the key and what is wrong.
    """
    return validate_config(CorrectorConfig, read_yaml(folder / CONFIG_FILE), str(folder / CONFIG_FILE))


def trained_parameters(llm: ConditionedLLM) -> dict[str, nn.Parameter]:
    """The parameters that training changes, by their names in a checkpoint: `adapter.*` and `lora.*`."""
    parameters = {f"adapter.{name}": value for name, value in llm.adapter.named_parameters()}
    for name, value in llm.llm.named_parameters():
        if ".lora_" in name:
            parameters["lora." + re.sub(r"\.(lora_[AB])\.default\.", r".\1.", name)] = value
    return parameters


def load_weights(llm: ConditionedLLM, folder: Path) -> None:
    """Reads the trained parameters from `adapter.safetensors` into the model.

    The LoRA update of a layer may have a lower rank in the file than in `config.yaml`. The further columns of B are
    then zero, and the further rows of A stay as they are: they change nothing, and a training may go on from them.

    The tuner of older checkpoints has a bias, G - g_dn (W E + b). It goes into the prompts, (G - g_dn b) - g_dn W E,
    which is the same function up to rounding; a line in the log says so.

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
    bias = stored.pop(TUNER_BIAS, None) if TUNER in own else None
    if unfit := sorted(stored.keys() ^ own.keys()):
        side = "missing from the file" if unfit[0] in own else "unknown to the configuration"
        raise InputError(
            f"{path}: {len(unfit)} weights do not fit config.yaml, the first, {unfit[0]!r}, is {side}"
        )
    with torch.no_grad():
        for name, parameter in own.items():
            part = parameter
            if ".lora_A." in name:
                part = parameter[: len(stored[name])]
            elif ".lora_B." in name:
                rank = len(stored[name.replace(".lora_B.", ".lora_A.")])
                parameter[:, rank:] = 0
                part = parameter[:, :rank]
            if stored[name].shape != part.shape:
                raise InputError(
                    f"{path}: {name!r} has shape {tuple(stored[name].shape)}, "
                    f"config.yaml and the language model need {tuple(part.shape)}"
                )
            part.copy_(stored[name])
        if bias is not None:
            _into_the_prompts(bias, own, path)


def _into_the_prompts(bias: Tensor, own: dict[str, nn.Parameter], path: Path) -> None:
    """Moves the bias of an older checkpoint's tuner into the prompts.

    Raises:
        InputError: it is not as wide as the prompts.
    """
    prompt, gate = own["adapter.prompt"], own["adapter.noise_gate"]
    if bias.shape != prompt.shape[-1:]:
        raise InputError(
            f"{path}: {TUNER_BIAS!r} has shape {tuple(bias.shape)}, the language model needs {tuple(prompt.shape[-1:])}"
        )
    prompt -= gate[:, None, None] * bias.to(prompt)
    logger.info(
        "%s: the tuner of this older checkpoint has a bias; it was moved into the prompts, which compute the same",
        path,
    )


def save_checkpoint(
    llm: ConditionedLLM,
    config: CorrectorConfig,
    folder: str | os.PathLike[str],
    dtype: torch.dtype,
    card: str,
) -> None:
    """Writes the folder of a checkpoint; an older checkpoint stays until the new one is complete.

    Args:
        llm: holds the trained parameters.
        config: the content of `config.yaml`.
        folder: to write. It may hold a checkpoint, or nothing.
        dtype: the type of the weights in the file.
        card: the content of `README.md`.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    from safetensors.torch import save_file

    weights: dict[str, Tensor] = {
        name: value.detach().to("cpu", dtype).contiguous() for name, value in trained_parameters(llm).items()
    }
    with atomic_folder(folder, own_file=CONFIG_FILE) as partial:
        save_file(weights, partial / WEIGHTS_FILE, metadata={"format": "pt"})
        (partial / CONFIG_FILE).write_text(
            yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
        )
        (partial / "README.md").write_text(card, encoding="utf-8")
