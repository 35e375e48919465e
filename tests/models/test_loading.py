"""Loads models with transformers: the Python files and pickles of a stranger's folder are not run."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tests.hostile_torch import Touching, save_bomb

from robustger.errors import InputError
from robustger.models.loading import load_pretrained, model_from_config

ROOT = Path(__file__).parents[2]
LOADING = ROOT / "src" / "robustger" / "models" / "loading.py"
OWN_LOADERS = {"Corrector"}  # classes of this package that have a from_pretrained of their own
# A test of the adapters builds a model of its own settings; nothing of a user's goes in.
OWN_CONFIGS = {"selftest.py", "chain.py"}

CODE = """
from pathlib import Path
Path({marker!r}).write_text("ran")
from transformers import PretrainedConfig, PreTrainedModel
class Config(PretrainedConfig):
    model_type = "strange"
class Model(PreTrainedModel):
    config_class = Config
"""


@pytest.fixture
def foreign(tiny_base: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A model folder with Python of its own, and the file that the Python would write."""
    folder, marker = tmp_path / "foreign", tmp_path / "marker"
    shutil.copytree(tiny_base, folder)
    config = json.loads((folder / "config.json").read_text())
    names = {"AutoConfig": "own.Config", "AutoModel": "own.Model", "AutoModelForCausalLM": "own.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "strange", "auto_map": names}))
    names = {"tokenizer_class": "Strange", "auto_map": {"AutoTokenizer": ["own.Model", None]}}
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | names))
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))
    return folder, marker


@pytest.mark.parametrize("loader", ["AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoTokenizer"])
def test_python_of_a_folder_is_not_run(
    foreign: tuple[Path, Path], loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, marker = foreign
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on standard input"))
    with pytest.raises(ValueError, match="trust_remote_code"):
        load_pretrained(loader, folder)
    assert not marker.exists()


def test_python_of_a_folder_runs_when_it_is_trusted(
    foreign: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The attack works, so the other tests prove something."""
    folder, marker = foreign
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    load_pretrained("AutoConfig", folder, trust_remote_code=True)
    assert marker.read_text() == "ran"


def test_a_configuration_with_python_of_its_own_makes_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import ViTConfig

    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on standard input"))
    config: Any = ViTConfig()
    config.auto_map = {"AutoModelForCausalLM": "own.Model"}
    with pytest.raises(ValueError, match="trust_remote_code"):
        model_from_config("AutoModelForCausalLM", config)


def test_yes_on_standard_input_is_no_consent(
    foreign: tuple[Path, Path], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder, marker = foreign
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, checkpoint)
    config = yaml.safe_load((checkpoint / "config.yaml").read_text())
    (checkpoint / "config.yaml").write_text(yaml.safe_dump(config | {"base": str(folder)}))
    lists = json.dumps({"id": "u1", "hypotheses": ["turn on", "turn of"]})
    command = [sys.executable, "-m", "robustger", "correct", "-", "--checkpoint", str(checkpoint)]
    result = subprocess.run(command, input="y\n" * 1000 + lists, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith(f"robustger: error: {folder}: ")
    assert result.stdout == ""
    assert not marker.exists()


def _with_pickled_weights(tiny_base: Path, folder: Path) -> Path:
    shutil.copytree(tiny_base, folder)
    for path in folder.glob("*.safetensors"):
        path.unlink()
    return folder / "pytorch_model.bin"


def test_pickled_weights_without_code_are_loaded(tiny_base: Path, tmp_path: Path) -> None:
    path = _with_pickled_weights(tiny_base, tmp_path / "model")
    original = load_pretrained("AutoModelForCausalLM", tiny_base, dtype=torch.float32)
    torch.save(original.state_dict(), path)
    loaded = load_pretrained("AutoModelForCausalLM", path.parent, dtype=torch.float32)
    for one, other in zip(original.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(one, other)


def test_pickled_weights_with_code_are_refused_in_one_line(tiny_base: Path, tmp_path: Path) -> None:
    path, marker = _with_pickled_weights(tiny_base, tmp_path / "model"), tmp_path / "marker"
    torch.save({"model.embed_tokens.weight": Touching(marker)}, path)
    with pytest.raises(InputError, match="a pickle that is broken or holds code, which is not run") as caught:
        load_pretrained("AutoModelForCausalLM", path.parent)
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def test_compressed_weights_are_refused_before_they_are_inflated(tiny_base: Path, tmp_path: Path) -> None:
    path = _with_pickled_weights(tiny_base, tmp_path / "model")
    save_bomb(path, {"model.embed_tokens.weight": torch.zeros(4)}, gigabytes=1)
    with pytest.raises(InputError, match=r"pytorch_model\.bin: is compressed"):
        load_pretrained("AutoModelForCausalLM", path.parent)


def test_nothing_else_loads_with_transformers_torch_or_yaml() -> None:
    """Other code goes through `load_pretrained`, `model_from_config`, `load_torch` and `read_yaml`."""
    paths = [*ROOT.glob("src/**/*.py"), *ROOT.glob("lab/*.py"), *ROOT.glob("benchmarks/*.py")]
    assert len(paths) > 200
    for path in paths:
        calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        for function in (call.func for call in calls):
            if not isinstance(function, ast.Attribute):
                continue
            owner = function.value.id if isinstance(function.value, ast.Name) else ""
            where = f"{path.name}:{function.lineno}: {owner}.{function.attr}"
            if function.attr == "from_pretrained" and owner not in OWN_LOADERS:
                assert path == LOADING, f"{where}: use robustger.models.loading.load_pretrained"
            if function.attr in ("from_config", "_from_config") and path.name not in OWN_CONFIGS:
                assert path == LOADING, f"{where}: use robustger.models.loading.model_from_config"
            if (owner, function.attr) == ("torch", "load"):
                assert path.name == "torch_files.py", f"{where}: use robustger.torch_files.load_torch"
            if owner == "yaml":
                loads = function.attr.removeprefix("safe_") in ("load", "load_all", "full_load")
                assert not loads, f"{where}: use robustger.yaml_files"
