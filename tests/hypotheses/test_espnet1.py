"""Result files of ESPnet 1, in the forms in which it and its users write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robustger.errors import InputError
from robustger.hypotheses import BadLine, NBest, load_nbest
from robustger.hypotheses.foreign import LIST_FORMATS, ImportSummary, import_lists


def write(path: Path, **utterances: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"utts": utterances}))
    return path


def recognized(*hypotheses: tuple[str, float], text: str) -> dict[str, Any]:
    """As espnet/asr/asr_utils.py's add_results_to_json does: one entry for each hypothesis."""
    return {
        "output": [
            {
                "name": f"target1[{rank}]",
                "text": text,
                "rec_text": rec_text,
                "rec_token": "...",
                "score": score,
            }
            for rank, (rec_text, score) in enumerate(hypotheses, start=1)
        ],
        "utt2spk": "spk",
    }


def test_an_entry_for_each_hypothesis(tmp_path: Path) -> None:
    source = write(
        tmp_path / "data.json",
        a=recognized(("▁LOOK▁THE▁DOOR<eos>", -4.25), ("▁LOCK▁THE▁DOOR<eos>", -4.5), text="LOCK THE DOOR"),
        b=recognized(("YES<eos>", -1.0), text="YES"),
    )
    assert import_lists(source, tmp_path / "l.jsonl", format="espnet") == ImportSummary(lists=2, joined=2)
    assert load_nbest(tmp_path / "l.jsonl") == [
        NBest.from_texts("a", ["LOOK THE DOOR", "LOCK THE DOOR"], scores=[-4.25, -4.5], reference="LOCK THE DOOR"),
        NBest.from_texts("b", ["YES"], scores=[-1.0], reference="YES"),
    ]  # fmt: skip


def test_ranks_in_the_keys(tmp_path: Path) -> None:
    output = {f"rec_text[{rank}]": f"text {rank}" for rank in (10, 1, 2, 3, 4, 5, 6, 7, 8, 9)}
    output |= {f"score[{rank}]": -rank for rank in range(1, 11)}
    source = write(tmp_path / "result.json", u={"output": [{"name": "target1", "text": "text 2", **output}]})
    ((place, nbest),) = LIST_FORMATS.get("espnet")(source)
    assert place == f"{source}: u"
    assert nbest == NBest.from_texts(
        "u",
        [f"text {rank}" for rank in range(1, 11)],
        scores=[-float(rank) for rank in range(1, 11)],
        reference="text 2",
    )


def test_a_folder_of_jobs_or_what_was_joined_of_them(tmp_path: Path) -> None:
    for job, id_ in ((1, "a"), (10, "c"), (2, "b")):
        write(tmp_path / f"data.{job}.json", **{id_: recognized((f"text {id_}", -1.0), text="x")})
    assert [value.id for _, value in LIST_FORMATS.get("espnet")(tmp_path)] == ["a", "b", "c"]
    write(tmp_path / "data.json", all=recognized(("text", -1.0), text="x"))
    assert [value.id for _, value in LIST_FORMATS.get("espnet")(tmp_path)] == ["all"]


def test_bad_utterances_are_told_and_cost_no_other(tmp_path: Path) -> None:
    source = write(
        tmp_path / "data.json",
        data={"output": [{"name": "target1", "text": "not recognized yet"}]},
        gap={"output": [{"rec_text[1]": "a", "rec_text[3]": "c"}]},
        nan=recognized(("a", float("nan")), ("b", -1.0), text="a"),
        some={"output": [{"rec_text[1]": "a", "score[1]": -1, "rec_text[2]": "b"}]},
        number={"output": 3},
        text={"output": [{"rec_text": 7}]},
        translated={"output": [{"name": "target2[1]", "rec_text": "nein"}, {"name": "target1[1]", "rec_text": "no"}]},
        good=recognized(("yes", -0.5), text="yes"),
    )  # fmt: skip
    read = list(LIST_FORMATS.get("espnet")(source))
    assert [(value.id, value.message) for _, value in read if isinstance(value, BadLine)] == [
        ("data", "'data' has no 'rec_text'; it is data that was not recognized yet"),
        ("gap", "has no 'rec_text[2]', but 'rec_text[3]'"),
        ("nan", "score 1 must be finite, not nan; the list is kept without scores"),
        ("some", "score 2 must be a number, not null; the list is kept without scores"),
        ("number", "'output' of 'number' must be a list of objects, not the number 3"),
        ("text", "hypothesis 1 must be a string, not the number 7"),
    ]
    assert [value for _, value in read if isinstance(value, NBest)] == [
        NBest.from_texts("nan", ["a", "b"], reference="a"),
        NBest.from_texts("some", ["a", "b"]),
        NBest.from_texts("translated", ["no"]),
        NBest.from_texts("good", ["yes"], scores=[-0.5], reference="yes"),
    ]


@pytest.mark.parametrize(
    "content", ["u-1 text\n", "[]", '{"a": 1}', '{"utts": []}', "", '{"id": "u", "hypotheses": []}']
)
def test_other_files_are_refused_with_what_is_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=r"x\.json: .*1best_recog") as caught:
        LIST_FORMATS.get("espnet")(tmp_path / "x.json")
    assert "\n" not in str(caught.value)
