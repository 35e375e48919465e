"""`recognizer.yaml`: the settings that it gives, and the errors of a bad one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from importlib import resources
from pathlib import Path

import pytest
import yaml

from robustger.audio import read_audio
from robustger.errors import InputError, MissingModelError
from robustger.models import MODELS
from robustger.pipeline import load_preset_recognizer
from robustger.pipeline.presets import demo_manifest

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
        (GOOD | {"kind": "parrot"}, "kind: unknown recognizer 'parrot'; choose one of: whisper, ctc, "),
        (GOOD | {"normalizer": "none"}, "normalizer: unknown normalizer 'none'; choose one of: raw, "),
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


def test_a_folder_without_a_recognizer_and_a_name_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"recognizer\.yaml is missing"):
        load_preset_recognizer(tmp_path)
    with pytest.raises(InputError, match=r"no such preset with a recognizer; presets: .*whisper"):
        load_preset_recognizer("nothing")


def test_hypotheses_are_written_as_the_corrector_was_trained() -> None:
    """In words for the preset `whisper`, which would not know "2nd"; as they are for `lab`."""
    assert load_preset_recognizer("whisper").normalizer == "spoken"
    assert load_preset_recognizer("lab").normalizer == "raw"


def test_recognizers_of_whisper_share_their_weights_and_others_need_their_own() -> None:
    given = load_preset_recognizer("whisper")
    assert (given.kind, given.model, given.options) == ("faster-whisper", "whisper-base", {"dtype": "int8"})
    assert given.beams is None
    stock = given.chosen("whisper")
    assert (stock.kind, stock.model, stock.options) == ("whisper", "whisper-base", {})
    larger = given.chosen(model="openai/whisper-large-v3-turbo")
    assert (larger.kind, larger.options) == ("faster-whisper", {"dtype": "int8"})
    lab = load_preset_recognizer("lab")
    assert lab.chosen("faster-whisper").model == lab.model
    with pytest.raises(
        InputError, match="the recognizer 'ctc' needs a model of its own; name it with --model"
    ):
        given.chosen("ctc")
    assert given.chosen("ctc", model="org/ctc").options == {}


def test_the_preset_whisper_hears_without_a_hub(
    embedded_whisper: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded_whisper("whisper-base")
    embedded_whisper("whisper-tiny.en")  # hears again what the first one wrote
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("the hub was asked")
    )
    manifest = demo_manifest("lab")
    assert manifest is not None
    clip = read_audio(manifest.parent / "music_10dB.flac")
    (result,) = load_preset_recognizer("whisper").load(device="cpu").recognize([clip], n=1, beams=5)
    assert result.hypotheses[0].text == "please turn right at the museum and drive straight ahead."
    assert result.hypotheses[0].second_score is not None
    assert result.embedding.shape == (512,)


def test_a_preset_whose_weights_are_not_installed_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(MODELS["whisper-base"]), "sources", lambda self: None)
    with pytest.raises(MissingModelError) as missing:
        load_preset_recognizer("whisper").load()
    assert str(missing.value) == (
        "model 'whisper-base' is not installed; get it with: robustger models fetch whisper-base"
    )


def test_the_presets_of_the_package_are_valid() -> None:
    root = Path(str(resources.files("robustger.presets")))
    names = [path.parent.name for path in root.glob("*/recognizer.yaml")]
    assert "whisper" in names
    for name in names:
        assert load_preset_recognizer(name).n in (5, 10)
