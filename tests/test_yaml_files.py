"""Reads YAML: honest files as PyYAML does, hostile ones with one line and little memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.limited_memory import refusals

from robustger.errors import InputError
from robustger.yaml_files import MAX_BYTES, parse_yaml, read_yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 9)}]}}\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[1].glob("[lrs]*/**/*.yaml")), ids=str)
def test_the_files_of_this_repository_are_read_as_by_pyyaml(path: Path) -> None:
    assert read_yaml(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "1.5",
        "x: 2021-02-03",
        "base: &b {a: 1, c: 2}\nx: {<<: *b, a: 3}\ny: [*b, *b]",
        "b: [{&a k: *a}]",
    ],
)
def test_aliases_and_merges_are_read_as_by_pyyaml(text: str) -> None:
    assert parse_yaml(text, "here:") == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "here: line 3: the key 'a' is given twice, first in line 1; remove one of the two"),
        ("x:\n  a: 1\n  'a': 1\n", "here: line 3: the key 'a' is given twice, first in line 2"),
        ("[{a: 1, a: 1}]", "here: line 1: the key 'a' is given twice"),
        (LAUGHS, "here: its aliases stand for too many values; write the values out"),
        (MERGES, "here: its aliases stand for too many values"),
        ("a: &a [*a]", "here: line 1: a collection contains itself"),
        ("[" * 100_000, "here: nested too deeply"),
        ("!!python/object/apply:os.system [touch marker]", "here: line 1: not valid YAML: could not determine"),
        ("a: 2021-99-99", "here: not valid YAML: month must be in 1..12"),
        ("a: *" + "b" * 1000, "here: line 1: not valid YAML: found undefined alias"),
    ],
)  # fmt: skip
def test_bad_text_is_refused_in_one_short_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml(text, "here:")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="larger than 4 MiB"):
        read_yaml(path)


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(InputError, match=r"config\.yaml: cannot be read: not UTF-8 text"):
        read_yaml(tmp_path / "config.yaml")
    with pytest.raises(InputError, match=r"missing\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "missing.yaml")


def test_nested_aliases_in_a_checkpoint_take_no_memory(tmp_path: Path) -> None:
    """The value of `base` would be a message of gigabytes."""
    (tmp_path / "config.yaml").write_text(LAUGHS.replace("i: &i", "base: &i"), encoding="utf-8")
    (tmp_path / "adapter.safetensors").write_bytes(b"")
    [message] = refusals("robustger.correction.checkpoint.read_config", [tmp_path], beyond_mib=500)
    assert "its aliases stand for too many values" in message
    assert len(message) < 1000


def test_a_long_value_is_cut_in_the_message() -> None:
    from robustger.correction.config import CorrectorConfig, validate_config

    with pytest.raises(InputError, match=r"^here: n_best = 'xxx") as caught:
        validate_config(CorrectorConfig, {"n_best": "x" * 1_000_000}, "here")
    assert len(str(caught.value)) < 600
    with pytest.raises(InputError) as caught:
        validate_config(CorrectorConfig, {"y" * 1_000_000: 1}, "here")
    assert len(str(caught.value)) < 2000
