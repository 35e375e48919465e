"""A slice of the generated inputs, and what the whole of them found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Result
from tests.cli.conftest import robustger as robustger  # a fixture

from robustger.errors import MESSAGE_CHARACTERS, InputError, one_line
from robustger.hypotheses import BadLine, NBest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings
from robustger.pipeline.presets import load_preset_recognizer
from robustger.recognition.bulk.journal import open_journal
from robustger.yaml_files import parse_yaml

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_no_reader_is_broken_by_a_few_hundred_inputs(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    result = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "generated_inputs.py", "--inputs", "600", "--record", record],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    rows = json.loads(record.read_text(encoding="utf-8"))
    assert sum(row["inputs"] for row in rows) >= 590
    assert sum(row["accepted"] for row in rows) > 60


def test_messages_are_one_line_of_a_bounded_length() -> None:
    """Ids of a megabyte and names of files with line breaks stand in messages."""
    long = f"begin {'a' * 1_000_000} end"
    for message in (one_line(long), str(InputError(long)), BadLine(1, None, long).message):
        assert len(message) <= MESSAGE_CHARACTERS + 10
        assert message.startswith("begin ")
        assert message.endswith(" end")
    assert str(InputError("a\nb\rc")) == "a\\nb\\rc"
    assert str(InputError("short")) == "short"


def test_a_command_names_a_long_id_in_a_short_line(robustger: object, tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    row = json.dumps({"id": "u" * 1_000_000, "hypotheses": ["a"], "reference": "a"})
    path.write_text(f"{row}\n{row}\n", encoding="utf-8")
    result = robustger("baseline", "mbr", path, "-o", tmp_path / "out")  # type: ignore[operator]
    assert isinstance(result, Result)
    assert all(len(line) < 2000 for line in result.err.splitlines())
    assert result.code in (0, 1)


@pytest.mark.parametrize("nested", ["[" * 3000, "a: " + "[" * 3000, "{a: " * 500, "- " * 300 + "a"])
def test_yaml_that_is_nested_deeply_is_refused(nested: str) -> None:
    with pytest.raises(InputError, match="nested too deeply"):
        parse_yaml(nested, "x:")


@pytest.mark.parametrize(
    "state",
    [
        "[" * 5000,
        '{"settings": {}, "units": 1, "counts": {}, "sizes": {"lists.jsonl": "5"}}',
        '{"settings": {}, "units": 1, "counts": {}, "sizes": {"../lists.jsonl": 1}}',
        '{"settings": [], "units": 1, "counts": {}, "sizes": {}}',
        '{"settings": {}, "units": 1, "counts": {}, "sizes": {"' + "a" * 3000 + '": 1}}',
        '{"settings": {}, "units": 1, "counts": 3, "sizes": {}}',
    ],
)
def test_a_journal_that_no_run_wrote_is_refused(tmp_path: Path, state: str) -> None:
    folder = tmp_path / "out.partial"
    folder.mkdir()
    (folder / "state.json").write_text(state, encoding="utf-8")
    (folder / "lists.jsonl").write_text("123456", encoding="utf-8")
    (tmp_path / "lists.jsonl").write_text("kept", encoding="utf-8")
    with pytest.raises(InputError, match="start over with --restart"):
        open_journal(folder, {})
    assert (tmp_path / "lists.jsonl").read_text(encoding="utf-8") == "kept"


def test_a_recognizer_may_have_a_model_with_a_long_name(tmp_path: Path) -> None:
    (tmp_path / "recognizer.yaml").write_text(f"kind: whisper\nmodel: {'a' * 3000}\n", encoding="utf-8")
    assert load_preset_recognizer(tmp_path).model == "a" * 3000


def test_embeddings_with_broken_ids_are_refused(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file
    from tests.heard_lists import save_heard_lists

    save_heard_lists([NBest.from_texts("u", ["a"])], tmp_path / "lists.jsonl")
    name = "lists.embeddings.safetensors"
    assert AudioEmbeddings(tmp_path).ids(name) == ["u"]
    values = np.zeros((1, 2), dtype="f4")
    for ids in (b'"u', b"[" * 5000, b"\xff"):
        save_file({"noisy": values, "noisy.ids": np.frombuffer(ids, dtype="u1")}, tmp_path / name)
        with pytest.raises(InputError, match="ids of the kind 'noisy' cannot be read"):
            AudioEmbeddings(tmp_path).ids(name)
    save_file({"noisy": values}, tmp_path / name)
    with pytest.raises(InputError, match="ids of the kind 'noisy' cannot be read"):
        AudioEmbeddings(tmp_path).ids(name)
