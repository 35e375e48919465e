"""`robustger demo`: corrections of a small file, shown word by word."""

from __future__ import annotations

from importlib import resources
from typing import Annotated

import typer


def demo(
    preset: Annotated[str, typer.Option(help="The preset that corrects.")] = "whisper",
    show: Annotated[
        int, typer.Option(min=0, help="How many lists to print; the table counts all of them.")
    ] = 12,
) -> None:
    """Correct N-best lists written for this project and show hypothesis, correction and reference.

    The lists imitate errors that real recognisers make on noisy speech; they are no measurement of accuracy.
    """
    from rich.console import Console

    from robustger.cli.quiet import quiet_libraries
    from robustger.correction.model import Corrector
    from robustger.evaluation.report import evaluate
    from robustger.hypotheses import load_nbest

    quiet_libraries()
    console = Console(highlight=False)
    lists = load_nbest(str(resources.files("robustger.presets") / "demo.jsonl"))
    console.print(
        f"[dim]loading preset {preset!r} (the first time the language model is converted, about 20 s)[/dim]"
    )
    corrector = Corrector.from_pretrained(preset)
    transcripts = corrector.correct(lists)
    changed_first = sorted(
        zip(lists, transcripts, strict=True), key=lambda pair: pair[1].text == pair[1].best
    )
    for nbest, transcript in changed_first[:show]:
        best, corrected = marked_difference(transcript.best, transcript.text, nbest.reference or "")
        console.print(
            f"[bold]{nbest.id}[/bold]  [dim]{transcript.source}, confidence {transcript.confidence:.2f}[/dim]"
        )
        console.print(f"  1-best     {best}")
        console.print(f"  corrected  {corrected}")
        console.print(f"  reference  {nbest.reference}\n")
    report = evaluate(lists, {transcript.id: transcript.text for transcript in transcripts})
    console.print(report.to_rich_table())
    console.print(
        "[dim]These lists were written for this project and imitate real errors: they show what a correction looks "
        "like. Measured results are in docs/results.[/dim]"
    )


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
