"""What holds for all tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A busy machine must not fail a test: nothing here is judged by the clock.
settings.register_profile("robustger", deadline=None)
settings.load_profile("robustger")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needing_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not needing_gpu:
        return
    import torch

    if not torch.cuda.is_available():
        for item in needing_gpu:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
