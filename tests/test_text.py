from __future__ import annotations

import pytest

from robustger.text import normalize


@pytest.mark.parametrize(
    "spellings",
    [
        ["one thousand, nine hundred and eighty-five", "nineteen eighty five", "Nineteen eighty-five.", "1985", "1,985"],
        ["$six point nine million", "six point nine million dollars", "$6.9 million", "$6,900,000"],
        ["twenty-fifth", "twenty fifth", "25th"],
        ["$fifty thousand", "fifty thousand dollars", "$50,000"],
        ["four hundred and sixty-eight", "four sixty eight", "468"],
        ["fifteen percent", "15%", "15 per cent"],
        ["well-known", "well known"],
    ],
)
def test_number_is_blind_to_spelling(spellings):
    assert len({normalize(spelling, "number") for spelling in spellings}) == 1
