"""Draws docs/figures/hyporadise.png from the record of the experiment on HyPoradise.

    python docs/figures/hyporadise.py

One row per system: its word error rate over all lists with the 95 % interval. Zero-shot prompting (61 %) would squash
the rest and is named in the title only.
"""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "recipes" / "hyporadise" / "records" / "hyporadise.json"
TARGET = Path(__file__).with_name("hyporadise.png")
LEFT_OUT = "zero-shot"


def main() -> None:
    """Reads the record and writes the picture."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    systems = record["figures"]["normalizers"]["number"]
    guarded = record["figures"]["guarded"]
    rows = {name: system["wer"]["all"] for name, system in systems.items()}
    left_out = rows.pop(LEFT_OUT)
    for name in ("GER", "RobustGER, no distillation"):
        rows[f"{name}, guard margin"] = guarded[name]["wer"]["all"]
    names = sorted(rows, key=lambda name: rows[name]["value"], reverse=True)

    figure = Figure(figsize=(7.5, 4.4), layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate(names):
        rate = rows[name]
        value, low, high = 100 * rate["value"], *(100 * end for end in rate["interval"])
        color = "#0072b2" if name.startswith(("whisper", "GER", "RobustGER")) else "#555555"
        axes.plot((low, high), (place, place), color=color, linewidth=1.5)
        axes.plot(value, place, "o", color=color)
        axes.annotate(
            f"{value:.2f}", (high, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.axvline(100 * rows["1-best"]["value"], color="#999999", linestyle="--", linewidth=1, zorder=0)
    axes.set(
        yticks=range(len(names)), yticklabels=names, xlim=(3.5, 13), xlabel="WER in %, normalizer number"
    )
    axes.set_title(
        f"1,030 lists of HyPoradise ({LEFT_OUT}: {100 * left_out['value']:.1f} %, not shown)",
        loc="left", fontsize=10,
    )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(TARGET, dpi=120)


if __name__ == "__main__":
    main()
