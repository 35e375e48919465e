"""`robustger correct`: its messages and its files when something is wrong.

That it corrects is tested in `tests/end_to_end`.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

LISTS = [
    {"id": "a", "hypotheses": ["what is the fair", "what is the fare"]},
    {"id": "b", "hypotheses": ["half past ten", "half passed ten"]},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `lists.jsonl`, the name of a folder, and an output that must not be overwritten."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = "".join(json.dumps(row) + "\n" for row in LISTS)
    Path("lists.jsonl").write_text(rows, encoding="utf-8")
    Path("folder").mkdir()
    Path("kept.jsonl").write_text("kept\n", encoding="utf-8")
    Path("kept.jsonl").chmod(0o444)
    return folder


def contents(folder: Path) -> dict[str, str | None]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8") if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jsonl"], "none.jsonl: cannot be read: "),
        (["folder"], "folder: cannot be read: "),
        (["lists.jsonl", "-o", "lists.jsonl"], "lists.jsonl: is read by this command; name another output"),
        (["lists.jsonl", "-o", "folder/../lists.jsonl"], "is read by this command; name another output"),
        (["lists.jsonl", "-o", "folder"], "folder: is a folder; name a file to write"),
        (["lists.jsonl", "-o", "kept.jsonl"], "kept.jsonl: is read-only"),
        (["lists.jsonl", "-o", "none/out.jsonl"], "none/out.jsonl: cannot be written: the folder"),
        (["lists.jsonl", "--preset", "none"], "none: no such folder and no such preset"),
        (["lists.jsonl", "--checkpoint", "none"], "none: no such folder and no such preset"),
        (["lists.jsonl", "--checkpoint", "folder"], "folder: not a checkpoint: config.yaml is missing"),
        (["lists.jsonl", "--checkpoint", "x"], "x: no such folder and no such preset"),
        (["lists.jsonl", "--checkpoint", "lab", "--preset", "y"], "y: no such folder and no such preset"),
        (
            ["lists.jsonl", "--guard", "sword"],
            "unknown guard 'sword'; choose one of: none, words, edits, margin",
        ),
        (
            ["lists.jsonl", "--batch-size", "0"],
            "--batch-size 0: give a number of lists, at least 1, or auto",
        ),
        (["lists.jsonl", "--batch-size", "many"], "--batch-size many: give a number"),
        (["lists.jsonl", "--base", "none/at-all"], "none/at-all: not a folder, not an embedded model"),
        (["lists.jsonl", "--base", "folder"], "folder: no config.json there"),
        (["lists.jsonl", "--quantization", "int3"], "quantization = 'int3': Input should be 'none'"),
        pytest.param(
            ["lists.jsonl", "--quantization", "nf4"],
            "bitsandbytes",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed"
            ),
        ),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    robustger, folder: Path, tiny_checkpoint: Path, arguments: list[str], message: str
) -> None:
    if "-o" not in arguments:
        arguments = [*arguments, "-o", "out.jsonl"]
    if not {"--checkpoint", "--preset"} & {*arguments}:
        arguments = [*arguments, "--checkpoint", str(tiny_checkpoint)]
    before = contents(folder)
    result = robustger("correct", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert contents(folder) == before


def not_yaml(checkpoint: Path) -> str:
    (checkpoint / "config.yaml").write_text("base: [", encoding="utf-8")
    return "config.yaml: line 1: not valid YAML"


def unknown_key(checkpoint: Path) -> str:
    with (checkpoint / "config.yaml").open("a", encoding="utf-8") as file:
        file.write("n_bests: 5\n")
    return "config.yaml: unknown key 'n_bests'"


def wrong_value(checkpoint: Path) -> str:
    return changed(checkpoint, n_best=1) or "config.yaml: n_best = 1: "


def wrong_shape(checkpoint: Path) -> str:
    return changed(checkpoint, slots=7) or "adapter.safetensors: 'adapter.prompt' has shape"


def other_variant(checkpoint: Path) -> str:
    return changed(checkpoint, variant="ger") or "weights do not fit config.yaml"


def no_language_model(checkpoint: Path) -> str:
    return changed(checkpoint, base=str(checkpoint / "nothing")) or "nothing: no such folder"


def broken_weights(checkpoint: Path) -> str:
    (checkpoint / "adapter.safetensors").write_bytes(b"\xff" * 100)
    return "adapter.safetensors: not readable as safetensors: "


def no_weights(checkpoint: Path) -> str:
    (checkpoint / "adapter.safetensors").unlink()
    return "not a checkpoint: adapter.safetensors is missing"


def changed(checkpoint: Path, **changes: object) -> str:
    file = checkpoint / "config.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8")) | changes
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return ""


@pytest.mark.parametrize(
    "damage",
    [
        not_yaml,
        unknown_key,
        wrong_value,
        wrong_shape,
        other_variant,
        no_language_model,
        broken_weights,
        no_weights,
    ],
)
def test_a_broken_checkpoint_is_one_line_and_writes_nothing(
    robustger, folder: Path, tiny_checkpoint: Path, tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for file in tiny_checkpoint.iterdir():
        (checkpoint / file.name).write_bytes(file.read_bytes())
    message = damage(checkpoint)
    before = contents(folder)
    result = robustger("correct", "lists.jsonl", "-o", "out.jsonl", "--checkpoint", checkpoint)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert contents(folder) == before


def test_a_checkpoint_runs_on_its_language_model_from_elsewhere(
    robustger, folder: Path, tiny_base: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    written = robustger("correct", "lists.jsonl", "--checkpoint", tiny_checkpoint).out
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, checkpoint)
    changed(checkpoint, base=str(tmp_path / "nothing"), quantization="nf4")
    moved = shutil.copytree(tiny_base, tmp_path / "moved")
    arguments = ("correct", "lists.jsonl", "--checkpoint", checkpoint, "--quantization", "none")
    assert robustger(*arguments).code == 2
    found = robustger(*arguments, "--base", moved)
    assert (found.code, found.out) == (0, written)


def test_a_checkpoint_takes_the_place_of_the_presets_corrector(
    robustger, folder: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """As in `robustger transcribe`, where the preset still gives the recognizer."""
    alone = robustger("correct", "lists.jsonl", "--checkpoint", tiny_checkpoint)
    both = robustger("correct", "lists.jsonl", "--checkpoint", tiny_checkpoint, "--preset", "lab")
    assert (both.code, both.out) == (0, alone.out)
    preset = tmp_path / "preset"  # a recognizer whose corrector is elsewhere
    preset.mkdir()
    settings = {"kind": "whisper", "model": "whisper-base", "corrector": str(tiny_checkpoint)}
    (preset / "recognizer.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert robustger("correct", "lists.jsonl", "--preset", preset).out == alone.out


def test_another_language_model_is_refused_by_its_shape(
    robustger, folder: Path, tiny_base: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    other = shutil.copytree(tiny_base, tmp_path / "other")
    config = LlamaConfig.from_pretrained(other)
    config.hidden_size = 48
    LlamaForCausalLM(config).save_pretrained(other)
    before = contents(folder)
    result = robustger(
        "correct", "lists.jsonl", "-o", "out.jsonl", "--checkpoint", tiny_checkpoint, "--base", other
    )
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "has shape" in result.err
    assert "config.yaml and the language model need" in result.err
    assert contents(folder) == before


@pytest.mark.parametrize("arguments", [[], ["lists.jsonl", "--beams", "0"], ["a", "b"]])
def test_wrong_usage_writes_nothing(robustger, folder: Path, arguments: list[str]) -> None:
    before = contents(folder)
    result = robustger("correct", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err
    assert contents(folder) == before


def test_memory_may_choose_the_batches(robustger, folder: Path, tiny_checkpoint: Path) -> None:
    for name, size in (("one", "1"), ("auto", "auto")):
        arguments = ("lists.jsonl", "-o", f"{name}.jsonl", "--checkpoint", tiny_checkpoint, "--guard", "none")
        assert robustger("correct", *arguments, "--batch-size", size).code == 0
    one, auto = (
        [json.loads(line)["text"] for line in Path(f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("one", "auto")
    )
    assert one == auto
    assert len(one) == len(LISTS)
