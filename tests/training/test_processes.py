"""One process alone, and two real ones over gloo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from robustger.training.config import load_training_config
from robustger.training.loop import Trainer, finetune
from robustger.training.preparation import prepare_training
from robustger.training.processes import Processes
from robustger.training.run_folder import owned_run_folder

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
PATIENCE = 600  # seconds after which a hanging command is given up; none is timed


def process(rank: int, count: int) -> Processes:
    accelerator: Any = SimpleNamespace(device=torch.device("cpu"), num_processes=count, process_index=rank)
    return Processes(accelerator)


@given(st.lists(st.integers(), max_size=40), st.integers(1, 9))
def test_every_list_has_one_process(indices: list[int], count: int) -> None:
    shares = [list(process(rank, count).share(indices)) for rank in range(count)]
    assert sorted(index for share in shares for index in share) == sorted(indices)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(0, 2**52), st.integers(2, 64))
def test_processes_drop_other_things(seed: int, count: int) -> None:
    seeds = [process(rank, count).seed(seed) for rank in range(count)]
    assert seeds[0] == seed
    assert len({seed & 0xFFFFFFFF for seed in seeds}) == count  # a CPU's generator takes these bits alone


def test_alone_all_stays_as_it_is() -> None:
    alone = process(0, 1)
    assert alone.is_main
    assert alone.total(1.5, float("inf")) == [1.5, float("inf")]
    assert alone.in_main(lambda: 3.0) == 3.0
    parameter = torch.nn.Parameter(torch.ones(2))
    with alone.main_first():
        alone.sum_gradients([parameter])
        alone.take_from_main([parameter])
    assert parameter.grad is None


TOGETHER = """
import json, os, sys
from pathlib import Path
import torch
from robustger.cli import main
from robustger.training.config import load_training_config
from robustger.training.loop import Trainer
from robustger.training.preparation import prepare_training
from robustger.training.processes import Processes, make_accelerator

folder = Path(sys.argv[1])
rank = int(os.environ["RANK"])

trainer = Trainer(prepare_training(load_training_config(folder / "unequal" / "training.yaml")))
values = {**trainer.parts.parameters, **trainer.parts.trained.theta}
with torch.no_grad():
    for value in values.values():
        value.add_(float(rank))  # as if this process's device drew other numbers from the seed
trainer.step = None  # no step is wanted
try:
    trainer.run()
except TypeError:
    pass
torch.save({name: value.detach() for name, value in values.items()}, folder / "unequal" / f"{rank}.pt")

processes = Processes(make_accelerator("cpu", folder, None))
both, one, neither = (torch.nn.Parameter(torch.zeros(2, 3)) for _ in range(3))
both.grad = torch.full((2, 3), 1.0 + rank)
if rank == 1:
    one.grad = torch.full((2, 3), 5.0)
processes.sum_gradients([both, one, neither])
drawn = [torch.nn.Parameter(torch.full((2, 2), 1.0 + rank)), torch.nn.Parameter(torch.tensor([0.1 * rank]))]
processes.take_from_main(drawn)
with processes.main_first():
    with (folder / "order").open("a") as file:
        file.write(f"{rank}\\n")

def fail():
    raise OSError("no room")

def failure(block):
    try:
        block()
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def fail_first():
    with processes.main_first():
        fail()

found = {
    "rank": processes.rank,
    "gradients": [None if value.grad is None else value.grad.unique().tolist() for value in (both, one, neither)],
    "drawn": [value.tolist() for value in drawn],
    "total": processes.total(0.5 + rank, 2.0),
    "in_main": [processes.in_main(lambda: 7.0 + rank), processes.in_main(lambda: None)],
    "failures": [failure(lambda: processes.in_main(fail)), failure(fail_first)],
}
(folder / f"{rank}.json").write_text(json.dumps(found))

sys.argv = ["robustger", "train", str(folder / "trained" / "training.yaml")]
main()  # at the end: it lets go of the other process
"""


@dataclass(frozen=True, slots=True)
class Together:
    """What two processes left, and what they said."""

    folder: Path
    ended: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def together(
    write_config: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
    one_thread_environment: dict[str, str],
) -> Together:
    """One start for all that two processes do: their imports take longer than the rest.

    They begin a training with unequal weights in `unequal`, add up numbers, and train in `trained`.
    """
    folder = tmp_path_factory.mktemp("together")
    unequal, trained = folder / "unequal", folder / "trained"
    unequal.mkdir()
    trained.mkdir()
    paper = ("corrector.variant=paper", "corrector.lora={r: 4}")
    write_config(unequal, *paper, "distillation.objective=paper")
    opened = Trainer(prepare_training(load_training_config(write_config(trained, *paper))))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():  # closed gates would leave gradients of exactly zero
        for parameter in opened.parts.parameters.values():
            parameter.normal_(std=0.1, generator=generator)
    opened.parts.corrector.save_pretrained(trained / "opened")
    # Steps of 3, 3 and 2 lists, so that shares differ in size; the last epoch's rest leaves a process one list.
    write_config(
        trained,
        *paper,
        f"initial={trained / 'opened'}",
        "distillation={objective: paper, lr_share: 1}",
        # AdamW divides a gradient by its own size: a high rate would show what was rounded in the smallest of them
        "optimization={batch_size: 3, micro_batch_size: 2, epochs: 2, adapter_lr: 1e-4, lora_lr: 1e-4}",
        "evaluation={every_steps: 2, wer_lists: 3}",
    )
    (folder / "together.py").write_text(TOGETHER, encoding="utf-8")
    ended = subprocess.run(
        [*TORCHRUN, str(folder / "together.py"), str(folder)],
        env=one_thread_environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return Together(folder, ended)


def test_two_processes_add_up_and_fail_together(together: Together) -> None:
    folder = together.folder
    found = [json.loads((folder / f"{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]
    for rank, process_found in enumerate(found):
        assert process_found["rank"] == rank
        assert process_found["gradients"] == [[3.0], [5.0], None]
        assert process_found["drawn"] == [[[1.0, 1.0], [1.0, 1.0]], [0.0]]
        assert process_found["total"] == [2.0, 4.0]
        assert process_found["in_main"] == [7.0, None]
    assert found[0]["failures"] == ["OSError: no room"] * 2
    assert found[1]["failures"] == ["RobustGERError: the main process has stopped; see its message"] * 2
    assert (folder / "order").read_text(encoding="utf-8") == "0\n1\n"


def test_two_processes_train_as_one(together: Together) -> None:
    folder, ended = together.folder / "trained", together.ended
    finetune(load_training_config(folder / "training.yaml", [f"output={folder / 'alone'}"]))
    assert ended.stdout == f"{folder / 'run' / 'best'}\n"
    assert ended.stderr.count("robustger: step 6: train_loss") == 1  # the main process alone tells
    for file, least in (("adapter.safetensors", 1e-4), ("training_state/statistics.safetensors", 1e-5)):
        one, two = (load_file(folder / run / "last" / file) for run in ("alone", "run"))
        assert one.keys() == two.keys()
        start = load_file(folder / "opened" / "adapter.safetensors")
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, rtol=0, atol=1e-6, msg=f"{file}: {name}")
            if name in start:
                assert (value - start[name]).abs().max() > least, name  # it was trained
    logs = [
        [json.loads(line) for line in (folder / run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        for run in ("alone", "run")
    ]
    assert [record["step"] for record in logs[0]] == [2, 4, 6]
    for one, two in zip(*logs, strict=True):
        assert two == pytest.approx(one, rel=1e-5)


def test_all_processes_begin_with_the_weights_of_the_main_one(together: Together) -> None:
    """Adapter, tuner, LoRA and theta."""
    folder = together.folder / "unequal"
    one, two = (torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert {name.split(".")[0] for name in one} == {"adapter", "lora", "network"}
    for name, value in one.items():
        assert torch.equal(two[name], value), name


def workers_of(pid: int) -> list[int]:
    """Processes that torchrun started to train."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [int(child) for child in children if b"robustger" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the processes in /proc")
def test_a_process_that_is_killed_takes_the_others_along(
    write_config: Callable[..., Path], tmp_path: Path, one_thread_environment: dict[str, str]
) -> None:
    config = write_config(tmp_path, "optimization.epochs=100000", "evaluation.every_steps=1")
    running = subprocess.Popen(
        [*TORCHRUN, "-m", "robustger", "train", str(config)],
        env=one_thread_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = tmp_path / "run" / "log.jsonl"
    while running.poll() is None and not (log.exists() and log.stat().st_size):
        time.sleep(0.1)
    workers = workers_of(running.pid)
    assert len(workers) == 2
    os.kill(max(workers), signal.SIGKILL)
    _, said = running.communicate(timeout=PATIENCE)
    assert running.returncode != 0, said
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


@pytest.mark.slow
def test_a_folder_that_another_training_writes_to_stops_all(
    write_config: Callable[..., Path], tmp_path: Path, one_thread_environment: dict[str, str]
) -> None:
    config = write_config(tmp_path)
    with owned_run_folder(tmp_path / "run"):
        ended = subprocess.run(
            [*TORCHRUN, "-m", "robustger", "train", str(config)],
            env=one_thread_environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert ended.returncode != 0
    assert f"robustger: error: {tmp_path / 'run'}: another training is writing there; " in ended.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["training.lock"]


@pytest.mark.slow
def test_a_main_process_that_cannot_write_stops_all(
    write_config: Callable[..., Path], tmp_path: Path, one_thread_environment: dict[str, str]
) -> None:
    config = write_config(tmp_path, "evaluation.every_steps=1")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best").write_text("in the way", encoding="utf-8")
    ended = subprocess.run(
        [*TORCHRUN, "-m", "robustger", "train", str(config)],
        env=one_thread_environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode != 0
    assert (
        f"robustger: error: {tmp_path / 'run' / 'best'}: a file is in the way; name a folder" in ended.stderr
    )
