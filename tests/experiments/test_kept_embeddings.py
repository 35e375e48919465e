"""Kept trainings are found again without the embeddings that they were made from."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.experiments.conftest import in_this_process

from robustger.errors import InputError
from robustger.experiments.data import load_data
from robustger.experiments.kept_embeddings import KeptDigest, digest_path, refuse_unkept
from robustger.experiments.runs import trainings
from robustger.experiments.runs.scales import LAB
from robustger.experiments.runs.selection import digest_of
from robustger.experiments.runs.trainings import Trainings, do_trainings, plan_trainings
from robustger.files import sha256_of
from robustger.hypotheses import load_nbest, save_nbest

EMBEDDINGS = "corrector-more.embeddings.safetensors"


@pytest.fixture
def lab(lab_folder: Path, tmp_path: Path) -> Path:
    """A laboratory whose files a test may remove."""
    return Path(shutil.copytree(lab_folder, tmp_path / "lab"))


@pytest.fixture
def plan(lab: Path, recipe_file: Path, tmp_path: Path) -> Callable[..., Trainings]:
    def make(*arms: str, lists: int = 12) -> Trainings:
        small = replace(LAB, recipe=recipe_file, lists=lists, sentences=2)
        needed = [(arm, "") for arm in arms]
        return plan_trainings(load_data(lab), small, tmp_path / "runs", needed, (0,), print)

    return make


def keep_the_digest_alone(lab: Path, runs: Path) -> None:
    """Does to the embeddings of the training lists what `lab/kept.py` does."""
    embeddings = lab / "lists" / EMBEDDINGS
    lists = {sha256_of(path): digest_of(path) for path in (runs / "lists").glob("arms-*.jsonl")}
    digest_path(embeddings).write_text(KeptDigest(sha256_of(embeddings), lists).to_json())
    embeddings.unlink()
    shutil.rmtree(runs / "lists")


def test_everything_is_found_by_the_digests(
    lab: Path, tmp_path: Path, plan: Callable[..., Trainings], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, digests = plan("robustger", "audio-denoising"), load_data(lab).digests()
    monkeypatch.setattr(trainings, "execute", in_this_process)
    before, _ = do_trainings(before, 1, print)
    keep_the_digest_alone(lab, tmp_path / "runs")
    after = plan("robustger", "audio-denoising")
    assert [run.plan for run in after.runs] == [run.plan for run in before.runs]
    assert [run.folder for run in after.runs] == [run.folder for run in before.runs]
    assert all(run.done for run in after.runs)
    assert load_data(lab).digests() == digests
    assert EMBEDDINGS in digests
    assert do_trainings(after, 1, print)[1] == []
    assert [run.plan for run in plan("robustger").runs] == [
        before.runs[0].plan
    ]  # with the links that are there


def test_a_training_that_needs_the_embeddings_says_what_makes_them(
    lab: Path, tmp_path: Path, plan: Callable[..., Trainings]
) -> None:
    plan("robustger")
    keep_the_digest_alone(lab, tmp_path / "runs")
    with pytest.raises(InputError, match=r"1 trainings \(mine-paper-0, \.\.\.\) need .*`make lab`") as error:
        do_trainings(plan("robustger", "mine-paper"), 1, print)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "runs" / "robustger-0").exists()  # it is said before anything is trained


def test_lists_that_were_not_recorded_have_a_digest_of_their_own(
    lab: Path, tmp_path: Path, plan: Callable[..., Trainings]
) -> None:
    known = plan("robustger").runs[0].plan.digest
    keep_the_digest_alone(lab, tmp_path / "runs")
    fewer = plan("robustger", lists=5).runs[0].plan.digest
    assert fewer == plan("robustger", lists=5).runs[0].plan.digest != known
    kept = digest_path(lab / "lists" / EMBEDDINGS)
    kept.write_text(replace(KeptDigest.of(lab / "lists" / EMBEDDINGS), sha256="0" * 64).to_json())
    assert fewer != plan("robustger", lists=5).runs[0].plan.digest


def test_lists_that_changed_are_not_taken_for_those_that_were_recorded(lab: Path) -> None:
    path = lab / "lists" / "corrector-more.jsonl"
    embeddings = lab / "lists" / EMBEDDINGS
    digest = digest_of(path)
    digest_path(embeddings).write_text(KeptDigest(sha256_of(embeddings), {sha256_of(path): digest}).to_json())
    embeddings.unlink()
    assert digest_of(path) == digest
    save_nbest(load_nbest(path)[1:], path)
    assert digest_of(path) != digest


def test_neither_embeddings_nor_digest_is_an_error(lab: Path) -> None:
    embeddings = lab / "lists" / EMBEDDINGS
    embeddings.unlink()
    with pytest.raises(InputError, match=r"corrector-more.embeddings.safetensors: does not exist"):
        digest_of(lab / "lists" / "corrector-more.jsonl")
    digest_path(embeddings).write_text('{"sha256": 3')
    with pytest.raises(InputError, match="is not a digest of embeddings"):
        digest_of(lab / "lists" / "corrector-more.jsonl")


def test_a_digest_counts_where_a_part_of_the_embeddings_is_kept(lab: Path) -> None:
    path = lab / "lists" / "corrector-more.jsonl"
    embeddings = lab / "lists" / EMBEDDINGS
    digest, digests = digest_of(path), load_data(lab).digests()
    digest_path(embeddings).write_text(KeptDigest(sha256_of(embeddings), {sha256_of(path): digest}).to_json())
    embeddings.write_bytes(b"a part of them")
    assert digest_of(path) == digest
    assert load_data(lab).digests() == digests
    with pytest.raises(
        InputError, match=r"the probe needs these embeddings, which are not kept; .*`make lab`"
    ):
        refuse_unkept(embeddings, "the probe needs")
