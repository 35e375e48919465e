"""The study of mutual information in small: Gaussians, whose information is known."""

from __future__ import annotations

import json
import math
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from lab import mutual_information as study


@pytest.fixture(autouse=True)
def _smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "BATCH", 512)
    monkeypatch.setattr(study, "HELD_OUT", 50_000)
    torch.set_num_threads(1)


@pytest.mark.parametrize(("d", "rho"), [(1, 0.9), (2, 0.7), (5, 0.8)])
def test_the_estimate_is_within_a_tenth(d: int, rho: float) -> None:
    case = study.Gaussians(d, rho)
    estimate = study.estimated(case.draw, d, "identity", steps=250 + 100 * d, hidden=128)
    assert estimate == pytest.approx(case.information, rel=0.1)


def test_shuffled_pairs_have_no_information() -> None:
    case = study.Gaussians(5, 0.8)
    estimate = study.estimated(case.draw_shuffled, 5, "identity", steps=400, hidden=128)
    assert abs(estimate) < 0.05


def test_the_true_log_ratio_gives_the_true_information() -> None:
    """The oracle of the ceilings: under it the Donsker-Varadhan value is the information."""
    torch.manual_seed(0)
    case = study.Gaussians(3, 0.6)
    x, y, other = case.draw(200_000)
    joint, product = case.log_ratio(x, y), case.log_ratio(x, other)
    assert joint.mean().item() == pytest.approx(case.information, abs=0.01)
    assert product.exp().mean().item() == pytest.approx(1.0, abs=0.02)
    correlation = torch.stack([x[:, 0], y[:, 0]]).corrcoef()[0, 1].item()
    assert correlation == pytest.approx(0.6, abs=0.01)
    assert 0 < case.sigmoid_ceiling() < case.information


def test_a_sigmoid_reaches_its_ceiling_and_no_more() -> None:
    case = study.Gaussians(2, 0.7)
    torch.manual_seed(1)
    ceiling = case.sigmoid_ceiling()
    estimate = study.estimated(case.draw, 2, "sigmoid", steps=450, hidden=128)
    assert 0.85 * ceiling < estimate < ceiling + 0.01
    assert ceiling < 0.7 * case.information
    # However much information there is (5.8 nats here), the ceiling is 1 nat.
    assert 0.9 < study.Gaussians(5, 0.95).sigmoid_ceiling() <= 1


def test_the_released_form_reaches_the_total_variation() -> None:
    case = study.Gaussians(2, 0.7)
    torch.manual_seed(2)
    distance = case.total_variation()
    estimate = study.estimated(case.draw, 2, "sigmoid", objective="released", steps=450, hidden=128)
    assert 0.9 * distance < estimate < distance + 0.01


def test_total_variation_of_one_dimension_is_the_integral() -> None:
    """Half the integral of |p - q|, on a grid."""
    case = study.Gaussians(1, 0.8)
    axis = torch.linspace(-6, 6, 601)
    x, y = (part.flatten()[:, None] for part in torch.meshgrid(axis, axis, indexing="ij"))
    product = torch.exp(-(x**2 + y**2).sum(1) / 2) / (2 * math.pi)
    joint = product * case.log_ratio(x, y).exp()
    cell = (axis[1] - axis[0]).item() ** 2
    assert joint.sum().item() * cell == pytest.approx(1.0, abs=1e-3)
    integral = (joint - product).abs().sum().item() * cell / 2
    torch.manual_seed(3)
    assert case.total_variation() == pytest.approx(integral, abs=0.01)


def test_the_command_writes_a_table_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study, "BATCH", 8)
    monkeypatch.setattr(study, "HELD_OUT", 64)
    monkeypatch.setattr(study, "estimated", partial(study.estimated, steps=3))
    monkeypatch.setattr(sys, "argv", [study.__file__, "--cases", "1:0.5", "--json", str(tmp_path / "e.json")])
    study.main()
    written = json.loads((tmp_path / "e.json").read_text())
    assert written["gaussians"][0]["information"] == pytest.approx(0.1438, abs=1e-4)
    assert [row["divergence"] for row in written["clean"]] == pytest.approx([0.6733, 0.0, 1.0], abs=1e-4)
    header, rule, row, *_ = capsys.readouterr().out.splitlines()
    assert header.count("|") == rule.count("|") == row.count("|")
    assert f"{written['gaussians'][0]['identity']:.3f}" in row
