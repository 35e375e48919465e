"""Gets models of the Hugging Face hub from the cache on this machine, or from the hub itself."""

from __future__ import annotations

from pathlib import Path

# Pickles are never fetched. `model.bin` is CTranslate2's, and is asked for only where there are no safetensors: in a
# repository of transformers it would be a pickle. Some of those hold the same weights in float32 again.
_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
_TWICE_THE_SIZE = ["*.fp32*.safetensors"]
_CTRANSLATE2_WEIGHTS = "model.bin"


class NotOnTheHub(Exception):
    """Neither the hub's cache nor the hub gave the model.

    Attributes:
        is_name: whether it could be the name of a model at all.
        reason: the class of the error.
    """

    def __init__(self, reason: str, is_name: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.is_name = reason, is_name


def from_hub_cache(name: str) -> Path | None:
    """The folder of the model in the hub's cache; None where it is not there.

    Raises:
        NotOnTheHub: `name` cannot be a model's name.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, local_files_only=True, allow_patterns=_FILES))
    except HFValidationError:
        raise NotOnTheHub("HFValidationError", is_name=False) from None
    except OSError:
        return None


def from_hub(name: str) -> Path:
    """The folder of the model: from the hub's cache, else downloaded into it.

    Raises:
        NotOnTheHub: it is in neither.
    """
    from huggingface_hub import snapshot_download

    cached = from_hub_cache(name)
    if cached is not None and has_weights(cached):
        return cached
    try:
        folder = Path(snapshot_download(name, allow_patterns=_FILES, ignore_patterns=_TWICE_THE_SIZE))
        if not has_weights(folder):
            patterns = [*_FILES, _CTRANSLATE2_WEIGHTS]
            folder = Path(snapshot_download(name, allow_patterns=patterns))
    except Exception as error:  # the hub raises another class for each kind of failure
        if cached is not None:
            return cached  # the loader reports missing files
        raise NotOnTheHub(type(error).__name__) from None
    return folder


def has_weights(folder: Path) -> bool:
    """Whether the folder holds weights in one of the formats that are read; tokenizers alone are fetched, too."""
    return any(folder.glob("*.safetensors")) or (folder / _CTRANSLATE2_WEIGHTS).is_file()
