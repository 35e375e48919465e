"""Compares two recognitions of one audio."""

from __future__ import annotations

import numpy as np

from robustger.recognition import Recognition


def same(one: Recognition, other: Recognition) -> None:
    assert [h.text for h in one.hypotheses] == [h.text for h in other.hypotheses]
    assert one.distinct == other.distinct
    scores = [[h.score or 0.0 for h in recognition.hypotheses] for recognition in (one, other)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)
    np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-5)
    np.testing.assert_allclose(one.padded_embedding, other.padded_embedding, atol=1e-5)  # type: ignore[arg-type]
