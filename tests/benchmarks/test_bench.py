"""The one command of all benchmarks: what it runs, what it saves, and that one failure does not spoil the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmarks.timing import Row

from benchmarks import bench, corpus, scaling

ROOT = Path(__file__).parents[2]
POINTS = [{"lists": size, "seconds": 0.5 * size**1.5, "peak": 1_000} for size in (10, 40, 90)]
CURVE = Row("g", "power", "1", (1.5,), "exponent", details={"points": POINTS})


def test_a_benchmark_that_fails_does_not_spoil_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, bool]] = []

    def stand_in(part: str) -> SimpleNamespace:
        def measure(quick: bool) -> list[Row]:
            asked.append((part, quick))
            return [Row(part, part, "", (1.0,))]

        return SimpleNamespace(measure=measure)

    def refuse(quick: bool) -> list[Row]:
        raise SystemExit("values differ")

    monkeypatch.setitem(sys.modules, "benchmarks.last", stand_in("z"))
    monkeypatch.setitem(sys.modules, "benchmarks.first", stand_in("b"))
    monkeypatch.setitem(sys.modules, "benchmarks.wrong", SimpleNamespace(measure=refuse))
    parts = (("z", "last", "measure"), ("c", "wrong", "measure"), ("ab", "first", "measure"))
    monkeypatch.setattr(bench, "PARTS", parts)
    rows, failed = bench.run("bcz", quick=True)
    assert [row.part for row in rows] == ["b", "z"]
    assert failed == ["wrong"]
    assert asked == [("z", True), ("b", True)]
    assert "values differ" in capsys.readouterr().err
    assert [row.part for row in bench.run("a", quick=False)[0]] == ["b"]


def test_rows_and_curves_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "bench.json"
    bench.save([CURVE, Row("c", "E_LN", "one call each", (60.0, 50.0, 55.0))], path, quick=True)
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert [(row["median"], row["low"], row["high"]) for row in saved["rows"]] == [(1.5,) * 3, (55, 50, 60)]
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert sorted(file.name for file in path.parent.iterdir()) == ["bench.json", "bench.png"]


def test_every_part_names_a_function_that_is_there() -> None:
    for _, module, function in bench.PARTS:
        source = (ROOT / "benchmarks" / f"{module}.py").read_text(encoding="utf-8")
        assert f"\ndef {function}(quick: bool" in source


def test_the_exponent_is_that_of_the_power() -> None:
    assert corpus.exponent([(point["lists"], point["seconds"]) for point in POINTS]) == pytest.approx(1.5)


def test_lists_have_the_words_and_the_hypotheses_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBUSTGER_DATA", raising=False)
    for nbest in scaling.lists_of_words(4, 30):
        assert [len(text.split()) for text in nbest.texts] == [30] * 5
    for n in (2, 5, 10):
        assert [len(texts) for texts in scaling.lists_of_hypotheses(3, n)] == [n] * 3
    assert len(set(scaling.lists_of_hypotheses(1, 10)[0])) > 5


@pytest.mark.slow
def test_the_command_gives_every_part(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/bench.py", "--quick", "--json", str(tmp_path / "bench.json")]
    result = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    saved = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert {row["part"] for row in saved["rows"]} == set("abcdefgh")
    assert all(f"| {row['name']} |" in result.stdout for row in saved["rows"])
