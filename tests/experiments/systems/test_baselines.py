"""The baselines of a table are computed once for the same lists."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.experiments.conftest import context_of

from robustger.errors import InputError
from robustger.experiments.experiment import Context
from robustger.experiments.systems import baselines
from robustger.experiments.systems.baselines import BASELINE_ROWS, baseline_systems
from robustger.experiments.systems.kept import seconds_kept
from robustger.hypotheses import NBest, load_nbest, save_nbest

QUICK = [baseline for baseline in BASELINE_ROWS if not baseline.slow]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    said = "turn off the light"
    heard = [(f"turn of the light {n}", f"{said} {n}") for n in range(5)]
    learned = [NBest.from_texts(f"train{n}", texts, reference=texts[1]) for n, texts in enumerate(heard)]
    save_nbest(learned, tmp_path / "train.jsonl")
    texts = ["turn of the light", said, said]
    lists = [NBest.from_texts(f"u{n}", texts, scores=[-1.0, -1.1, -1.2], reference=said) for n in range(3)]
    save_nbest(lists, tmp_path / "test.jsonl")
    (tmp_path / "cache").mkdir()
    return context_of(tmp_path, tmp_path, tmp_path / "cache")


def test_each_writes_a_text_for_every_list(context: Context) -> None:
    lists = context.data.test_lists()["test"]
    systems, notes = baseline_systems(context, lists, QUICK)
    assert not notes
    texts = {system.name: set(system.texts[0].values()) for system in systems}
    assert all(system.texts[0].keys() == {"u0", "u1", "u2"} for system in systems)
    assert texts["format-only"] == {"turn of the light"}
    assert texts["LM_rank, n-gram"] == texts["MBR"] == texts["ROVER"] == {"turn off the light"}


def test_what_was_asked_before_is_read_and_what_changed_is_not(context: Context) -> None:
    lists = context.data.test_lists()["test"]
    (mbr,) = [baseline for baseline in QUICK if baseline.name == "mbr"]
    baseline_systems(context, lists, [mbr])
    (path,) = context.cache.iterdir()
    content = json.loads(path.read_text(encoding="utf-8"))
    content |= {"seconds": 90.0, "answer": dict.fromkeys(content["answer"], "from the cache")}
    path.write_text(json.dumps(content), encoding="utf-8")
    ((again,), _) = baseline_systems(context, lists, [mbr])
    assert set(again.texts[0].values()) == {"from the cache"}
    # What it took is known, also where it is made of what is there.
    assert context.spent == {path.name: 90.0}
    assert seconds_kept(context.cache) == 90.0
    ((repaired,), _) = baseline_systems(context, lists, [replace(mbr, revision=2)])
    assert set(repaired.texts[0].values()) == {"turn off the light"}
    ((fewer,), _) = baseline_systems(context, lists[:2], [mbr])
    assert set(fewer.texts[0].values()) == {"turn off the light"}


def test_a_file_that_is_no_answer_is_named(context: Context) -> None:
    lists = context.data.test_lists()["test"]
    (mbr,) = [baseline for baseline in QUICK if baseline.name == "mbr"]
    baseline_systems(context, lists, [mbr])
    (path,) = context.cache.iterdir()
    path.write_text("{}", encoding="utf-8")
    for read in (lambda: baseline_systems(context, lists, [mbr]), lambda: seconds_kept(context.cache)):
        with pytest.raises(InputError, match=rf"{path.name}: is not an answer that was kept; remove it"):
            read()


def test_other_text_to_learn_from_is_another_lm_rank(context: Context) -> None:
    lists = context.data.test_lists()["test"]
    (ranked,) = [baseline for baseline in QUICK if baseline.name == "ngram-rank"]
    baseline_systems(context, lists, [ranked])
    (train,) = context.data.train
    learned = [replace(nbest, reference=f"{nbest.reference} now") for nbest in load_nbest(train)]
    save_nbest(learned, train)
    baseline_systems(context, lists, [ranked])
    assert len(list(context.cache.iterdir())) == 2


def test_what_cannot_be_had_is_named(context: Context) -> None:
    quick = replace(context.scale, quick=True)
    bare = replace(context, data=replace(context.data, train=()), scale=quick)
    systems, notes = baseline_systems(bare, bare.data.test_lists()["test"])
    assert [system.name for system in systems] == ["format-only", "MBR", "ROVER"]
    assert notes == [
        "LM_rank, n-gram: left out, the data has no lists to train on.",
        "LM_rank, pretrained LLM: left out, the data has no lists to tune its weight on.",
        "zero-shot: left out of a quick look.",
        "few-shot: left out, the data has no lists to train on.",
    ]


def test_what_is_not_wanted_is_left_out(context: Context) -> None:
    lists = context.data.test_lists()["test"]
    systems, notes = baseline_systems(replace(context, without=("mbr", "rover")), lists, QUICK)
    assert [system.name for system in systems] == ["format-only", "LM_rank, n-gram"]
    assert notes == ["MBR: left out, as it was asked for.", "ROVER: left out, as it was asked for."]


def test_a_language_model_that_learned_from_none_of_them_is_tuned_on_training_lists(
    context: Context, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weight is tuned on some training lists, drawn by hash, where the data has no other lists."""
    (ranked,) = [baseline for baseline in BASELINE_ROWS if baseline.name == "lm-rank"]
    ranked = replace(ranked, options={"model": str(tiny_base), "device": "cpu"})
    lists = context.data.test_lists()["test"]
    assert not context.data.dev
    ((system,), notes) = baseline_systems(context, lists, [ranked])
    assert not notes
    assert system.texts[0].keys() == {"u0", "u1", "u2"}
    monkeypatch.setattr(baselines, "TUNING_LISTS", 2)
    tuned = baselines._given(context, ranked)["dev"]
    assert len(tuned) == 2
    assert tuned == sorted(tuned, key=lambda nbest: hashlib.sha256(nbest.id.encode()).digest())
    asked = replace(context, data=replace(context.data, dev=context.data.train))
    assert len(baselines._given(asked, ranked)["dev"]) == 5
