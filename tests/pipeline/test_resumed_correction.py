"""`robustger correct` goes on where an interrupted run stopped, and writes the bytes of an undisturbed run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robustger.correction import Corrector, files
from robustger.correction.files import correct_file
from robustger.errors import InputError
from robustger.pipeline.resumed_correction import correct_file_resumably

BATCH = 256  # lists that `correct_file` corrects together


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Three batches of lists. Most agree, so that the language model is asked rarely; one line is broken."""
    rows = [json.dumps({"id": str(n), "hypotheses": ["a b", "a b"]}) for n in range(3 * BATCH - 1)]
    for number in (5, 300, 700):
        rows[number] = json.dumps({"id": str(number), "hypotheses": ["the fair", "the fare"]})
    rows.insert(400, '{"id": "broken"')
    path = tmp_path / "lists.jsonl"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


class Counting:
    """The real corrector, which counts its batches and may be interrupted in one of them."""

    def __init__(self, corrector: Corrector, interrupt_in: int | None = None) -> None:
        self.config = corrector.config
        self.corrector = corrector
        self.batches = 0
        self.interrupt_in = interrupt_in

    def correct(self, lists, **options):
        self.batches += 1
        if self.batches == self.interrupt_in:
            raise KeyboardInterrupt
        return self.corrector.correct(lists, **options)

    def forget(self) -> None:
        self.corrector.forget()


@pytest.fixture(scope="module")
def corrector(tiny_checkpoint: Path) -> Corrector:
    return Corrector.from_pretrained(tiny_checkpoint, device="cpu")


def test_an_interrupted_run_goes_on(source: str, corrector: Corrector, tmp_path: Path) -> None:
    undisturbed, target = tmp_path / "undisturbed.jsonl", tmp_path / "out.jsonl"
    expected = correct_file(lambda: corrector, source, undisturbed)
    first = Counting(corrector, interrupt_in=3)
    with pytest.raises(KeyboardInterrupt):
        correct_file_resumably(lambda: first, source, str(target), identity={"corrector": "x"})
    assert not target.exists()
    assert (tmp_path / "out.jsonl.partial").is_dir()
    second, problems = Counting(corrector), []
    summary = correct_file_resumably(
        lambda: second,
        source,
        str(target),
        identity={"corrector": "x"},
        on_problem=lambda line, message: problems.append(line),
    )
    assert second.batches == 1
    assert (summary, problems) == (expected, [401])
    assert target.read_bytes() == undisturbed.read_bytes()
    assert not (tmp_path / "out.jsonl.partial").exists()


def test_confidences_are_those_of_an_undisturbed_run_to_the_last_digit(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The noise embedding keeps the vectors of earlier batches, which a run that goes on has not read."""
    monkeypatch.setattr(files, "LISTS_AT_A_TIME", 8)
    words = [
        "what",
        "is",
        "the",
        "fare",
        "from",
        "boston",
        "to",
        "denver",
        "on",
        "sunday",
        "night",
        "at",
        "nine",
    ]
    texts = [" ".join(words[(n + k) % len(words)] for k in range(3 + n % 5)) for n in range(32)]
    rows = [
        json.dumps({"id": f"u{n}", "hypotheses": [f"{text} {words[n % 7]}", text, f"{text} at"]})
        for n, text in enumerate(texts)
    ]
    source = tmp_path / "lists.jsonl"
    source.write_text("\n".join(rows) + "\n", encoding="utf-8")

    def run(name: str, interrupt_in: int | None = None) -> bytes:
        corrector = Counting(Corrector.from_pretrained(tiny_checkpoint, device="cpu"), interrupt_in)
        target = tmp_path / name
        correct_file_resumably(lambda: corrector, str(source), str(target), identity={}, batch_size=8)
        return target.read_bytes()

    expected = run("undisturbed.jsonl")
    for interrupted in (3, 2):
        with pytest.raises(KeyboardInterrupt):
            run("out.jsonl", interrupted)
    assert run("out.jsonl") == expected


def test_other_settings_are_refused_until_restarted(
    source: str, corrector: Corrector, tmp_path: Path
) -> None:
    target = str(tmp_path / "out.jsonl")
    with pytest.raises(KeyboardInterrupt):
        correct_file_resumably(
            lambda: Counting(corrector, 3), source, target, identity={"corrector": "x"}, num_beams=1
        )
    for corrector_name, beams in (("y", 1), ("x", 2)):
        identity = {"corrector": corrector_name}
        with pytest.raises(InputError, match=r"holds an unfinished run with other settings.*--restart"):
            correct_file_resumably(lambda: corrector, source, target, identity=identity, num_beams=beams)
    with Path(source).open("a", encoding="utf-8") as file:
        file.write('{"id": "new", "hypotheses": ["a b", "a b"]}\n')
    with pytest.raises(InputError, match="the content of the lists changed"):
        correct_file_resumably(lambda: corrector, source, target, identity={"corrector": "x"}, num_beams=1)
    anew = Counting(corrector)
    correct_file_resumably(lambda: anew, source, target, identity={"corrector": "y"}, restart=True)
    assert anew.batches == 4


def test_what_fits_into_one_batch_leaves_no_folder(corrector: Corrector, tmp_path: Path) -> None:
    source = tmp_path / "lists.jsonl"
    source.write_text('{"id": "a", "hypotheses": ["a b", "a c"]}\n', encoding="utf-8")
    seen = []

    class Looking(Counting):
        def correct(self, lists, **options):
            seen.extend(path.name for path in tmp_path.iterdir() if path.is_dir())
            return super().correct(lists, **options)

    correct_file_resumably(
        lambda: Looking(corrector), str(source), str(tmp_path / "out.jsonl"), identity={"corrector": "x"}
    )
    assert seen == []
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8").count("\n") == 1


def test_progress_moves_within_a_batch_and_reaches_every_line(
    source: str, corrector: Corrector, tmp_path: Path
) -> None:
    lists = [json.dumps({"id": str(n), "hypotheses": ["the fair", f"the fare {n}"]}) for n in range(9)]
    path = tmp_path / "few.jsonl"
    path.write_text("\n".join([*lists, '{"id": "broken"']) + "\n", encoding="utf-8")
    steps: list[int] = []
    correct_file(lambda: corrector, path, tmp_path / "few.out", batch_size=4, on_progress=steps.append)
    assert sum(steps) == 10
    assert max(steps) == 4
    interrupted, target, steps = Counting(corrector, interrupt_in=3), str(tmp_path / "out.jsonl"), []
    with pytest.raises(KeyboardInterrupt):
        correct_file_resumably(
            lambda: interrupted, source, target, identity={"corrector": "x"}, on_progress=steps.append
        )
    assert sum(steps) == 2 * BATCH
    steps.clear()
    correct_file_resumably(
        lambda: corrector, source, target, identity={"corrector": "x"}, on_progress=steps.append
    )
    assert sum(steps) == 3 * BATCH
