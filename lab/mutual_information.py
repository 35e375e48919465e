"""Measures how well the statistics network estimates the mutual information of Gaussians, where it is known.

    python -m lab.mutual_information --json estimates.json > table.md

x and y have d dimensions each, every x_i correlated with its y_i by rho and with nothing else, so that
I(x; y) = -d/2 log(1 - rho^2) nats. x takes the place of E_LN, y that of the noisy audio, and a y of another x that of
the clean audio. Every training step draws a batch of its own, and the estimate is over pairs never trained on: a
network that learns its pairs by heart would otherwise report information where there is none.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from robustger.distillation import DISTILLATIONS, DistillationShape

Triple = tuple[Tensor, Tensor, Tensor]  # language, noisy audio, clean audio, each (n, d)
BATCH = 1024
HELD_OUT = 100_000
PEAK_LR = 3e-3


@dataclass(frozen=True, slots=True)
class Gaussians:
    """Pairs (x, y) with correlation `rho` in each of `d` dimensions."""

    d: int
    rho: float

    @property
    def information(self) -> float:
        """I(x; y) in nats."""
        return -self.d / 2 * math.log(1 - self.rho**2)

    def draw(self, n: int) -> Triple:
        """Triples of x, its y, and a y of another x."""
        x = torch.randn(n, self.d)
        return x, self.partner(x), torch.randn(n, self.d)

    def draw_shuffled(self, n: int) -> Triple:
        """As `draw`, but no y belongs to its x."""
        x, y, other = self.draw(n)
        return x, y[torch.randperm(n)], other

    def partner(self, x: Tensor) -> Tensor:
        """A y for every x."""
        return self.rho * x + math.sqrt(1 - self.rho**2) * torch.randn_like(x)

    def log_ratio(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of p(x, y) / (p(x) p(y)), shape (n,)."""
        rho = self.rho
        quadratic = (rho**2 * (x**2 + y**2) - 2 * rho * x * y).sum(1) / (2 * (1 - rho**2))
        return self.information - quadratic

    def sigmoid_ceiling(self) -> float:
        """The most that I can be under 0 < psi < 1, by Monte Carlo.

        I is concave in psi. Its maximum under the bounds is at psi = clip(log_ratio + c, 0, 1), c = log E[exp psi] over
        the independent pairs, hence between 0 and 1 (docs/explanation/distillation.md).
        """
        x, y, other = self.draw(HELD_OUT)
        joint, product = self.log_ratio(x, y), self.log_ratio(x, other)
        values = [
            (joint + c).clip(0, 1).mean() - (product + c).clip(0, 1).exp().mean().log()
            for c in torch.linspace(0, 1, 101)
        ]
        return torch.stack(values).max().item()

    def total_variation(self) -> float:
        """The most that a difference of means can be under 0 < psi < 1, by Monte Carlo."""
        x, y, other = self.draw(HELD_OUT)
        joint, product = self.log_ratio(x, y) > 0, self.log_ratio(x, other) > 0
        return (joint.float().mean() - product.float().mean()).item()


def estimated(
    draw: Callable[[int], Triple],
    d: int,
    output: str,
    *,
    objective: str = "paper",
    steps: int | None = None,
    hidden: int | None = None,
    seed: int = 0,
) -> float:
    """The objective's value on held-out triples, after step 1 was run on fresh batches.

    Args:
        draw: gives n triples.
        d: their width.
        output: of the statistics network.
        objective: name in `DISTILLATIONS`.
        steps: of Adam, its learning rate falling from 3e-3 to 0 along a cosine; more for more dimensions unless given.
        hidden: width of the network's branches; more for more dimensions unless given.
        seed: of weights and samples.
    """
    torch.manual_seed(seed)
    steps = steps or 600 + 200 * d
    hidden = hidden or min(256, max(64, 32 * d))
    distillation = DISTILLATIONS.get(objective)(DistillationShape(d, max(32, d), d, hidden, output))
    optimizer = torch.optim.Adam(distillation.parameters(), lr=PEAK_LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        language, noisy, clean = draw(BATCH)
        loss = distillation.statistics_loss(language[:, None], noisy, clean)
        assert loss is not None
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    language, noisy, clean = draw(HELD_OUT)
    value = distillation.estimate(language[:, None], noisy, clean)
    assert value is not None
    return value


CASES = ("1:0.5", "1:0.9", "2:0.3", "2:0.7", "5:0.5", "5:0.8", "10:0.5")
PAIRS = Gaussians(2, 0.7)


def compared(case: Gaussians, seed: int = 0) -> dict[str, float]:
    """One row of the table: what there is, what is estimated, and what the bounded forms can reach at most."""
    identity = estimated(case.draw, case.d, "identity", seed=seed)
    shuffled = estimated(case.draw_shuffled, case.d, "identity", seed=seed)
    sigmoid = estimated(case.draw, case.d, "sigmoid", seed=seed)
    released = estimated(case.draw, case.d, "sigmoid", objective="released", seed=seed)
    torch.manual_seed(seed)
    return {
        "d": case.d,
        "rho": case.rho,
        "information": case.information,
        "identity": identity,
        "error in %": 100 * (identity / case.information - 1),
        "shuffled": shuffled,
        "sigmoid": sigmoid,
        "its ceiling": case.sigmoid_ceiling(),
        "released": released,
        "total variation": case.total_variation(),
    }


def clean_stands_for(seed: int = 0) -> list[dict[str, str | float]]:
    """What is estimated where clean audio of the same utterance stands for the product of marginals."""

    def shifted(n: int) -> Triple:
        x, y, other = PAIRS.draw_shuffled(n)
        return x, y, other - 1.0

    def as_dependent(n: int) -> Triple:
        x, y, _ = PAIRS.draw(n)
        return x, y, PAIRS.partner(x)

    rows = (
        (
            "independent of the language, distributed as noisy",
            PAIRS.draw,
            PAIRS.information,
            PAIRS.information,
        ),
        ("as dependent on the language as noisy", as_dependent, PAIRS.information, 0.0),
        ("shifted by 1, and neither depends on the language", shifted, 0.0, PAIRS.d / 2),
    )
    return [
        {
            "clean": name,
            "information": information,
            "divergence": divergence,
            "estimate": estimated(draw, PAIRS.d, "identity", seed=seed),
        }
        for name, draw, information, divergence in rows
    ]


def table(rows: list[dict[str, float]] | list[dict[str, str | float]]) -> str:
    """Rows of the same keys as a Markdown table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "--:|" * len(rows[0])]
    for row in rows:
        cells = (f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="*", default=CASES, metavar="D:RHO")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows = []
    for case in arguments.cases:
        d, rho = case.split(":")
        rows.append(compared(Gaussians(int(d), float(rho)), arguments.seed))
        print(rows[-1], file=sys.stderr)
    pairs = clean_stands_for(arguments.seed)
    print(table(rows), table(pairs), sep="\n\n")
    if arguments.json:
        arguments.json.write_text(json.dumps({"gaussians": rows, "clean": pairs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
