"""Transcribes a few stretches of recordings, measures them against their references, and draws them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from robustger.errors import InputError, MissingExtraError
from robustger.evaluation.intervals import percent
from robustger.evaluation.tables import Table
from robustger.files import write_bytes
from robustger.hypotheses import NBest
from robustger.manifest import load_manifest
from robustger.pipeline.judged import Part, judged
from robustger.pipeline.robustger import RobustGER
from robustger.pipeline.transcription import Segment, Transcription
from robustger.pipeline.writing_systems import text_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOKS = {
    "better": ("green", "changed, and right"),
    "worse": ("red", "changed, and wrong now"),
    "neither": ("darkorange", "changed, and still wrong"),
    "unknown": ("blue", "changed; nobody knows whether it is right"),
}  # the colors of the terminal
_LINE_LENGTH = 130  # characters of a title that fit above a spectrogram


@dataclass(frozen=True, slots=True)
class Clip:
    """A transcribed stretch of a recording.

    Attributes:
        name: the name of the clip.
        audio: the recording.
        segment: the stretch; its words have times, and the reference of its list is `reference` in the plain form.
        reference: what is said; None if nobody knows.
        noise: the kind of noise; None if nobody knows.
        snr_db: how much louder the speech is than the noise, in dB; None if nobody knows.
        normalize: rewrites texts as the corrector reads them.
    """

    name: str
    audio: str
    segment: Segment
    reference: str | None = None
    noise: str | None = None
    snr_db: float | None = None
    normalize: Callable[[str], str] = field(default=lambda text: text, compare=False, repr=False)

    @property
    def condition(self) -> str:
        """The place in the recording, the noise and the SNR, in words."""
        place = f"{self.segment.start:.1f} - {self.segment.end:.1f} s"
        return place if self.snr_db is None else f"{self.noise or 'noise'} at {self.snr_db:g} dB, {place}"

    @property
    def parts(self) -> list[Part]:
        """The corrected text compared with the recognized text; each change is judged if there is a reference."""
        return judged(self.segment.recognized, self.segment.text, self.reference, self.normalize)


def transcribe_clips(
    robustger: RobustGER, manifest: str | Path, normalize: Callable[[str], str] = lambda text: text
) -> list[Clip]:
    """The clips of a manifest, the noisiest first.

    Args:
        robustger: the recognizer and the corrector.
        manifest: recordings with `text`, and with `noise` and `snr_db` if they are known.
        normalize: rewrites texts as the corrector reads them.

    Raises:
        InputError: a line is no utterance or has no `text`, or a recording cannot be read, is longer than a window of
            the recognizer, or has no speech in it.
    """
    clips = []
    for utterance in load_manifest(manifest):
        if utterance.text is None:
            raise InputError(
                f"{manifest}: {utterance.id!r} has no 'text'; give what is said in {utterance.audio}"
            )
        transcription = robustger.transcribe(utterance.audio, id=utterance.id, words=True)
        if not transcription.segments:
            raise InputError(f"{utterance.audio}: nobody speaks in it; take another clip")
        [clip] = clips_of(transcription, str(utterance.audio), utterance.text, normalize)
        clips.append(replace(clip, noise=utterance.noise, snr_db=utterance.snr_db))
    return sorted(clips, key=_snr_db)


def clips_of(
    transcription: Transcription,
    audio: str,
    reference: str | None = None,
    normalize: Callable[[str], str] = lambda text: text,
) -> list[Clip]:
    """A clip per segment of a transcription.

    Args:
        transcription: made with `words=True`.
        audio: the recording.
        reference: what is said in it; None if nobody knows. With a reference there must be one segment at most.
        normalize: rewrites texts as the corrector reads them.

    Raises:
        InputError: there are a reference and several segments.
    """
    segments = list(transcription.segments)
    if reference is not None:
        if len(segments) > 1:
            raise InputError(
                f"{audio}: longer than a window of the recognizer; take a shorter clip, "
                "because its reference cannot be divided among several windows"
            )
        segments = [
            replace(segment, nbest=replace(segment.nbest, reference=normalize(reference)))
            for segment in segments
        ]
    return [Clip(segment.nbest.id, audio, segment, reference, normalize=normalize) for segment in segments]


def table_by_snr(clips: Sequence[Clip]) -> Table:
    """The table of word error rates by SNR: before and after the correction, of formatting alone, and of the oracle.

    All rates are under the normalizer `raw`; see `robustger.evaluation.report` for the columns. There are no intervals,
    because a few clips are too small a sample.
    """
    from robustger.evaluation.report import evaluate_domains

    lists: dict[str, list[NBest]] = {}
    corrections: dict[str, dict[str, str]] = {}
    for clip in sorted(clips, key=_snr_db):
        snr_db = clip.snr_db
        name = "unknown" if snr_db is None else f"{snr_db:g} dB"
        lists.setdefault(name, []).append(clip.segment.nbest)
        corrections.setdefault(name, {})[clip.segment.nbest.id] = clip.segment.plain
    report = evaluate_domains(lists, corrections, ["raw"])
    rows = []
    for name, part in [*report.domains.items(), ("all", report.total)]:
        raw = part.normalizers["raw"]
        rates = (raw.wer["best"], part.format_only.wer, raw.wer["o_nb"], raw.wer["corrected"])
        rows.append(
            (name, str(part.utterances), str(raw.words), *(percent(rate, digits=1) for rate in rates))
        )
    return Table(
        "WER in %",
        ("SNR", "clips", "words", "1-best", "format-only", "o_nb", "corrected"),
        tuple(rows),
        "format-only: 1-best and reference written in one format, no model; o_nb: the best hypothesis of each list.",
    )


def save_spectrograms(clips: Sequence[Clip], path: str | Path) -> None:
    """Draws the clips as `spectrograms` does, into a PNG file.

    Args:
        clips: at least one.
        path: the file of the picture.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: the file cannot be written.
    """
    picture = io.BytesIO()
    spectrograms(clips).savefig(picture, format="png", dpi=110)
    write_bytes(path, picture.getbuffer())


def spectrograms(clips: Sequence[Clip]) -> Figure:
    """The spectrogram of every clip with its words at the times at which they are heard.

    Above each spectrogram stand the recognized text, the corrected text, the reference if there is one, and the
    changes. A changed word is green if it is right, red if its change leads away from the reference, orange if it is
    still wrong, and blue if there is no reference.

    Args:
        clips: at least one.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plots") from None

    figure = Figure(figsize=(12, 3.7 * len(clips) + 0.4), layout="constrained")
    for axes, clip in zip(figure.subplots(len(clips), squeeze=False)[:, 0], clips, strict=True):
        _draw(figure, axes, clip)
    _add_legend(figure, {verdict for clip in clips for part in clip.parts for verdict in part.word_verdicts})
    return figure


def _draw(figure: Figure, axes: Axes, clip: Clip) -> None:
    import numpy as np

    from robustger.audio import SAMPLE_RATE, read_audio

    start, end = clip.segment.start, clip.segment.end
    samples = read_audio(clip.audio, start=start, end=end)
    # 25 ms windows every 10 ms, as recognizers look at speech; the smallest 16-bit step keeps silence off log 0
    *_, image = axes.specgram(
        samples + 2.0**-16, NFFT=400, noverlap=240, Fs=SAMPLE_RATE, cmap="magma", xextent=(start, end)
    )
    levels = np.asarray(image.get_array())
    image.set_array(levels - levels.max())
    image.set_clim(-80, 0)
    figure.colorbar(image, ax=axes, label="dB, the loudest is 0", pad=0.01)
    axes.set(xlim=(start, end), ylabel="frequency in kHz")
    axes.set_yticks(range(0, 8_001, 2_000), ["0", "2", "4", "6", "8"])
    axes.set_xlabel(f"time in {clip.audio}, in seconds" if start else "time in seconds", parse_math=False)
    _write_words(axes, clip)
    axes.set_title("\n".join(_title(clip)), loc="left", fontsize=9, parse_math=False)


def _write_words(axes: Axes, clip: Clip) -> None:
    """Writes the corrected words above the spectrogram, where they are heard."""
    verdicts = [verdict for part in clip.parts for verdict in part.word_verdicts]
    words = clip.segment.words or ()
    if not words:
        return
    above = axes.secondary_xaxis("top")
    above.set_xticks(
        [(word.start + word.end) / 2 for word in words],
        [word.text for word in words],
        rotation=60, ha="left", fontsize=8, parse_math=False,
    )  # fmt: skip
    above.tick_params(length=2, pad=1)
    for label, verdict in zip(above.get_xticklabels(), verdicts, strict=False):
        color, _ = _LOOKS.get(verdict, ("black", ""))
        label.set(color=color, fontweight="bold" if verdict in _LOOKS else "normal", rotation_mode="anchor")
    axes.vlines([word.start for word in words], 0, 8_000, colors="white", linewidths=0.4, alpha=0.6)


def _title(clip: Clip) -> list[str]:
    """The lines above a spectrogram: the name, the texts, and each change with its judgment."""
    texts = [("recognized", clip.segment.recognized), ("corrected", clip.segment.text)]
    texts += [("reference", clip.reference)] if clip.reference is not None else []
    changes = [
        f"{text_of(part.before) or 'nothing'} -> {text_of(part.after) or 'nothing'}"
        + (f" ({part.judgment})" if part.judgment else "")
        for part in clip.parts
        if part.verdict != "same"
    ]
    texts.append(("changes", "; ".join(changes) or "none"))
    return [f"{clip.name}: {clip.condition}", *(fill(f"{key}: {text}", _LINE_LENGTH) for key, text in texts)]


def _add_legend(figure: Figure, verdicts: Set[str]) -> None:
    """Explains the colors of the words that the picture has."""
    from matplotlib.patches import Patch

    found = {verdict: look for verdict, look in _LOOKS.items() if verdict in verdicts}
    handles = [Patch(color="black", label="words as they were recognized, right or wrong")]
    handles += [Patch(color=color, label=label) for color, label in found.values()]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=9, frameon=False)


def _snr_db(clip: Clip) -> float:
    return float("inf") if clip.snr_db is None else clip.snr_db
