"""Lists name their sentence, noise and SNR."""

from __future__ import annotations

from typing import Any

import pytest

from robustger.errors import InputError
from robustger.experiments.conditions import sentence, snr_db
from robustger.hypotheses import NBest


def heard(id_: str, **meta: Any) -> NBest:
    return NBest.from_texts(id_, ["a b"], reference="a b", meta=meta)


def test_what_was_said_is_named_or_mixed_or_in_the_id() -> None:
    assert sentence(heard("test_lf/ACVacuum_5dB/1089", sentence="1089", snr_db=5)) == "1089"
    assert sentence(heard("x", mix={"source_id": "1089"}, snr_db=5)) == "1089"
    assert sentence(heard("1089_babble-2_-5dB", snr_db=-5)) == "1089"
    # Without an SNR the id is a name like any other.
    assert sentence(heard("1089_babble-2_-5dB")) == "1089_babble-2_-5dB"


@pytest.mark.parametrize(
    ("given", "shown"),
    [(5, "5"), (5.0, "5"), ("7.5", "7.5"), (2.5, "2.5"), (-4.87, "-5"), (0.2, "0"), (None, "None")],
)
def test_an_snr_is_rounded_to_half_a_db(given: Any, shown: str) -> None:
    assert str(snr_db(heard("x", snr_db=given))) == shown


@pytest.mark.parametrize("given", ["five", [5], float("nan"), float("inf"), {}])
def test_an_snr_that_is_no_number_is_refused_with_the_list(given: Any) -> None:
    with pytest.raises(InputError, match=r"list 'x': meta.snr_db: .* is not a number of dB"):
        snr_db(heard("x", snr_db=given))
