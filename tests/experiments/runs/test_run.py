"""The files of a run: the same bytes as those of kept runs, and a lock that is waited for."""

from __future__ import annotations

import json
import tarfile
import threading
from pathlib import Path

import pytest

from robustger.experiments.experiment import RunKey
from robustger.experiments.runs.plan import GUARD
from robustger.experiments.runs.run import (
    ArmPlan,
    ArmResults,
    BasePlan,
    BaseResults,
    alone,
    finish,
    is_done,
    stored_digests,
)
from robustger.experiments.runs.start import StartChange
from robustger.files import exclusive

KEPT = Path(__file__).parents[3] / "lab" / "kept" / "runs.tar.xz"
RUN = "robustger+start.noise_gate=0.3-0"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of runs that the laboratory keeps."""
    if not KEPT.is_file():
        pytest.skip("the laboratory's archives come with a clone only")
    folder = tmp_path_factory.mktemp("kept")
    wanted = {f"{run}/{name}.json" for run in (RUN, "ger-0") for name in ("run", "results")}
    with tarfile.open(KEPT) as tar:
        for entry in tar:
            if entry.name in wanted:
                tar.extract(entry, folder, filter="data")
    return folder


@pytest.mark.parametrize("run", [RUN, "ger-0"])
def test_plans_and_results_keep_the_bytes_of_kept_runs(kept: Path, run: str) -> None:
    text = (kept / run / "run.json").read_text(encoding="utf-8")
    plan = ArmPlan.from_dict(json.loads(text))
    assert json.dumps(plan.to_dict(), indent=1) + "\n" == text
    assert plan.guard == GUARD
    text = (kept / run / "results.json").read_text(encoding="utf-8")
    results = ArmResults.from_dict(json.loads(text))
    written = results.to_dict()
    if "gpu_seconds" not in json.loads(text):
        assert written.pop("gpu_seconds") == 0.0  # early runs did not record it
    assert json.dumps(written) + "\n" == text
    assert (results.digest, results.key, results.shared) == (plan.digest, plan.key, plan.shared)
    assert stored_digests(kept / run) == [(plan.digest, plan.shared)] * 2


def test_a_kept_start_is_read(kept: Path) -> None:
    content = json.loads((kept / RUN / "run.json").read_text(encoding="utf-8"))
    assert ArmPlan.from_dict(content).start == StartChange(noise_gate=0.3)


@pytest.mark.parametrize(
    "plan",
    [
        BasePlan("a", "whisper", "model"),
        BasePlan("a", None, "model", "whisper"),
        BasePlan("a", None, "model", None, StartChange(tuner_scale=2.0)),
    ],
)
def test_a_base_s_plan_comes_back(plan: BasePlan, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(plan.to_dict()), encoding="utf-8")
    with alone(tmp_path) as found:
        assert found == plan
    finish(tmp_path, BaseResults("a", 1.0))
    assert is_done(tmp_path, "a")
    assert not is_done(tmp_path, "b")
    with alone(tmp_path) as found:
        assert found is None


def test_a_run_waits_for_the_process_that_is_at_it(tmp_path: Path) -> None:
    plan = ArmPlan("a", RunKey("ger", "", 0), True, GUARD, "t", "d", "c", {})
    (tmp_path / "run.json").write_text(json.dumps(plan.to_dict()), encoding="utf-8")
    found: list[object] = []

    def work() -> None:
        with alone(tmp_path) as one:
            found.append(one)

    worker = threading.Thread(target=work)
    with exclusive(tmp_path / "lock", "busy"):
        worker.start()
        worker.join(0.3)
        assert worker.is_alive()
        assert found == []
        finish(tmp_path, BaseResults("a"))
    worker.join()
    assert found == [None]  # the other process finished the run
