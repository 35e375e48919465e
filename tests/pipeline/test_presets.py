"""`recognizer.yaml`: what it gives, and what is said of a bad one."""

from __future__ import annotations

from datetime import date
from importlib import resources
from pathlib import Path

import pytest
import yaml

from robustger.errors import InputError
from robustger.pipeline import load_preset_recognizer

GOOD = {"kind": "whisper", "model": "org/model"}


def preset(folder: Path, content: object) -> Path:
    (folder / "recognizer.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    settings = load_preset_recognizer(preset(tmp_path, GOOD))
    assert (settings.kind, settings.model, settings.n, settings.beams) == ("whisper", "org/model", 5, None)
    assert (settings.normalizer, settings.options) == ("raw", {})


def test_a_model_inside_the_preset_is_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "preset" / "recognizer").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    settings = load_preset_recognizer(preset(tmp_path / "preset", GOOD | {"model": "recognizer"}))
    assert Path(settings.model) == tmp_path / "preset" / "recognizer"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": "m"}, "kind is missing"),
        ({"kind": "whisper"}, "model is missing"),
        (GOOD | {"beam": 5}, "unknown key 'beam'"),
        (GOOD | {"kind": "parrot"}, "kind: unknown recogniser 'parrot'; choose one of: whisper, ctc, "),
        (GOOD | {"normalizer": "none"}, "normalizer: unknown normaliser 'none'; choose one of: raw, "),
        (GOOD | {"n": 0}, "n = 0: "),
        (GOOD | {"n": 5, "beams": 3}, "beams = 3: n = 5 hypotheses need at least as many beams"),
        (GOOD | {"options": [1]}, "options = [1]: "),
        (GOOD | {"options": {"language": date(2026, 1, 1)}}, "options.language"),
        ([1, 2], "a mapping of keys to values is needed"),
    ],
)
def test_a_bad_file_is_told_by_file_and_key(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        load_preset_recognizer(preset(tmp_path, content))
    assert str(error.value).startswith(f"{tmp_path / 'recognizer.yaml'}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_recogniser_and_a_name_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"recognizer\.yaml is missing"):
        load_preset_recognizer(tmp_path)
    with pytest.raises(InputError, match=r"no such preset with a recogniser; there are: .*whisper"):
        load_preset_recognizer("nothing")


def test_hypotheses_are_written_as_the_corrector_was_trained() -> None:
    """On lists in words for the preset `whisper`, which would not know "2nd"; as they are for `lab`."""
    assert load_preset_recognizer("whisper").normalizer == "hyporadise"
    assert load_preset_recognizer("lab").normalizer == "raw"


def test_the_presets_of_the_package_are_valid() -> None:
    root = Path(str(resources.files("robustger.presets")))
    names = [path.parent.name for path in root.glob("*/recognizer.yaml")]
    assert "whisper" in names
    for name in names:
        assert load_preset_recognizer(name).n == 5
