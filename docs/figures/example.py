"""Draws the picture of the README: one clip of `robustger demo --preset lab`, from its noise to the corrected text.

    python docs/figures/example.py

writes docs/figures/example.png. The clip is transcribed anew, so the picture shows what the program does today. Words
are green only where they agree with the reference, and the script stops if the corrected text is not the reference: the
picture must not show an error as a success.
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustger import RobustGER
from robustger.audio import SAMPLE_RATE, read_audio
from robustger.manifest import load_manifest
from robustger.pipeline.presets import demo_manifest

CLIP = "music_10dB"
TARGET = Path(__file__).with_name("example.png")
INK, GRAY, ORANGE, GREEN = "#222222", "#777777", "#c25700", "#1a7f37"


def main() -> int:
    """Transcribes the clip and writes the picture; returns the exit code."""
    manifest = demo_manifest("lab")
    assert manifest is not None, "the preset lab has its demo recordings"
    clip = next(utterance for utterance in load_manifest(manifest) if utterance.id == CLIP)
    assert clip.text is not None, "a demo recording comes with its reference"
    [segment] = RobustGER.from_preset("lab").transcribe(clip.audio).segments
    if segment.plain != clip.text:
        print(f"{CLIP} is not corrected to its reference: {segment.plain!r}", file=sys.stderr)
        return 1

    figure = Figure(figsize=(9, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1, 1.5))
    noise = f"synthetic speech with {clip.noise}, SNR {clip.snr_db:g} dB"
    spectrogram(above, read_audio(clip.audio), f"1. A noisy recording ({noise})")
    lines: list[tuple[str, list[tuple[str, str]]]] = []
    best = segment.nbest.texts[0]
    for rank, text in enumerate(segment.nbest.texts, start=1):
        lines.append((f"{rank}", marked(text, best, same=INK, other=ORANGE)))
    corrected = [
        (word, GREEN if color == ORANGE else color)
        for word, color in marked(segment.plain, best, same=INK, other=ORANGE)
    ]
    write(
        below,
        [
            ("2. The recognizer's N-best list: hypotheses differ (orange) where noise disturbed it", lines),
            (
                "3. A language model reads the list and these differences, and corrects (green)",
                [("", corrected)],
            ),
            ("Reference", [("", [(word, INK) for word in clip.text.split()])]),
        ],
    )
    figure.savefig(TARGET, dpi=110)
    print(f"{TARGET}: {TARGET.stat().st_size / 1000:.0f} kB")
    return 0


def spectrogram(axes: Axes, samples: np.ndarray, title: str) -> None:
    """The spectrogram of the recording, with a time axis in s and a level scale in dB."""
    *_, image = axes.specgram(
        samples,
        NFFT=400,
        noverlap=240,
        Fs=SAMPLE_RATE,
        cmap=colormaps["magma"].resampled(12),
        interpolation="nearest",
    )
    top = image.get_array().max()  # type: ignore[union-attr]
    image.set_clim(top - 70, top)
    axes.figure.colorbar(image, ax=axes, label="dB", pad=0.01)
    axes.set(yticks=(0, 4_000, 8_000), yticklabels=("0", "4", "8"), ylabel="kHz", xlabel="time in s")
    axes.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold")


def marked(text: str, best: str, *, same: str, other: str) -> list[tuple[str, str]]:
    """Each word of `text` with a color: `other` where it is not in the same place in `best`."""
    words, reference = text.split(), best.split()
    colors = [other] * len(words)
    for block in difflib.SequenceMatcher(None, words, reference, autojunk=False).get_matching_blocks():
        colors[block.a : block.a + block.size] = [same] * block.size
    return list(zip(words, colors, strict=True))


def write(axes: Axes, parts: list[tuple[str, list[tuple[str, list[tuple[str, str]]]]]]) -> None:
    """Writes headings and lines of colored words, in a font of equal widths."""
    axes.set(xlim=(0, 92), ylim=(12.4, 0))
    axes.axis("off")
    at = 0.6
    for heading, lines in parts:
        axes.text(0, at, heading, fontsize=10, color=INK, fontweight="bold", va="center")
        at += 1.2
        for label, words in lines:
            axes.text(2, at, label, fontsize=10, color=GRAY, family="monospace", va="center")
            column = 5.0
            for word, color in words:
                weight = "normal" if color == INK else "bold"
                axes.text(
                    column, at, word, fontsize=10, color=color, family="monospace", weight=weight, va="center"
                )
                column += len(word) + 1.0
            at += 1.15
        at += 0.35


if __name__ == "__main__":
    sys.exit(main())
