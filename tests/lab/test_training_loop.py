"""The loop of the laboratory's trainings: its learning rate, its states, and steps that are not finite."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from lab.training_loop import BatchLoss, Processes, TrainingState, learning_rate, train
from torch import nn

OPTIONS = Namespace(steps=8, lr=0.1, warm_up=2, log_every=2, save_every=3)


def test_the_learning_rate_rises_stays_and_falls_to_zero() -> None:
    rates = [learning_rate(step, 100, 2.0, 10) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert set(rates[10:55]) == {2.0}
    assert rates[56:] == pytest.approx([2.0 * (100 - step) / 45 for step in range(56, 100)])


def trained(file: Path, steps: int, options: Namespace = OPTIONS) -> tuple[TrainingState, list[int]]:
    """A regression trained up to a step by batches that depend on the step alone; and the steps of saved models."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    state = TrainingState(model, options.lr, file)
    saved: list[int] = []

    def batch_loss() -> BatchLoss:
        if state.step == steps:
            raise KeyboardInterrupt
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(state.step))
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        return BatchLoss(loss, {"squares": loss}, len(x))

    with contextlib.suppress(KeyboardInterrupt):
        train(state, batch_loss, lambda: saved.append(state.step), options, Processes(0, 1), "rows")
    return state, saved


def test_an_interrupted_training_ends_with_the_same_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, saved = trained(tmp_path / "whole.pt", 8)
    assert saved == [3, 6, 8]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["2", "4", "6", "8"]
    trained(tmp_path / "parts.pt", 5)
    resumed, saved = trained(tmp_path / "parts.pt", 8)
    assert saved == [6, 8]  # it went on from step 3
    for one, other in zip(whole.parameters, resumed.parameters, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_gradients_are_clipped_and_those_that_are_not_finite_change_nothing(tmp_path: Path) -> None:
    state = TrainingState(nn.Linear(2, 1, bias=False), 0.1, tmp_path / "state.pt")
    (weight,) = state.parameters
    before = weight.detach().clone()
    norm = state.descend((weight * torch.tensor([3e3, 4e3])).sum(), 0.1, Processes(0, 1))
    assert norm == pytest.approx(5e3)
    assert weight.grad is not None
    assert weight.grad.norm().item() == pytest.approx(1.0, abs=1e-4)
    assert not torch.equal(weight, before)
    before = weight.detach().clone()
    state.descend((weight * float("inf")).sum(), 0.1, Processes(0, 1))
    torch.testing.assert_close(weight, before, rtol=0, atol=0)
    assert state.step == 2


def test_every_process_draws_batches_of_its_own() -> None:
    seeds = {Processes(rank, 4).seed(0, step) for rank in range(4) for step in (0, 500)}
    assert len(seeds) == 8
