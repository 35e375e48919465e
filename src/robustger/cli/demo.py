"""`robustger demo`: shows the lists, the changes and a picture of a recording, or of the examples of a preset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robustger.cli import options
from robustger.files import check_readable, refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from robustger.pipeline import RobustGER
    from robustger.pipeline.clips import Clip

_STYLES = {
    "same": "",
    "better": "bold green",
    "worse": "bold red",
    "neither": "bold yellow",
    "unknown": "bold cyan",
}
_JUDGMENT_STYLES = {
    "right": "bold green",
    "partly right": "bold yellow",
    "wrong now": "bold red",
    "still wrong": "bold yellow",
}


def demo(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="Recording of your own. Default: the noisy recordings that the preset has."
        ),
    ] = None,
    preset: options.DemoPresetOption = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Text that is spoken in FILE, which must be short; changes can then be judged.",
        ),
    ] = None,
    show: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Print and draw this many parts of the recordings; the table counts all of them.",
        ),
    ] = 12,
    picture: Annotated[
        str,
        typer.Option(
            metavar="FILE.png", help="Draw the spectrograms, with the time of each word, into this file."
        ),
    ] = "robustger-demo.png",
    device: options.DeviceOption = None,
) -> None:
    """Show how a recording is corrected: N-best lists, changes with their times, a picture, and error rates.

    Everything comes with the package, and nothing is downloaded. The default preset is whisper, or lab if the weights
    of Whisper are not on this machine. A demonstration does not measure accuracy.
    """
    from rich.console import Console

    from robustger.cli.quiet import quiet_libraries
    from robustger.errors import InputError
    from robustger.pipeline.clips import clips_of, table_by_snr, transcribe_clips
    from robustger.pipeline.presets import demo_manifest, load_preset_recognizer
    from robustger.text import get_normalizer

    if reference is not None and file is None:
        raise InputError(
            "--reference says what is spoken in a recording of your own; name the recording as well"
        )
    check_readable(file)
    refuse_overwriting(picture, file)
    quiet_libraries()
    console = Console(highlight=False)
    chosen, robustger = _ready(console, preset, device, fixed=preset is not None or file is not None)
    normalize = get_normalizer(load_preset_recognizer(chosen).normalizer)
    if file is not None:
        transcription = robustger.transcribe(file, words=True)
        clips = clips_of(transcription, file, reference, normalize)
    elif manifest := demo_manifest(chosen):
        clips = transcribe_clips(robustger, manifest, normalize)
    else:
        raise InputError(
            f"{chosen}: the preset has no recordings to show; name one of your own: "
            f"robustger demo FILE --preset {chosen}"
        )
    if not clips:
        console.print("Nobody speaks in this recording, so it has no text.")
        return
    for clip in clips[:show]:
        _show(console, clip)
    if clips[show:]:
        console.print(f"[dim]... and {len(clips) - show} more parts[/dim]\n")
    _count_changes(console, clips)
    if all(clip.reference is not None for clip in clips):
        console.print(table_by_snr(clips).to_rich())
    console.print(f"[dim]{_drawn(clips[: max(show, 1)], picture)}[/dim]", soft_wrap=True)
    if file is None:
        console.print(
            "[dim]These few recordings show how a correction works; docs/results shows how often it helps.[/dim]\n"
            "Try a recording of your own: [bold]robustger demo FILE[/bold]"
        )


def _ready(console: Console, preset: str | None, device: str | None, *, fixed: bool) -> tuple[str, RobustGER]:
    """Loads a preset.

    Args:
        console: gets a line for each model that is loaded.
        preset: the preset that was asked for, or None.
        device: the device for its models, or None.
        fixed: whether the preset must be used. If not, lab takes the place of whisper without weights.

    Returns:
        the name of the preset that is used, and its models.
    """
    from rich.markup import escape

    from robustger.errors import MissingModelError
    from robustger.pipeline import RobustGER

    chosen = preset or "whisper"
    console.print(
        f"[dim]Loading the preset {escape(repr(chosen))}. The first time, this also converts the language model, which "
        "takes about 20 s.[/dim]\n"
    )
    robustger = RobustGER.from_preset(chosen, device=device)
    try:
        _ = robustger.recognizer
    except MissingModelError as error:
        if fixed:
            raise
        console.print(f"[yellow]{escape(str(error))}[/yellow]\n", soft_wrap=True)
        console.print(
            "Instead, this shows the laboratory: synthetic speech, and a recognizer that knows only such speech.\n"
        )
        chosen = "lab"
        robustger = RobustGER.from_preset(chosen, device=device)
    return chosen, robustger


def _show(console: Console, clip: Clip) -> None:
    """Prints a list with its differences underlined, the correction word by word, and each change with its time."""
    from rich.markup import escape

    from robustger.pipeline.judged import judged, marked

    segment = clip.segment
    console.print(f"[bold]{escape(clip.name)}[/bold]  {escape(clip.condition)}")
    texts = segment.nbest.written
    for rank, (hypothesis, text) in enumerate(zip(segment.nbest.hypotheses, texts, strict=True), start=1):
        score = "" if hypothesis.score is None else f"{hypothesis.score:8.2f}"
        others = judged(texts[0], text, None)
        line = marked([(part.after, "" if part.verdict == "same" else "underline") for part in others])
        console.print(f"  {rank:2d}{score}  {line}")
    parts = clip.parts
    heard = [(part.before, "" if part.verdict == "same" else "strike") for part in parts]
    console.print(f"  recognized {marked(heard)}")
    transcript = segment.transcript
    styled = [
        ([word], _STYLES[verdict])
        for part in parts
        for word, verdict in zip(part.after, part.word_verdicts, strict=True)
    ]
    console.print(
        f"  corrected  {marked(styled)}  "
        f"[dim]({transcript.source}, confidence {transcript.confidence:.2f})[/dim]"
    )
    if clip.reference is not None:
        console.print(f"  said       {escape(clip.reference)}")
    judgments = [part.judgment for part in parts if part.verdict != "same"]
    for edit, judged_as in zip(segment.edits, judgments, strict=True):
        when = "" if edit.start is None else f" at {edit.start:.2f} - {edit.end:.2f} s"
        judgment = f": [{_JUDGMENT_STYLES[judged_as]}]{judged_as}[/]" if judged_as else ""
        before, after = escape(edit.before or "nothing"), escape(edit.after or "nothing")
        console.print(f"  changed{when}: {before} -> {after}{judgment}")
    console.print()


def _count_changes(console: Console, clips: Sequence[Clip]) -> None:
    """Prints how many changes there are of each kind."""
    judgments = [part.judgment for clip in clips for part in clip.parts if part.verdict != "same"]
    counted = ", ".join(
        f"{judgments.count(name)} [{style}]{name}[/]"
        for name, style in _JUDGMENT_STYLES.items()
        if name in judgments
    )
    changes = "1 change" if len(judgments) == 1 else f"{len(judgments)} changes"
    console.print(f"{changes}{f': {counted}' if counted else ''}")


def _drawn(clips: Sequence[Clip], picture: str) -> str:
    """Draws the clips; returns a sentence that says where the picture is, or why there is none."""
    from rich.markup import escape

    from robustger.errors import InputError
    from robustger.pipeline.clips import save_spectrograms

    try:
        save_spectrograms(clips, Path(picture))
    except InputError as error:  # the folder cannot be written to, or matplotlib is missing
        return f"No picture was drawn: {escape(str(error))}"
    return f"Spectrograms with the time of each word: {escape(picture)}"
