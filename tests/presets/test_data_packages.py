"""Presets from a package that is installed beside robustger: found by its metadata, and never imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from robustger.correction import Corrector
from robustger.correction.checkpoint import checkpoint_folder, presets
from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.pipeline import load_preset_recognizer
from robustger.presets import preset_names, preset_path

Install = Callable[..., Path]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages on the path of Python."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def install(site: Path, tiny_corrector: Callable[..., Corrector]) -> Install:
    """Installs a data package with one preset, as pip lays it out: the package's folder and its dist-info."""

    def call(preset: str, package: str, *, distribution: str = "") -> Path:
        distribution = distribution or package
        folder = site / package
        tiny_corrector().save_pretrained(folder)
        (folder / "__init__.py").write_text("raise ImportError('a data package is not to be imported')\n")
        settings = {"kind": "whisper", "model": "recognizer", "normalizer": "spoken"}
        (folder / "recognizer.yaml").write_text(yaml.safe_dump(settings))
        (folder / "recognizer").mkdir()
        info = site / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[robustger.presets]\n{preset} = {package}\n")
        return folder

    return call


def test_the_preset_of_a_data_package_is_found_by_its_name(install: Install) -> None:
    folder = install("klingon", "robustger_preset_klingon")
    assert checkpoint_folder("klingon") == folder
    assert presets() == ["klingon", "lab", "whisper"]
    assert preset_names("recognizer.yaml") == ["klingon", "lab", "whisper"]
    assert load_preset_recognizer("klingon").model == str(folder / "recognizer")
    assert load_preset_recognizer("klingon").normalizer == "spoken"
    lists = [NBest.from_texts("a", ["turn left here", "turn left hear", "turn lest here"])]
    (transcript,) = Corrector.from_pretrained("klingon").correct(lists)
    (same,) = Corrector.from_pretrained(folder).correct(lists)
    assert transcript == same


def test_the_command_knows_the_preset(install: Install, site: Path, tmp_path: Path) -> None:
    folder = install("klingon", "robustger_preset_klingon")
    lists = tmp_path / "lists.jsonl"
    lists.write_text('{"id": "a", "hypotheses": ["turn left here", "turn left hear", "turn lest here"]}\n')

    def correct(preset: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "robustger", "correct", str(lists), "--preset", preset, "-o", "-"]
        paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": paths}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    done = correct("klingon")
    assert done.returncode == 0, done.stderr
    assert '"id": "a"' in done.stdout
    refused = correct("romulan")
    assert refused.returncode == 2
    assert "romulan: no such folder and no such preset; presets: klingon, lab, whisper" in refused.stderr
    shutil.rmtree(folder)
    assert (
        "presets: lab, whisper" in correct("klingon").stderr
    )  # the package's files are gone, its metadata is not


def test_a_folder_of_the_user_comes_before_a_preset_of_that_name(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = install("klingon", "robustger_preset_klingon")
    monkeypatch.chdir(tmp_path)
    assert checkpoint_folder("klingon") == installed
    (tmp_path / "klingon").mkdir()  # not a checkpoint, so it is not what was meant
    assert checkpoint_folder("klingon") == installed
    shutil.copytree(installed, tmp_path / "klingon", dirs_exist_ok=True)
    assert checkpoint_folder("klingon") == Path("klingon")


def test_a_name_that_two_packages_use_is_refused(install: Install) -> None:
    first = install("klingon", "robustger_preset_klingon")
    second = install("klingon", "another_preset_klingon")
    with pytest.raises(InputError, match="klingon: two packages have a preset of this name") as error:
        checkpoint_folder("klingon")
    assert str(first) in str(error.value)
    assert str(second) in str(error.value)
    install("lab", "robustger_preset_lab")  # nor may a package take the place of a preset of robustger
    with pytest.raises(InputError, match="lab: two packages have a preset of this name"):
        load_preset_recognizer("lab")


def test_a_preset_may_have_a_recognizer_only(install: Install) -> None:
    folder = install("ears", "robustger_preset_ears")
    for file in ("config.yaml", "adapter.safetensors"):
        (folder / file).unlink()
    assert preset_path("ears", "recognizer.yaml") == folder
    assert "ears" not in presets()
    with pytest.raises(InputError, match="ears: no such folder and no such preset; presets: lab, whisper"):
        checkpoint_folder("ears")


def test_a_package_that_is_gone_hides_no_other_preset(install: Install, site: Path) -> None:
    install("klingon", "robustger_preset_klingon")
    points = site / "broken-1.0.dist-info"
    points.mkdir()
    (points / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (points / "entry_points.txt").write_text("[robustger.presets]\nbroken = gone_package.inner\nodd = .odd\n")
    assert presets() == ["klingon", "lab", "whisper"]
