"""Settings and fixtures for all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from tests.fixtures_audio import broken_audio as broken_audio  # a fixture for all tests
from tests.tiny_llm import build_tiny_corrector, build_tiny_encoder, build_tiny_llm

if TYPE_CHECKING:
    from robustger.correction import Corrector

# A busy machine must not fail a test: nothing here is judged by the clock.
settings.register_profile("robustger", deadline=None)
settings.load_profile("robustger")


# The folders whose files take longest: begun last, one would leave the other processes with nothing to do.
FIRST = {"end_to_end", "experiments", "training"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in FIRST)
    needing_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not needing_gpu:
        return
    import torch

    if not torch.cuda.is_available():
        for item in needing_gpu:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def embedded_whisper() -> Callable[[str], str]:
    """Gives the name of an embedded Whisper back; skips the test where its package is not installed."""
    from robustger.models import MODELS

    def name(alias: str) -> str:
        if MODELS[alias].sources() is None:
            pytest.skip(f"needs an embedded model: robustger models fetch {alias}")
        return alias

    return name


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Llama and its tokenizer.

    What it writes is noise, but depends on all it reads, and ends after a few words as often as not.
    """
    return build_tiny_llm(tmp_path_factory.mktemp("tiny") / "llm")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random sentence encoder of 16 dimensions."""
    return build_tiny_encoder(tmp_path_factory.mktemp("tiny") / "encoder")


@pytest.fixture(scope="session")
def tiny_corrector(tiny_base: Path, tiny_encoder: Path) -> Callable[..., Corrector]:
    """Builds a corrector on the tiny models; its noise prompt is random, so that noise changes what is written.

    Takes what the configuration is to differ in. In float32 on the CPU.
    """

    def build(**changes: Any) -> Corrector:
        return build_tiny_corrector(tiny_base, tiny_encoder, **changes)

    return build


@pytest.fixture(scope="session")
def tiny_checkpoint(
    tiny_corrector: Callable[..., Corrector], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny corrector as a checkpoint folder."""
    folder = tmp_path_factory.mktemp("tiny") / "checkpoint"
    tiny_corrector().save_pretrained(folder)
    return folder
