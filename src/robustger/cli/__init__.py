"""The command line: one module per command, which parses, calls one public function and prints.

The result goes to stdout, everything else to stderr, and `-` stands for stdin or stdout. Commands import their
libraries inside their functions, so that `robustger --help` answers at once. They check their files before they load a
model.

Exit codes, which `endings` sets for all commands:

===  =================================================================================================================
0    all went well
1    some items were skipped or failed; each is reported on stderr, and the others were done
2    the input or the options are wrong, or the disk is full, or a standard stream is closed; one line says what to do
3    a bug in robustger; one line says where
130  interrupted by Ctrl-C; one line says what was kept
===  =================================================================================================================
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from robustger.cli import (
    baseline,
    calibrate,
    corpus,
    correct,
    demo,
    doctor,
    endings,
    evaluate,
    experiment,
    import_nbest,
    mix,
    models,
    nbest,
    serve,
    train,
    transcribe,
)
from robustger.cli.renamed import with_current_names
from robustger.cli.waiting import wait_passively

EXIT_CODES = (
    "Exit codes: 0 all went well; 1 some items were skipped or failed, each reported on stderr; 2 bad input or usage, "
    "or no room on the disk; 3 a bug in robustger; 130 interrupted."
)
START = """\
robustger turns noisy speech into text: a recognizer lists what it may have heard, and a language model corrects it.
Try it:   robustger demo            (or with a recording of yours: robustger transcribe talk.mp3)
Help:     robustger --help          (and for each command: robustger transcribe --help)"""

CORRECT_PANEL = "Transcribe and correct"
DATA_PANEL = "Make data"
TRAIN_PANEL = "Train and experiment"
LOOK_PANEL = "Look"

app = typer.Typer(
    name="robustger",
    epilog=EXIT_CODES,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("transcribe", rich_help_panel=CORRECT_PANEL)(transcribe.transcribe)
app.command("nbest", rich_help_panel=CORRECT_PANEL)(nbest.nbest)
app.command("correct", rich_help_panel=CORRECT_PANEL)(correct.correct)
app.command("evaluate", rich_help_panel=CORRECT_PANEL)(evaluate.evaluate)
app.command("serve", rich_help_panel=CORRECT_PANEL)(serve.serve)
app.command("mix", rich_help_panel=DATA_PANEL)(mix.mix)
app.command("corpus", rich_help_panel=DATA_PANEL)(corpus.corpus)
app.command("import-nbest", rich_help_panel=DATA_PANEL)(import_nbest.import_nbest)
app.command("train", rich_help_panel=TRAIN_PANEL)(train.train)
app.command("calibrate", rich_help_panel=TRAIN_PANEL)(calibrate.calibrate)
app.command("experiment", rich_help_panel=TRAIN_PANEL)(experiment.experiment)
app.command("baseline", rich_help_panel=TRAIN_PANEL)(baseline.baseline)
app.command("demo", rich_help_panel=LOOK_PANEL)(demo.demo)
app.command("doctor", rich_help_panel=LOOK_PANEL)(doctor.doctor)
app.add_typer(models.app, name="models", rich_help_panel=LOOK_PANEL)


def _print_version(wanted: bool) -> None:
    if wanted:
        from robustger.version import __version__

        typer.echo(f"robustger {__version__}")
        raise typer.Exit


@app.callback()
def robustger(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Turns noisy speech into better transcripts: a language model corrects the N-best lists of a recognizer."""
    if context.invoked_subcommand is None:
        typer.echo(START)


def main() -> None:
    """Runs the command line and exits; every error is one line on stderr."""
    wait_passively()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # JSON Lines are UTF-8, whatever the terminal's language
    arguments, notices = with_current_names(sys.argv[1:])
    for notice in notices:
        typer.echo(f"robustger: {notice}", err=True)
    endings.run(app, arguments)
