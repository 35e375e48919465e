"""Trainings on tiny models: done in processes of their own, interrupted, and found again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from robustger.correction import Corrector
from robustger.correction.checkpoint import trained_parameters
from robustger.correction.config import GuardConfig
from robustger.experiments.data import load_data
from robustger.experiments.experiment import RunKey, unguarded
from robustger.experiments.runs.run import BasePlan, TrainingRun, read_arm_results
from robustger.experiments.runs.scales import get_scale
from robustger.experiments.runs.trainings import (
    Costs,
    Trainings,
    do_trainings,
    execute,
    finished,
    plan_trainings,
    start,
)
from robustger.experiments.runs.worker import reference_losses
from robustger.hypotheses import load_nbest


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def planned(lab_folder: Path, recipe_file: Path, tmp_path: Path) -> Callable[..., Trainings]:
    """Plans trainings of a small laboratory in a folder of the test's own."""

    def make(*arms: str, base: str = "none", base_config: Path | None = None) -> Trainings:
        scale = get_scale("lab")
        small = replace(scale, recipe=recipe_file, base=base, base_recipe=base_config, lists=12, sentences=2)
        needed = [(arm, "") for arm in arms]
        return plan_trainings(load_data(lab_folder), small, tmp_path / "runs", needed, (0,), print)

    return make


def test_one_decoding_gives_both_guards(lab_folder: Path, tiny_corrector: Callable[..., Corrector]) -> None:
    corrector = tiny_corrector(n_best=3, skip_agreeing=False, max_new_tokens=12)
    lists = load_nbest(lab_folder / "lists" / "test.jsonl")
    guard = GuardConfig(name="margin", min_gain=2.0, max_edit_rate=1.0)
    guarded = corrector.correct(lists, guard=guard)
    free = corrector.correct(lists, guard="none")
    assert [unguarded(one) for one in guarded] == [one.text for one in free]
    assert [one.text for one in guarded] != [one.text for one in free]
    assert {one.source for one in free} >= {"llm"}


@pytest.mark.parametrize(
    "changes", [{"noise": "real"}, {"noise": "random"}, {"noise": "audio", "noise_dimension": 6}]
)
def test_losses_are_those_of_training(
    lab_folder: Path,
    corrector_section: Any,
    tmp_path: Path,
    changes: Any,
    tiny_corrector: Callable[..., Corrector],
) -> None:
    from robustger.training.config import TrainingConfig
    from robustger.training.preparation import prepare_training
    from robustger.training.validation import dev_loss

    lists = lab_folder / "lists" / "test.jsonl"
    tiny_corrector(**corrector_section | changes).save_pretrained(tmp_path / "checkpoint")
    config = TrainingConfig.model_validate(
        {
            "output": str(tmp_path / "run"),
            "dtype": "float32",
            "initial": str(tmp_path / "checkpoint"),
            "corrector": corrector_section | changes,
            "data": {"train": [str(lists)], "dev": [str(lists)]},
        }
    )
    corrector = Corrector.from_pretrained(tmp_path / "checkpoint", torch.float32, "cpu")
    found = reference_losses(corrector, lists, tmp_path / "cache", 0)
    expected = dev_loss(prepare_training(config))
    assert sum(found.nats) / sum(found.tokens) == pytest.approx(expected, rel=1e-4)
    assert found.ids == [nbest.id for nbest in load_nbest(lists)]


def test_trainings_go_on_after_a_kill_and_nothing_is_done_twice(planned: Callable[..., Trainings]) -> None:
    trainings = planned("ger-matched", "mine-paper")
    runs = trainings.arms
    process = start(runs[1], os.environ | {"OMP_NUM_THREADS": "1"})
    while not (runs[1].folder / "last" / "training_state").is_dir():
        assert process.poll() is None, (runs[1].folder / "output.log").read_text()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not runs[1].done
    said: list[str] = []
    trainings, failed = do_trainings(trainings, 1, said.append)
    assert not failed
    assert "2 of 2 runs to do" in said
    assert "going on at step" in (runs[1].folder / "output.log").read_text()
    assert "going on at step" not in (runs[0].folder / "output.log").read_text()
    done = finished(trainings)
    lists = load_nbest(runs[0].plan.decoded)
    assert list(done) == [RunKey("ger-matched", "", 0), RunKey("mine-paper", "", 0)]
    seconds, gpu_seconds = 0.0, 0.0
    for key, one in done.items():
        results = read_arm_results(one.folder)
        assert results.key == key
        assert results.ids == [nbest.id for nbest in lists]
        assert all(len(results.errors[guard]) == len(lists) for guard in ("none", "margin"))
        assert results.shared == runs[0].plan.shared
        assert results.seconds is not None
        assert results.seconds > 0
        seconds, gpu_seconds = seconds + results.seconds, gpu_seconds + results.gpu_seconds
        assert one.texts().keys() == {nbest.id for nbest in lists}
        assert one.log["step"] == 6
        assert one.parameters == results.parameters > 0
        assert one.losses == results.losses.by_list()
        assert len(one.losses) == len(load_nbest(runs[0].plan.test))
        assert one.lists == 12
        assert (one.checkpoint / "config.yaml").exists()
    assert done[RunKey("mine-paper", "", 0)].log["mutual_information"] is not None
    assert Costs.of(trainings) == Costs(2, seconds, gpu_seconds, 0)
    before = {path: path.stat().st_mtime_ns for run in runs for path in run.folder.rglob("*")}
    again, failed = do_trainings(planned("ger-matched", "mine-paper"), 1, said.append)
    assert "0 of 2 runs to do" in said
    assert finished(again) == done
    assert before == {path: path.stat().st_mtime_ns for run in runs for path in run.folder.rglob("*")}


@pytest.mark.usefixtures("without_processes")
def test_the_base_is_trained_once_and_is_what_the_arms_stand_on(
    planned: Callable[..., Trainings],
    recipe_file: Path,
    tiny_corrector: Callable[..., Corrector],
    tmp_path: Path,
) -> None:
    tiny_corrector(lora={"r": 4}).save_pretrained(tmp_path / "whisper")  # of the variant paper
    content = yaml.safe_load(recipe_file.read_text(encoding="utf-8"))
    content["corrector"] |= {"variant": "ger", "slots": 1, "lora": {"r": 4}}
    content["initial"] = str(tmp_path / "whisper")
    content["optimization"] |= {"epochs": 1, "adapter_lr": 1e-12, "lora_lr": 0.01}
    base_config = tmp_path / "base.yaml"
    base_config.write_text(yaml.safe_dump(content), encoding="utf-8")
    trainings, failed = do_trainings(planned("untrained", base="train", base_config=base_config), 1, print)
    assert not failed
    assert trainings.base is not None
    base = trainings.base.folder
    trained = trained_parameters(
        Corrector.from_pretrained(base / "best", torch.float32, "cpu", trainable=True).llm
    )
    assert trained["adapter.gate"].abs().max() < 1e-9
    before = trained_parameters(
        Corrector.from_pretrained(base / "start", torch.float32, "cpu", trainable=True).llm
    )
    moved = [name for name, value in trained.items() if (value - before[name]).abs().max() > 1e-4]
    assert moved
    assert all(name.startswith("lora.") for name in moved)
    (run,) = trainings.arms
    configured = yaml.safe_load((run.folder / "training.yaml").read_text(encoding="utf-8"))
    assert configured["corrector"]["base"] == str(base / "llm")
    assert run.plan.shared.keys() >= {"base"}
    # What it wrote is what the trained corrector writes, whose gate is closed.
    lists = load_nbest(run.plan.decoded)
    (one,) = finished(trainings).values()
    corrector = Corrector.from_pretrained(base / "best", torch.float32, "cpu")
    assert list(one.texts().values()) == [made.text for made in corrector.correct(lists, guard="none")]
    assert planned("untrained", base="train", base_config=base_config) == trainings


def test_a_failed_run_is_told_and_the_others_are_done(tmp_path: Path) -> None:
    """A script of the test takes the place of the worker."""
    script = tmp_path / "one.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "plan = json.loads((folder / 'run.json').read_text())\n"
        "if plan['digest'] == 'bad':\n"
        "    sys.exit('broken')\n"
        "(folder / 'results.json').write_text(json.dumps(plan))\n",
        encoding="utf-8",
    )
    runs = [TrainingRun(tmp_path / name, None, BasePlan(name, None, "model")) for name in ("bad", "good")]
    said: list[str] = []
    assert execute(runs, 1, said.append, command=[str(script)]) == runs[:1]
    assert said[0].startswith("bad: failed, see")
    assert "broken" in (tmp_path / "bad" / "output.log").read_text()
    assert runs[1].done
