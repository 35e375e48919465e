"""The profile: operators by kind, shares of the time without the profiler, and its table."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch
from benchmarks.profiling import ELEMENTWISE, HOST, Profile, kind_of, main, profiled, table

from robustger.models import MODELS


def test_operators_have_a_kind() -> None:
    kinds = {
        "aten::mm": "matrix products",
        "aten::addmm": "matrix products",
        "aten::linear": "matrix products",
        "aten::_scaled_dot_product_flash_attention_for_cpu": "attention",
        "aten::copy_": "moving memory",
        "aten::index_put_": "moving memory",
        "aten::argmax": "choosing tokens",
        "aten::logsumexp": "choosing tokens",
        "aten::silu": ELEMENTWISE,
        "aten::rsqrt": ELEMENTWISE,
    }
    assert {operator: kind_of(operator) for operator in kinds} == kinds


def test_operators_are_counted_for_each_list() -> None:
    matrix = torch.randn(200, 200)

    def run() -> None:
        for _ in range(6):
            torch.mm(matrix, matrix)
        matrix.clone()

    found = profiled(run, seconds=10.0, lists=2)
    assert found.seconds == 5.0
    assert min(found.kinds["matrix products"], found.kinds["moving memory"]) > 0
    assert found.operators >= (6 + 1) / 2
    assert found.operators == profiled(run, seconds=1.0, lists=1).operators / 2
    shares = found.shares()
    assert set(shares) == {*found.kinds, HOST}
    assert sum(shares.values()) == pytest.approx(1)


def test_the_table_has_a_column_for_each_way() -> None:
    ways = {
        "loop": Profile(2.0, {"matrix products": 1.0, ELEMENTWISE: 0.5}, 1_000.0),
        "drafted": Profile(0.1, {"matrix products": 0.2}, 10.0),  # the profiler made it slower
    }
    lines = table(ways).splitlines()
    assert lines[0] == "| | loop | drafted |"
    assert "| matrix products | 1,000 ms, 50% | 100 ms, 100% |" in lines
    assert f"| {HOST} | 500 ms, 25% | 0 ms, 0% |" in lines
    assert lines[-2:] == ["| all of it | 2,000 ms | 100 ms |", "| operators called | 1,000 | 10 |"]


def test_no_benchmark_hides_a_module_of_python() -> None:
    """A benchmark that is run as a script has its own folder in front of Python's."""
    folder = Path(__file__).parents[2] / "benchmarks"
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert not names & set(sys.stdlib_module_names)
    assert importlib.import_module("profile").__file__ != str(folder / "profile.py")


@pytest.mark.slow
@pytest.mark.skipif(
    any(model.source() is None for model in MODELS.values()),
    reason="needs the embedded models: robustger models fetch smollm2-135m",
)
def test_the_profile_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--json", str(tmp_path / "folder" / "profile.json")])
    saved = json.loads((tmp_path / "folder" / "profile.json").read_text(encoding="utf-8"))
    assert len(saved["profiles"]) == 3
    assert "| matrix products |" in capsys.readouterr().out
    loop, alone, _ = saved["profiles"].values()
    assert loop["operators_per_list"] > alone["operators_per_list"]
