"""The one place that loads models, configurations, tokenizers and feature extractors with transformers.

A model's folder may name Python files of its own (`auto_map` in config.json). transformers asks on standard input
whether to run them, and takes any "y" that a pipe happens to hold for consent. Here they are never run, unless the
caller says `trust_remote_code=True`; nothing is ever asked.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.torch_files import refuse_inflating_archive


def load_pretrained(
    loader: str, folder: str | os.PathLike[str], *, trust_remote_code: bool = False, **options: Any
) -> Any:
    """Loads a folder with `from_pretrained` of a class of transformers.

    Args:
        loader: the class's name, such as "AutoTokenizer" or "WhisperForConditionalGeneration".
        folder: of the model.
        trust_remote_code: run the Python files that the folder names. They can do whatever the user can.
        **options: for `from_pretrained`.

    Raises:
        InputError: a file is broken, or the weights are a pickle that is compressed or holds code.
        OSError, ValueError, KeyError, RuntimeError: as transformers raises them; the callers say what they wanted.
    """
    import transformers
    from safetensors import SafetensorError

    if loader != "GenerationConfig":  # the class would treat the option as a setting of the search
        options["trust_remote_code"] = trust_remote_code
    for weights in sorted(Path(folder).glob("*.bin")):
        refuse_inflating_archive(weights)
    try:
        return getattr(transformers, loader).from_pretrained(folder, **options)
    except pickle.UnpicklingError:
        raise InputError(
            f"{folder}: its weights are a pickle that is broken or holds code, which is not run; "
            "save them as safetensors"
        ) from None
    except (SafetensorError, TypeError, IndexError) as error:
        raise _broken(loader, folder, error) from None
    except Exception as error:
        if type(error) is Exception:  # the class of all errors of the library tokenizers
            raise _broken(loader, folder, error) from None
        raise


def _broken(loader: str, folder: str | os.PathLike[str], error: Exception) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{folder}: a file of the model is broken ({loader}): {reason}")


def model_from_config(loader: str, config: Any, *, trust_remote_code: bool = False, **options: Any) -> Any:
    """A model with the sizes of a configuration and untrained weights; `from_config` of a class of transformers.

    Args:
        loader: the class's name, such as "AutoModelForCausalLM".
        config: a configuration of transformers, which may name Python files like a folder.
        trust_remote_code: as for `load_pretrained`.
        **options: for `from_config`.

    Raises:
        ValueError: no such model is known, or it needs code of its own.
    """
    import transformers

    return getattr(transformers, loader).from_config(config, trust_remote_code=trust_remote_code, **options)
