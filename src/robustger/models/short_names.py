"""Maps the short names of Whisper to models, and says what to do with a single file of weights.

OpenAI's program and faster-whisper call their models `base`, `large-v3`, `turbo` and so on; the model hub and this
package call them by longer names.
"""

from __future__ import annotations

import re
from pathlib import Path

from robustger.errors import MissingModelError

# The embedded models are OpenAI's very weights.
EMBEDDED: dict[str, str] = {"base": "whisper-base", "tiny.en": "whisper-tiny.en"}

TRANSFORMERS: dict[str, str] = {
    **{
        name: f"openai/whisper-{name}"
        for name in (
            *("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en"),
            *("large-v2", "large-v3", "large-v3-turbo"),
        )
    },
    "large-v1": "openai/whisper-large",
    "large": "openai/whisper-large-v3",
    "turbo": "openai/whisper-large-v3-turbo",
    **{
        name: f"distil-whisper/{name}"
        for name in ("distil-small.en", "distil-medium.en", "distil-large-v2", "distil-large-v3")
    },
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5",
}

CTRANSLATE2: dict[str, str] = {
    **{
        name: f"Systran/faster-whisper-{name}"
        for name in (
            *("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en"),
            *("large-v1", "large-v2", "large-v3"),
        )
    },
    "large": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    **{
        f"distil-{name}": f"Systran/faster-distil-whisper-{name}"
        for name in ("small.en", "medium.en", "large-v2", "large-v3")
    },
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}

_WEIGHT_FILES = (".pt", ".pth", ".bin", ".safetensors", ".gguf", ".ckpt")
_GGML_MAGIC = b"lmgg"


def refuse_weight_file(name: str) -> None:
    """Refuses a single file of weights where a folder is needed, and says what to do; does nothing for other names.

    Raises:
        MissingModelError: `name` is such a file, or is called like one.
    """
    path = Path(name)
    if not path.is_file() and (path.suffix.lower() not in _WEIGHT_FILES or "/" in name):
        return  # org/model.pt may be on the hub: a Portuguese one
    size = _short_name_in(path.stem)
    example = size or "small.en"
    if not path.is_file():
        what = "no such file, nor would a single file of weights do"
    elif path.name.startswith("ggml") or _starts_with(path, _GGML_MAGIC):
        what = "a file of whisper.cpp (ggml)"
    elif path.suffix == ".gguf":
        what = "a GGUF file of llama.cpp or whisper.cpp"
    elif path.suffix in (".pt", ".pth", ".ckpt"):
        what = "a file of PyTorch, such as OpenAI's own program has (a pickle)"
    elif path.suffix in (".safetensors", ".bin"):
        folder = path.parent if str(path.parent) != "." else Path.cwd()
        if (path.parent / "config.json").is_file():
            raise MissingModelError(
                f"{path}: the weights of a model; name the folder they lie in: --model {folder}"
            )
        what = "weights alone"
    else:
        what = "a file, not a model"
    raise MissingModelError(
        f"{path}: {what}; a folder in the format of transformers or CTranslate2 is needed, or a model's name such as "
        f"--model {example} (get it with: robustger models fetch {fetched_name(example)})"
    )


def fetched_name(short: str) -> str:
    """The name to give to `robustger models fetch` for a short name, so that every recognizer finds the model."""
    return EMBEDDED.get(short) or TRANSFORMERS.get(short, short)


def _short_name_in(stem: str) -> str | None:
    """The short name in a file's name: `small.en` of small.en.pt, `large-v3` of ggml-large-v3-q5_0.bin."""
    plain = re.sub(r"[-.](q\d\w*|f16|f32|int8|fp16)$", "", stem.lower())
    plain = re.sub(r"^(ggml|gguf|whisper|openai|faster)[-_.]", "", re.sub(r"^(ggml|gguf)[-_.]", "", plain))
    return plain if plain in TRANSFORMERS else None


def _starts_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False
