"""Files of HyPoradise, in every layout, become N-best lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robustger.errors import InputError
from robustger.hypotheses import (
    NBest,
    read_hyporadise,
)

EXPECTED = [
    NBest.from_texts("test_x-00000", ["a b", "a c", "a d"], reference="a b"),
    NBest.from_texts("test_x-00001", ["e", "f", "g"], reference="f"),
]


@pytest.mark.parametrize(
    "data",
    [
        [{"input": ["a b", "a c", "a d"], "output": "a b"}, {"input": ["e", "f", "g"], "output": "f"}],
        [
            {"input1": "a b", "input2": "a c. a d", "output": "a b"},
            {"input1": "e", "input2": ["f", "g"], "output": "f"},
        ],
        {"input": [["a b", "a c", "a d"], ["e", "f", "g"]], "output": ["a b", "f"]},
        {"input": {"0": ["a b", "a c", "a d"], "1": ["e", "f", "g"]}, "output": {"0": "a b", "1": "f"}},
        {"input1": ["a b", "e"], "input2": ["a c. a d.", "f. g"], "output": ["a b", "f"]},
        {
            "test_x-00000": {"input": ["a b", "a c", "a d"], "output": "a b"},
            "test_x-00001": {"input": ["e", "f", "g"], "output": "f"},
        },
    ],
    ids=["list", "list-best-others", "columns", "columns-by-row", "columns-best-others", "by-id"],
)
def test_every_layout_of_hyporadise_is_read(tmp_path: Path, data: object):
    path = tmp_path / "test_x.json"
    path.write_text(json.dumps(data))
    assert read_hyporadise(path) == EXPECTED


def test_hyporadise_scores_and_other_keys_are_kept(tmp_path: Path):
    path = tmp_path / "wsj.json"
    path.write_text(
        json.dumps([{"input": ["a", "b"], "am_score": [-1, -2.5], "output": "a", "data_source": "wsj"}])
    )
    assert read_hyporadise(path) == [
        NBest.from_texts(
            "wsj-00000", ["a", "b"], scores=[-1.0, -2.5], reference="a", meta={"data_source": "wsj"}
        )
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "x.json: not valid JSON"),
        ("[]", "x.json: holds no entries"),
        ("3", "x.json: is not HyPoradise JSON"),
        ('[{"input": ["a"]}, 3]', "x.json: entry 2: is not an object"),
        ('[{"output": "a"}]', "x.json: entry 1: has neither 'input' nor 'input1'"),
        ('[{"input": [], "output": "a"}]', "x.json: entry 1: 'hypotheses' is empty"),
        ('[{"input": ["a"], "am_score": [1, 2]}]', "x.json: entry 1: 2 'scores' for 1 'hypotheses'"),
        ('{"input": [["a"]], "output": ["a", "b"]}', "x.json: column 'output' has 2 rows"),
        ('{"input": 3, "output": ["a"]}', "x.json: column 'input' is neither"),
    ],
)
def test_what_is_not_hyporadise_is_refused(tmp_path: Path, content: str, message: str):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_hyporadise(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
