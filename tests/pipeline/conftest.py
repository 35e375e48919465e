from __future__ import annotations

from pathlib import Path

import pytest
from tests.tiny_preset import build_tiny_preset

from robustger.pipeline import RobustGER


@pytest.fixture(scope="session")
def tiny_preset(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_preset(tmp_path_factory.mktemp("tiny") / "preset", tiny_checkpoint)


@pytest.fixture(scope="session")
def robustger(tiny_preset: Path) -> RobustGER:
    return RobustGER.from_preset(tiny_preset, device="cpu", find_speech=False)
