"""No output takes the place of an input, under any name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from robustger.errors import InputError
from robustger.files import check_readable, file_identity, refuse_overwriting


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.write_text("kept")
    return source


def same_name(source: Path) -> Path:
    return source


def through_a_folder(source: Path) -> Path:
    (source.parent / "folder").mkdir()
    return source.parent / "folder" / ".." / source.name


def symbolic_link(source: Path) -> Path:
    link = source.with_name("symbolic")
    link.symlink_to(source)
    return link


def hard_link(source: Path) -> Path:
    link = source.with_name("hard")
    os.link(source, link)
    return link


@pytest.mark.parametrize("alias", [same_name, through_a_folder, symbolic_link, hard_link])
def test_an_output_that_is_an_input_is_refused_under_any_name(source: Path, alias) -> None:
    target = alias(source)
    with pytest.raises(InputError, match="is read by this command; name another output"):
        refuse_overwriting(target, None, source.with_name("missing"), source)
    with pytest.raises(InputError, match="is read by this command"):
        refuse_overwriting(source, target)


def test_standard_input_may_be_redirected_from_the_output(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with source.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(InputError, match="is read by this command"):
            refuse_overwriting(source, "-")
        refuse_overwriting(source.with_name("other"), "-")


def test_everything_else_is_let_through(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = source.with_name("copy")
    copy.write_text("kept")
    refuse_overwriting(copy, source)
    refuse_overwriting(source.with_name("new"), source)
    refuse_overwriting("-", source, "-")
    refuse_overwriting("/dev/null", "/dev/null")
    refuse_overwriting(source.parent, source.parent)
    monkeypatch.setattr(sys, "stdin", None)
    refuse_overwriting(source, "-")
    assert file_identity("-") is None


def test_files_are_checked_before_the_work(source: Path) -> None:
    check_readable(source, None, "-")
    with pytest.raises(InputError, match="missing: cannot be read: No such file"):
        check_readable(source, source.with_name("missing"))
