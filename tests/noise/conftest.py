"""The real sentence encoder, loaded once for all tests of the noise embedding."""

from __future__ import annotations

import pytest

from robustger.errors import MissingModelError
from robustger.noise.extractors import SentenceBert


@pytest.fixture(scope="session")
def sentence_bert() -> SentenceBert:
    try:
        return SentenceBert("minilm")
    except MissingModelError as error:
        pytest.skip(f"all-MiniLM-L6-v2 is needed: {error}")
