"""Drafted decoding compared with `generate`: what differs is found, a stopped run goes on, passes are counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.decoding import Prompts, generated

from benchmarks import drafted_equals_greedy
from robustger.correction import Corrector
from robustger.hypotheses import NBest, save_nbest

LISTS = [
    NBest.from_texts(f"{number}", [f"{'what is ' * (number % 5)}the fair", "what is the fare", "a fare"])
    for number in range(19)
] + [NBest.from_texts("agreed", ["half past ten", "half  past ten"])]


@pytest.fixture(scope="module")
def corrector(tiny_corrector: Callable[..., Corrector]) -> Corrector:
    return tiny_corrector()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.dev.jsonl"
    save_nbest(LISTS, path)
    return path


def test_a_run_that_was_stopped_goes_on(
    corrector: Corrector, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = source.parent / "done"
    answered = drafted_equals_greedy.answered
    asked: list[list[str]] = []

    def spy(corrector: Corrector, lists: list[NBest]) -> list[drafted_equals_greedy.Found]:
        if len(asked) == 1:
            raise KeyboardInterrupt
        asked.append([nbest.id for nbest in lists])
        return answered(corrector, lists)

    monkeypatch.setattr(drafted_equals_greedy, "answered", spy)
    with pytest.raises(KeyboardInterrupt):
        drafted_equals_greedy.compare(corrector, source, folder, None)
    asked.insert(0, [])
    found = drafted_equals_greedy.compare(corrector, source, folder, None)
    assert sorted(id for batch in asked for id in batch) == sorted(nbest.id for nbest in LISTS)
    assert all(each["same"] and each["gap"] is None for each in found)
    transcripts = corrector.correct(LISTS, guard="none", skip_agreeing=False)
    assert [each["passes"] for each in found] == [each.passes for each in transcripts]
    assert [each["agreeing"] for each in found] == [nbest.id == "agreed" for nbest in LISTS]
    again = drafted_equals_greedy.compare(corrector, source, folder, 7)
    assert again == found[:7]
    assert len(asked) == 3

    monkeypatch.setattr(drafted_equals_greedy, "depends_on", lambda: "other sources")
    assert drafted_equals_greedy.compare(corrector, source, folder, 2) == found[:2]
    assert len(asked) == 4


def test_an_answer_that_differs_is_told(
    corrector: Corrector, source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tampered(corrector: Corrector, batches: list[Prompts]) -> list[list[int]]:
        answers = generated(corrector, batches)
        answers[3] = [*answers[3][:1], 60 if answers[3][1:2] != [60] else 61]
        return answers

    monkeypatch.setattr(drafted_equals_greedy, "generated", tampered)
    monkeypatch.setattr(Corrector, "from_pretrained", lambda *arguments: corrector)
    folder = source.parent / "done"
    with pytest.raises(SystemExit) as stopped:
        drafted_equals_greedy.main([str(source), "--folder", str(folder), "--most", "5"])
    assert "logits are apart by" in str(stopped.value)
    of = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["files"]["all"]
    assert (of["lists"], of["different"], len(of["gaps"])) == (5, 1, 1)
    assert of["gaps"][0] > 0.01
    assert sum(of["passes"].values()) == sum(of["passes_with_guard"].values()) == 5
    assert "| tiny | 5 | 1 |" in capsys.readouterr().out
