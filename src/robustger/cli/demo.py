"""`robustger demo`: noisy recordings transcribed and corrected, or a small file of lists, shown word by word."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from robustger.hypotheses import Transcript


def demo(
    preset: Annotated[
        str | None,
        typer.Option(
            help="lab transcribes recordings, whisper corrects lists. Default: lab where it is there."
        ),
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="How many of them to print; the table counts all.")] = 12,
    picture: Annotated[
        str, typer.Option(metavar="PNG", help="Where to draw the recordings' spectrograms.")
    ] = "robustger-demo.png",
) -> None:
    """Show what a correction is: the N-best list, the corrected text word by word, the error rates.

    Everything comes with the package, nothing is fetched. A demonstration is no measurement of accuracy.
    """
    from rich.console import Console

    from robustger.cli.quiet import quiet_libraries
    from robustger.pipeline.presets import demo_manifest

    quiet_libraries()
    console = Console(highlight=False)
    chosen = preset or ("lab" if demo_manifest("lab") else "whisper")
    console.print(
        f"[dim]loading preset {chosen!r} (the first time the language model is converted, about 20 s)[/dim]\n"
    )
    if manifest := demo_manifest(chosen):
        _show_recordings(console, chosen, manifest, show, picture)
    else:
        _show_lists(console, chosen, show)


def _show_recordings(console: Console, preset: str, manifest: Path, show: int, picture: str) -> None:
    from rich.markup import escape

    from robustger.errors import InputError
    from robustger.pipeline import RobustGER
    from robustger.pipeline.clips import save_spectrograms, table_by_snr, transcribe_clips

    clips = transcribe_clips(RobustGER.from_preset(preset), manifest)
    try:
        save_spectrograms(clips, picture)
        drawn = f"The spectrograms are in {picture}."
    except InputError as error:  # a folder that cannot be written to, or no matplotlib
        drawn = f"There is no picture of the recordings: {error}"
    for clip in clips[:show]:
        console.print(
            f"[bold]{escape(clip.utterance.id)}[/bold]  {escape(clip.condition)}, {clip.seconds:.1f} s"
        )
        for rank, hypothesis in enumerate(clip.nbest.hypotheses, start=1):
            score = "" if hypothesis.score is None else f"{hypothesis.score:8.2f}"
            console.print(f"  {rank:2d}{score}  {escape(hypothesis.text)}")
        _show_correction(console, clip.transcript, clip.nbest.reference or "")
    console.print(table_by_snr(clips).to_rich())
    console.print(
        f"[dim]{len(clips)} recordings show what happens; how well it works is measured in docs/results. "
        f"{escape(drawn)}[/dim]",
        soft_wrap=True,
    )


def _show_lists(console: Console, preset: str, show: int) -> None:
    from robustger.correction.model import Corrector
    from robustger.evaluation.report import evaluate
    from robustger.hypotheses import load_nbest

    lists = load_nbest(str(resources.files("robustger.presets") / "demo.jsonl"))
    transcripts = Corrector.from_pretrained(preset).correct(lists)
    changed_first = sorted(
        zip(lists, transcripts, strict=True), key=lambda pair: pair[1].text == pair[1].best
    )
    for nbest, transcript in changed_first[:show]:
        console.print(f"[bold]{nbest.id}[/bold]")
        _show_correction(console, transcript, nbest.reference or "")
    report = evaluate(lists, {transcript.id: transcript.text for transcript in transcripts})
    console.print(report.to_rich_table())
    console.print(
        "[dim]These lists were written for this project and imitate real errors: they show what a correction looks "
        "like. Measured results are in docs/results.[/dim]"
    )


def _show_correction(console: Console, transcript: Transcript, reference: str) -> None:
    from rich.markup import escape

    best, corrected = marked_difference(transcript.best, transcript.text, reference)
    console.print(f"  1-best     {best}")
    console.print(
        f"  corrected  {corrected}  [dim]({transcript.source}, confidence {transcript.confidence:.2f})[/dim]"
    )
    console.print(f"  reference  {escape(reference)}\n")


def marked_difference(best: str, corrected: str, reference: str) -> tuple[str, str]:
    """Both texts with rich markup: red what the correction removes, green or yellow what it writes instead.

    Green words stand at this place in the reference, yellow ones do not.
    """
    from rapidfuzz.distance import Levenshtein
    from rich.markup import escape

    old, new, truth = best.split(), corrected.split(), reference.split()
    right = {
        index
        for block in Levenshtein.opcodes(new, truth)
        if block.tag == "equal"
        for index in range(block.src_start, block.src_end)
    }
    before: list[str] = []
    after: list[str] = []
    for block in Levenshtein.opcodes(old, new):
        removed, written = old[block.src_start : block.src_end], range(block.dest_start, block.dest_end)
        if block.tag == "equal":
            before += map(escape, removed)
            after += (escape(new[index]) for index in written)
        else:
            before += (f"[red strike]{escape(word)}[/]" for word in removed)
            after += (
                f"[{'bold green' if index in right else 'bold yellow'}]{escape(new[index])}[/]"
                for index in written
            )
    return " ".join(before), " ".join(after)
