"""The command `robustger correct` on files, and as a process between pipes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.cli.conftest import Result
from tests.cli.conftest import robustger as robustger  # a fixture

from robustger.correction import Corrector
from robustger.correction.confidence import UNJUDGED
from robustger.correction.files import correct_file
from robustger.hypotheses.jsonl import kind_of_binary

GOOD = {
    "two": ["what is the fair", "what is the fare"],
    "one": ["half past ten"],
    "seven": [f"flight {word} to denver" for word in ("one", "won", "on", "wan", "an", "own", "and")],
    "empty": ["", ""],
    "emoji": ["see you 🎉", "sea you 🎉🎉"],
    "scripts": ["ночной поезд", "夜行列車"],
    "twice": ["turn of the light", "turn off the light"],
    "long": [
        " ".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz", k=10_000)) for seed in (0, 1)
    ],
}
BAD = {
    "broken": '{"id": "broken", "hypotheses": ["a", "b"',
    "unknown key": '{"id": "unknown key", "hypothesis": ["a"]}',
    "no hypotheses": '{"id": "no hypotheses", "hypotheses": []}',
    "no strings": '{"id": "no strings", "hypotheses": [1, 2]}',
    "no object": "17",
    "no id": '{"hypotheses": ["a", "b"]}',
}


def line(name: str) -> str:
    return json.dumps({"id": name, "hypotheses": GOOD[name]}, ensure_ascii=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For the files of a test alone."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_a_file_with_good_and_bad_lines(
    robustger: Callable[..., Result], folder: Path, tiny_checkpoint: Path
) -> None:
    names = ["two", "broken", "one", "unknown key", "no id", "twice", "seven", "no hypotheses", "empty"]
    names += ["no strings", "twice", "emoji", "no object", "scripts", "long"]
    source, target = folder / "lists.jsonl", folder / "out.jsonl"
    rows = [BAD.get(name) or line(name) for name in names]
    source.write_text(
        "\n".join([rows[0], "", *rows[1:]]) + "\n", encoding="utf-8"
    )  # line k + 1 from the second on
    target.write_text("an earlier result\n", encoding="utf-8")

    result = robustger("correct", source, "-o", target, "--checkpoint", tiny_checkpoint)

    assert (result.code, result.out) == (1, "")
    assert sorted(path.name for path in folder.iterdir()) == ["lists.jsonl", "out.jsonl"]
    written = [json.loads(row) for row in target.read_text(encoding="utf-8").splitlines()]
    assert len(written) == len(names)
    for name, fields in zip(names, written, strict=True):
        if name in GOOD:
            assert list(fields) == [
                *("id", "text", "best", "generated", "source", "guard", "confidence"),
                *("passes", "tokens"),
                *(["word_confidences"] if fields["source"] not in UNJUDGED else []),
            ]
            assert (fields["id"], fields["best"]) == (name, " ".join(GOOD[name][0].split()))
        else:
            assert list(fields) == ["id", "text", "error"]
            assert fields["id"] == (None if name in ("broken", "no object", "no id") else name)
            assert (fields["text"], fields["error"]) == ("", fields["error"].strip())
    sources = dict(zip(names, (fields.get("source") for fields in written), strict=True))
    assert (sources["one"], sources["empty"], sources["long"]) == ("agreement", "agreement", "too_long")

    *problems, foreign, summary = result.err.splitlines()
    assert foreign.startswith("robustger: 1 lists are not in a language that this corrector knows (en)")
    assert sources["scripts"] == "language"
    assert summary.startswith("robustger: 9 lists, ")
    assert summary.endswith(" 1 too long, 7 problems") or " too long, 7 problems" in summary
    bad = [index for index, name in enumerate(names) if name in BAD]
    assert len(problems) == len(bad) + 1
    for index in bad:
        where = f"robustger: {source}:{index + 2}: "
        assert [problem for problem in problems if problem == where + written[index]["error"]]
    assert sum("id 'twice'" in problem for problem in problems) == 1


def test_a_process_between_pipes(tiny_checkpoint: Path) -> None:
    names = ["two", "emoji", "one"]
    # as some editors save: a byte order mark, no last line break
    stdin = "\ufeff" + "\n".join([*map(line, names), BAD["no hypotheses"]])
    options = ("--checkpoint", str(tiny_checkpoint), "--guard", "words", "--beams", "2", "--no-skip-agreeing")
    result = subprocess.run(
        [sys.executable, "-m", "robustger", "correct", "-", "-o", "-", *options],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"},
        check=False,
    )
    assert result.returncode == 1  # a line was of no use
    *written, bad = [json.loads(row) for row in result.stdout.splitlines()]
    assert [fields["id"] for fields in written] == names
    for fields in written:
        assert fields["guard"] == "words"
        assert fields["source"] in (
            "llm",
            "guard",
        )  # a random model may write nothing, which no guard lets through
        assert {*fields["text"].split()} <= {word for text in GOOD[fields["id"]] for word in text.split()}
    problem, summary = result.stderr.splitlines()
    assert problem == f"robustger: stdin:4: {bad['error']}"
    assert summary.startswith("robustger: 3 lists, ")


def test_a_failure_late_in_the_run_leaves_the_old_file(
    robustger: Callable[..., Result], folder: Path, tiny_checkpoint: Path
) -> None:
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    for file in tiny_checkpoint.iterdir():
        (checkpoint / file.name).write_bytes(file.read_bytes())
    (checkpoint / "adapter.safetensors").write_bytes(b"broken")
    target = folder / "out.jsonl"
    target.write_text("an earlier result\n", encoding="utf-8")
    result = robustger("correct", "-", "-o", target, "--checkpoint", checkpoint, stdin=line("two"))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert target.read_text(encoding="utf-8") == "an earlier result\n"
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint", "out.jsonl"]


@pytest.fixture(scope="module")
def corrector(tiny_corrector: Callable[..., Corrector]) -> Corrector:
    return tiny_corrector(max_new_tokens=4)


SHORT = [text for name, texts in GOOD.items() if name != "long" for text in texts]
IDS = st.text(min_size=1, max_size=5).filter(str.strip) | st.integers()
VALID = st.fixed_dictionaries(
    {
        "id": IDS,
        "hypotheses": st.lists(st.sampled_from(SHORT) | st.text(max_size=8), min_size=1),
    }
).map(lambda fields: json.dumps(fields, ensure_ascii=False).encode())
MUTATED = st.builds(
    lambda row, at, change: row[: at % len(row)] + change + row[at % len(row) + 1 :],
    VALID,
    st.integers(0, 10_000),
    st.binary(max_size=2),
)
JUNK = st.binary(max_size=30) | st.sampled_from([row.encode() for row in BAD.values()])
LINES = st.lists(st.tuples(st.just(True), VALID) | st.tuples(st.just(False), MUTATED | JUNK), max_size=6).map(
    lambda rows: [(valid, row.replace(b"\n", b" ")) for valid, row in rows]
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(rows=LINES)
def test_every_line_gets_its_line(
    tmp_path_factory: pytest.TempPathFactory, corrector: Corrector, rows: list[tuple[bool, bytes]]
) -> None:
    """Whatever stands in it: nothing is lost, nothing changes places, nothing raises."""
    folder = tmp_path_factory.mktemp("lines")
    source, target = folder / "lists.jsonl", folder / "out.jsonl"
    content = b"\n".join(row for _, row in rows)
    assume(kind_of_binary(content[:12]) is None)  # a recording is refused as a whole
    source.write_bytes(content)
    problems: list[tuple[int, str]] = []
    summary = correct_file(
        lambda: corrector, source, target, on_problem=lambda *problem: problems.append(problem)
    )
    written = [json.loads(row) for row in target.read_text(encoding="utf-8").split("\n")[:-1]]
    lines = [(valid, row) for valid, row in rows if row.strip()]
    if lines and not lines[0][1].removeprefix(b"\xef\xbb\xbf").strip():
        lines = lines[1:]  # nothing but a byte order mark
    assert len(written) == len(lines)
    assert summary.lists + sum("error" in fields for fields in written) == len(lines)
    assert len(problems) == summary.problems
    for (valid, row), fields in zip(lines, written, strict=True):
        assert isinstance(fields["text"], str)
        assert "id" in fields
        if valid:
            given_ = json.loads(row)
            assert fields["id"] == str(given_["id"])
            assert fields["best"] == " ".join(given_["hypotheses"][0].split())
    assert [path.name for path in folder.iterdir() if path != source] == ["out.jsonl"]


def test_problems_name_the_line_of_the_file_blank_lines_included(
    tiny_corrector: Callable[..., Corrector], tmp_path: Path
):
    line = json.dumps({"id": "u1", "hypotheses": ["a b", "a c"]})
    source = tmp_path / "lists.jsonl"
    source.write_text(f"{line}\n\n\nnot json\n\n{line}\n", encoding="utf-8")
    problems: list[int] = []
    correct_file(
        tiny_corrector,
        source,
        tmp_path / "out.jsonl",
        on_problem=lambda number, message: problems.append(number),
    )
    assert problems == [4, 6]
