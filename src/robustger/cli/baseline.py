"""`robustger baseline`: N-best lists in, a baseline's transcripts out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robustger.cli import options
from robustger.cli.inputs import files_of_models
from robustger.cli.progress import count_lines, progress, say
from robustger.errors import InputError
from robustger.files import check_readable, refuse_overwriting, shown_name

if TYPE_CHECKING:
    from robustger.hypotheses import NBest, Transcript


def baseline(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The baseline: format-only, lm-rank, ngram-rank, mbr, rover, zero-shot or few-shot.",
        ),
    ],
    lists: Annotated[
        str,
        typer.Argument(metavar="LISTS", help="N-best lists as JSON Lines; - means standard input."),
    ],
    output: options.OutputFileOption = "-",
    train: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LISTS",
            help="Lists with references, from which ngram-rank learns and few-shot takes its examples. Repeatable.",
        ),
    ] = None,
    dev: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LISTS",
            help="Lists with references, on which lm-rank and ngram-rank tune their weight. Repeatable.",
        ),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Weight of the language model in lm-rank and ngram-rank, instead of tuning it on --dev: 0 keeps the "
            "1-best, 1 trusts the language model alone.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="Language model that lm-rank, zero-shot and few-shot run. Default: smollm2-135m.",
        ),
    ] = None,
    order: Annotated[
        int | None, typer.Option(min=1, help="Let ngram-rank count sequences of this many words. Default: 3.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(min=1, help="Show this many examples to few-shot. Default: 4.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draw the examples of few-shot with this seed. Default: 0.")
    ] = None,
    normalizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Form in which format-only writes, and in which errors are counted when a weight is tuned. Default: "
            "number.",
        ),
    ] = None,
    device: options.DeviceOption = None,
) -> None:
    """Transcribe N-best lists with a baseline, to be measured beside `robustger correct`.

    The output has one line for each line of the input. Lines that cannot be read are reported, get an empty text, and
    make the exit code 1.
    """
    inputs = [lists, *(train or []), *(dev or [])]
    if inputs.count("-") > 1:
        raise InputError("- means standard input, which can be read only once")
    check_readable(*inputs)
    refuse_overwriting(output, *inputs, *files_of_models(model))

    import logging

    from tqdm.contrib.logging import logging_redirect_tqdm

    from robustger.cli.quiet import quiet_libraries
    from robustger.correction.baselines import BASELINES, load_baseline
    from robustger.correction.files import correct_file
    from robustger.hypotheses import load_nbest

    quiet_libraries()
    logging.getLogger("robustger").setLevel(logging.INFO)  # the weight that was tuned
    BASELINES.get(name)
    given = {"weight": weight, "model": model, "order": order, "shots": shots, "seed": seed}
    given |= {"normalizer": normalizer, "device": device}
    chosen_options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}

    def load() -> Any:
        for key, paths in (("train", train), ("dev", dev)):
            if paths:
                chosen_options[key] = [nbest for path in paths for nbest in load_nbest(path)]
        chosen = load_baseline(name, **chosen_options)

        def correct(lists: Sequence[NBest], on_progress: Callable[[int], object]) -> list[Transcript]:
            transcripts = []
            for transcript in chosen.transcribe(lists):
                transcripts.append(transcript)
                on_progress(1)
            return transcripts

        return SimpleNamespace(correct=correct)

    with logging_redirect_tqdm(), progress(name, "lists") as bar:
        count_lines(lists, bar)
        summary = correct_file(
            load,
            lists,
            output,
            on_problem=lambda line, message: say(f"{shown_name(lists)}:{line}: {message}"),
            on_progress=bar.update,
        )
    say(
        f"{summary.lists} lists, {summary.changed} changed, {summary.agreeing} passed through in agreement, "
        f"{summary.too_long} too long, {summary.problems} problems"
    )
    if summary.problems:
        raise typer.Exit(1)
