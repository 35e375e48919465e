"""`robustger demo`: a recording, or the noisy ones of a preset, shown with lists, changes, times and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
_VERDICTS = {"better": "right", "worse": "harm", "neither": "no nearer to what was said", "unknown": ""}


def demo(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="A recording of your own. Default: the noisy ones of the preset."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="whisper, real Whisper; lab, a recognizer of synthetic speech alone; or a folder. "
            "Default: whisper, and lab where Whisper's weights are not on this machine."
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="What is said in FILE, a short one, so that changes can be judged."
        ),
    ] = None,
    show: Annotated[
        int, typer.Option(min=0, help="How many stretches to print and to draw; the table counts all.")
    ] = 12,
    picture: Annotated[
        str, typer.Option(metavar="PNG", help="Where to draw the spectrograms, with the words' times.")
    ] = "robustger-demo.png",
) -> None:
    """Show what a correction is: the N-best lists, what was changed and when, the picture, the error rates.

    Everything comes with the package, nothing is fetched. A demonstration is no measurement of accuracy.
    """
    from rich.console import Console

    from robustger.cli.quiet import quiet_libraries
    from robustger.errors import InputError
    from robustger.pipeline.clips import clips_of, table_by_snr, transcribe_clips
    from robustger.pipeline.presets import demo_manifest, load_preset_recognizer
    from robustger.text import get_normalizer

    if reference is not None and file is None:
        raise InputError("--reference says what is said in a recording of your own; name that, too")
    quiet_libraries()
    console = Console(highlight=False)
    chosen, robustger = _ready(console, preset, fixed=preset is not None or file is not None)
    normalize = get_normalizer(load_preset_recognizer(chosen).normalizer)
    if file is not None:
        transcription = robustger.transcribe(file, words=True)
        clips = clips_of(transcription, file, reference, normalize)
    elif manifest := demo_manifest(chosen):
        clips = transcribe_clips(robustger, manifest, normalize)
    else:
        raise InputError(
            f"{chosen}: the preset has no recordings to show itself with; name one of your own: "
            f"robustger demo FILE --preset {chosen}"
        )
    if not clips:
        console.print("Nobody speaks in this recording, so there is no text.")
        return
    for clip in clips[:show]:
        _show(console, clip)
    if clips[show:]:
        console.print(f"[dim]... and {len(clips) - show} more stretches[/dim]\n")
    _count_changes(console, clips)
    if all(clip.reference is not None for clip in clips):
        console.print(table_by_snr(clips).to_rich())
    console.print(f"[dim]{_drawn(clips[: max(show, 1)], picture)}[/dim]", soft_wrap=True)
    if file is None:
        console.print(
            "[dim]A few recordings show what happens; how well it works is measured in docs/results.[/dim]\n"
            "Now a recording of your own: [bold]robustger demo FILE[/bold]"
        )


def _ready(console: Console, preset: str | None, *, fixed: bool) -> tuple[str, RobustGER]:
    """The preset to show, and its models; where nothing is `fixed`, lab stands in for missing weights of Whisper."""
    from rich.markup import escape

    from robustger.errors import MissingModelError
    from robustger.pipeline import RobustGER

    chosen = preset or "whisper"
    console.print(
        f"[dim]loading preset {escape(repr(chosen))} (the first time the language model is converted, about 20 s)"
        "[/dim]\n"
    )
    robustger = RobustGER.from_preset(chosen)
    try:
        _ = robustger.recognizer
    except MissingModelError as error:
        if fixed:
            raise
        console.print(f"[yellow]{escape(str(error))}[/yellow]\n", soft_wrap=True)
        console.print("Instead, the laboratory: synthetic speech, with a recognizer that knows only that.\n")
        chosen = "lab"
        robustger = RobustGER.from_preset(chosen)
    return chosen, robustger


def _show(console: Console, clip: Clip) -> None:
    """Prints the list with what differs from its first, the correction word by word, and each change with its time."""
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
    console.print(
        f"  corrected  {marked([(part.after, _STYLES[part.verdict]) for part in parts])}  "
        f"[dim]({transcript.source}, confidence {transcript.confidence:.2f})[/dim]"
    )
    if clip.reference is not None:
        console.print(f"  said       {escape(clip.reference)}")
    verdicts = [part.verdict for part in parts if part.verdict != "same"]
    for edit, verdict in zip(segment.edits, verdicts, strict=True):
        when = "" if edit.start is None else f" at {edit.start:.2f} - {edit.end:.2f} s"
        judgment = f": [{_STYLES[verdict]}]{_VERDICTS[verdict]}[/]" if _VERDICTS[verdict] else ""
        before, after = escape(edit.before or "nothing"), escape(edit.after or "nothing")
        console.print(f"  changed{when}: {before} -> {after}{judgment}")
    console.print()


def _count_changes(console: Console, clips: Sequence[Clip]) -> None:
    """One line on how many changes there are, and of which kind."""
    verdicts = [part.verdict for clip in clips for part in clip.parts if part.verdict != "same"]
    kinds = [("better", "right"), ("worse", "harm"), ("neither", "neither")]
    counted = ", ".join(
        f"{verdicts.count(kind)} [{_STYLES[kind]}]{name}[/]" for kind, name in kinds if kind in verdicts
    )
    changes = "1 change" if len(verdicts) == 1 else f"{len(verdicts)} changes"
    console.print(f"{changes}{f': {counted}' if counted else ''}")


def _drawn(clips: Sequence[Clip], picture: str) -> str:
    """Draws the clips, and says where, or why not."""
    from rich.markup import escape

    from robustger.errors import InputError
    from robustger.pipeline.clips import save_spectrograms

    try:
        save_spectrograms(clips, Path(picture))
    except InputError as error:  # a folder that cannot be written to, or no matplotlib
        return f"There is no picture: {escape(str(error))}"
    return f"Spectrograms, with the words where they are heard: {escape(picture)}"
