"""Short names of Whisper, and single files of its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from faster_whisper.utils import _MODELS as FASTER_WHISPER

from robustger.errors import MissingModelError
from robustger.models import MODELS, resolve_ctranslate2, resolve_model
from robustger.models.short_names import CTRANSLATE2, EMBEDDED, TRANSFORMERS


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hub's cache is empty, and the hub is not asked."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def refusal(name: str) -> str:
    with pytest.raises(MissingModelError) as caught:
        resolve_model(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_they_are_those_of_faster_whisper() -> None:
    assert CTRANSLATE2 == FASTER_WHISPER
    assert set(TRANSFORMERS) == set(CTRANSLATE2)
    assert set(EMBEDDED) < set(TRANSFORMERS)
    assert set(EMBEDDED.values()) == {model.alias for model in MODELS.values() if model.is_whisper}


@pytest.mark.parametrize(
    ("short", "name"),
    [
        ("large-v3", "openai/whisper-large-v3"),
        ("turbo", "openai/whisper-large-v3-turbo"),
        ("small.en", "openai/whisper-small.en"),
        ("distil-large-v3", "distil-whisper/distil-large-v3"),
    ],
)
def test_without_a_hub_the_full_name_and_the_command_are_told(short: str, name: str) -> None:
    message = refusal(short)
    assert message.startswith(
        f"{short}: its full name is {name} ({CTRANSLATE2[short]} in CTranslate2's format); it is not "
    )
    assert f"robustger models fetch {name};" in message
    assert "whisper-base and whisper-tiny.en work without the hub" in message
    with pytest.raises(MissingModelError) as caught:
        resolve_ctranslate2(short)
    assert str(caught.value) == message


def test_a_short_name_takes_what_is_on_this_machine(tmp_path: Path) -> None:
    """CTranslate2's repository where the hub's cache has it, else that of transformers, which is converted."""

    def keep(repository: str, *files: str) -> Path:
        cached = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
        snapshot = cached / "snapshots" / ("a" * 40)
        snapshot.mkdir(parents=True)
        (cached / "refs").mkdir()
        (cached / "refs" / "main").write_text("a" * 40)
        for file in files:
            (snapshot / file).write_text("{}")
        return snapshot

    transformers = keep("openai/whisper-large-v3", "config.json", "model.safetensors")
    assert resolve_ctranslate2("large-v3") == transformers
    assert resolve_model("large-v3") == transformers
    ctranslate2 = keep("Systran/faster-whisper-large-v3", "config.json", "model.bin")
    assert resolve_ctranslate2("large-v3") == ctranslate2
    assert resolve_model("large-v3") == transformers
    assert resolve_ctranslate2("Systran/faster-whisper-large-v3") == ctranslate2


def test_an_embedded_model_answers_to_its_short_name(
    embedded_whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded_whisper("whisper-tiny.en")
    assert resolve_ctranslate2("tiny.en") == resolve_ctranslate2("whisper-tiny.en")
    monkeypatch.setattr(type(MODELS["whisper-base"]), "sources", lambda self: None)
    assert refusal("base") == (
        "model 'whisper-base' is not installed; get it with: robustger models fetch whisper-base"
    )


@pytest.mark.parametrize(
    ("name", "content", "what", "instead"),
    [
        (
            "small.en.pt",
            b"PK",
            "a file of PyTorch",
            "--model small.en (get it with: robustger models fetch openai/w",
        ),
        ("large-v3.pt", b"PK", "a file of PyTorch", "--model large-v3 "),
        ("mine.pth", b"\x80\x02", "a file of PyTorch", "--model small.en "),
        (
            "base.pt",
            b"PK",
            "a file of PyTorch",
            "--model base (get it with: robustger models fetch whisper-base)",
        ),
        ("ggml-small.bin", b"lmgg", "a file of whisper.cpp (ggml)", "--model small "),
        ("ggml-base.en-q5_1.bin", b"lmgg", "a file of whisper.cpp (ggml)", "--model base.en "),
        ("renamed.bin", b"lmgg....", "a file of whisper.cpp (ggml)", "--model small.en "),
        ("whisper-medium.gguf", b"GGUF", "a GGUF file", "--model medium "),
        ("model.safetensors", b"{}", "weights alone", "--model small.en "),
        ("pytorch_model.bin", b"PK", "weights alone", "--model small.en "),
        ("talk.wav", b"RIFF", "a file, not a model", "--model small.en "),
    ],
)
def test_a_single_file_is_told_for_what_it_is(
    tmp_path: Path, name: str, content: bytes, what: str, instead: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = refusal(str(path))
    assert message.startswith(f"{path}: {what}")
    assert "a folder in the format of transformers or CTranslate2 is needed" in message
    assert instead in message


@pytest.mark.parametrize("name", ["model.safetensors", "model.bin", "pytorch_model.bin"])
def test_weights_inside_a_model_s_folder_name_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"12345678")
    (tmp_path / "config.json").write_text("{}")
    assert refusal(str(tmp_path / name)).endswith(f"name the folder they lie in: --model {tmp_path}")


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal("small.en.pt").startswith(
        "small.en.pt: no such file, nor would a single file of weights do"
    )
    assert "the hub did not give it" in refusal("org/whisper-small.pt")  # a name that the hub may well have
