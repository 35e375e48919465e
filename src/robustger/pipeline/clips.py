"""A few recordings whose text is known: transcribed, measured by SNR, drawn."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from robustger.errors import InputError, MissingExtraError
from robustger.evaluation.tables import Table, percent
from robustger.hypotheses import NBest, Transcript
from robustger.manifest import Utterance, load_manifest
from robustger.pipeline.transcription import RobustGER


@dataclass(frozen=True, slots=True)
class Clip:
    """A short recording, what was heard in it and what was made of that.

    Attributes:
        utterance: the recording, with `text`, and with `noise` and `snr_db` where they are known.
        seconds: its length.
        nbest: what the recogniser heard; its reference is the utterance's text.
        transcript: the correction.
    """

    utterance: Utterance
    seconds: float
    nbest: NBest
    transcript: Transcript

    @property
    def condition(self) -> str:
        """Noise and SNR in words."""
        snr_db = self.utterance.snr_db
        return f"{self.utterance.noise or 'noise'} at {snr_db:g} dB" if snr_db is not None else "no noise"


def transcribe_clips(robustger: RobustGER, manifest: str | Path) -> list[Clip]:
    """The clips of a manifest, the noisiest first.

    Raises:
        InputError: a line that is no utterance or has no `text`, or a recording that cannot be read or is longer than a
            window of the recogniser.
    """
    clips = []
    for utterance in load_manifest(manifest):
        if utterance.text is None:
            raise InputError(
                f"{manifest}: {utterance.id!r} has no 'text'; give what is said in {utterance.audio}"
            )
        transcription = robustger.transcribe(utterance.audio, id=utterance.id)
        if len(transcription.segments) != 1:
            raise InputError(
                f"{utterance.audio}: longer than a window of the recogniser; take a shorter clip"
            )
        [segment] = transcription.segments
        nbest = replace(segment.nbest, reference=utterance.text)
        clips.append(Clip(utterance, transcription.seconds, nbest, segment.transcript))
    return sorted(clips, key=_snr_db)


def table_by_snr(clips: Sequence[Clip]) -> Table:
    """Word error rates before and after by SNR, beside what typography alone explains and what the list holds.

    All under the normaliser `raw`; see `robustger.evaluation.report` for the columns. Without intervals: a few clips
    have none worth printing.
    """
    from robustger.evaluation.report import evaluate_domains

    lists: dict[str, list[NBest]] = {}
    corrections: dict[str, dict[str, str]] = {}
    for clip in sorted(clips, key=_snr_db):
        snr_db = clip.utterance.snr_db
        name = "clean" if snr_db is None else f"{snr_db:g} dB"
        lists.setdefault(name, []).append(clip.nbest)
        corrections.setdefault(name, {})[clip.nbest.id] = clip.transcript.text
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
    """Draws every clip's spectrogram with what was heard and what became of it, as PNG.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plots") from None
    from robustger.audio import SAMPLE_RATE, read_audio

    figure = Figure(figsize=(9, 2.3 * len(clips)), layout="constrained")
    longest = max(clip.seconds for clip in clips)
    for axes, clip in zip(figure.subplots(len(clips), squeeze=False)[:, 0], clips, strict=True):
        samples = read_audio(clip.utterance.audio)
        # 25 ms windows every 10 ms, as recognisers look at speech
        *_, image = axes.specgram(samples + 1e-6, NFFT=400, noverlap=240, Fs=SAMPLE_RATE, cmap="magma")
        loudest = float(image.get_array().max())
        image.set_clim(loudest - 80, loudest)
        axes.set(xlim=(0, longest), yticks=(0, 4_000, 8_000), ylabel="Hz")
        axes.set_title(f"{clip.utterance.id}: {clip.condition}", loc="left", fontsize=9, parse_math=False)
        axes.set_xlabel(
            f"1-best: {clip.nbest.best}\ncorrected: {clip.transcript.text}",
            loc="left",
            fontsize=8,
            parse_math=False,
        )
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".robustger-{secrets.token_hex(8)}.partial")
    try:
        try:
            partial.write_bytes(picture.getbuffer())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def _snr_db(clip: Clip) -> float:
    return float("inf") if clip.utterance.snr_db is None else clip.utterance.snr_db
