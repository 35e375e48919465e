"""The command line: one module per command, each parses, calls one public function and prints.

stdout carries the result, stderr everything said beside it, `-` stands for stdin and stdout. Commands import what they
run inside their functions, so that `robustger --help` answers at once.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from robustger.cli import (
    baseline,
    corpus,
    correct,
    demo,
    doctor,
    evaluate,
    experiment,
    import_nbest,
    mix,
    models,
    nbest,
    train,
    transcribe,
)
from robustger.errors import RobustGERError

EXIT_CODES = (
    "Exit codes: 0 all went well; 1 some items were skipped or could not be handled, each reported on stderr; "
    "2 bad input or usage, nothing was written; 130 interrupted."
)

app = typer.Typer(
    name="robustger",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("transcribe")(transcribe.transcribe)
app.command("nbest")(nbest.nbest)
app.command("import-nbest")(import_nbest.import_nbest)
app.command("corpus")(corpus.corpus)
app.command("mix")(mix.mix)
app.command("correct")(correct.correct)
app.command("baseline")(baseline.baseline)
app.command("evaluate")(evaluate.evaluate)
app.command("train")(train.train)
app.command("experiment")(experiment.experiment)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(models.app, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        from robustger.version import __version__

        typer.echo(f"robustger {__version__}")
        raise typer.Exit


@app.callback()
def robustger(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Noisy speech to better transcripts: a recognizer's N-best lists, corrected by a language model."""


def main() -> None:
    """Run the command line and exit; errors raised on purpose become one line on stderr and their exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # JSON Lines are UTF-8, whatever the terminal's language
    try:
        try:
            app(prog_name="robustger")
        finally:
            sys.stdout.flush()  # so that a reader that went away is noticed here and not at interpreter exit
    except RobustGERError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:
        # Nobody reads on, as in `robustger ... | head`: what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _fail(message: str, exit_code: int) -> None:
    typer.echo(f"robustger: error: {message}", err=True)
    sys.exit(exit_code)
