"""`robustger correct`: N-best lists in, transcripts out."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from robustger.cli import llm_server_options, options
from robustger.cli.inputs import corrector_of, files_of_models
from robustger.cli.progress import count_lines, progress, say
from robustger.files import check_readable, refuse_overwriting, shown_name


def correct(
    lists: Annotated[
        str,
        typer.Argument(metavar="LISTS", help="N-best lists as JSON Lines; - means standard input."),
    ],
    output: options.OutputFileOption = "-",
    preset: options.PresetOption = "whisper",
    checkpoint: options.CheckpointOption = None,
    base: options.BaseOption = None,
    guard: options.GuardOption = None,
    max_edit_rate: options.MaxEditRateOption = None,
    max_deletion_rate: options.MaxDeletionRateOption = None,
    min_gain: options.MinGainOption = None,
    beams: Annotated[
        int,
        typer.Option(
            "--beams",
            min=1,
            max=50,
            metavar="N",
            help="Let the language model's beam search follow this many texts at once; 1 takes the best word each "
            "time.",
            rich_help_panel=options.CORRECTION,
        ),
    ] = 1,
    llm_server: llm_server_options.LlmServerOption = None,
    llm_model: llm_server_options.LlmModelOption = None,
    llm_timeout: llm_server_options.LlmTimeoutOption = 60,
    llm_retries: llm_server_options.LlmRetriesOption = 3,
    llm_concurrency: llm_server_options.LlmConcurrencyOption = 8,
    llm_max_tokens: llm_server_options.LlmMaxTokensOption = 1024,
    batch_size: options.BatchSizeOption = "16",
    device: options.DeviceOption = None,
    quantization: options.QuantizationOption = None,
    skip_agreeing: Annotated[
        bool | None,
        typer.Option(
            "--skip-agreeing/--no-skip-agreeing",
            help="Leave lists whose hypotheses all agree as they are, without asking the language model. Default: as "
            "the checkpoint says.",
            rich_help_panel=options.RARE,
        ),
    ] = None,
    restart: options.RestartOption = False,
) -> None:
    """Correct N-best lists with a language model that is conditioned on their noise.

    The output has one line for each line of the input. If a run from a file to a file is interrupted or killed, the
    same command goes on from there. Lines that cannot be read are reported, get an empty text, and make the exit code
    1. Lists that the server of --llm-server does not answer keep the recognizer's text, which makes the exit code 1,
    too.
    """
    size = options.batch_size_of(batch_size)
    server = llm_server_options.llm_server(
        llm_server,
        llm_model,
        timeout_seconds=llm_timeout,
        retries=llm_retries,
        concurrency=llm_concurrency,
        max_tokens=llm_max_tokens,
    )
    check_readable(lists)
    corrector = corrector_of(preset, checkpoint)
    files = sorted(map(str, files_of_models(corrector, base)))
    refuse_overwriting(output, lists, *files)

    from pathlib import Path

    from robustger.cli.quiet import quiet_libraries
    from robustger.correction.endpoint.remote_proposer import proposer_of
    from robustger.correction.model import Corrector
    from robustger.hypotheses.audio_embeddings import AudioEmbeddings
    from robustger.pipeline.resume import file_settings
    from robustger.pipeline.resumed_correction import correct_file_resumably

    quiet_libraries()
    model: dict[str, Any] = {"device": device, "base": base, "quantization": quantization}
    with progress("correcting", "lists") as bar:
        count_lines(lists, bar)
        summary = correct_file_resumably(
            lambda: Corrector.from_pretrained(corrector, **model, proposer=proposer_of(server)),
            lists,
            output,
            identity={
                "corrector": corrector,
                **model,
                "files": file_settings(files),
                **({} if server is None else {"llm_server": server.identity}),
            },
            restart=restart,
            on_problem=lambda line, message: say(f"{shown_name(lists)}:{line}: {message}"),
            on_progress=bar.update,
            on_warning=say,
            guard=guard,
            guard_changes=options.changed_thresholds(max_edit_rate, max_deletion_rate, min_gain),
            num_beams=beams,
            batch_size=size,
            skip_agreeing=skip_agreeing,
            heard=AudioEmbeddings(Path(lists).parent).get,  # asked by checkpoints that hear the audio alone
        )
    if summary.foreign:
        say(
            f"{summary.foreign} lists are not in a language that this corrector knows "
            f"({', '.join(summary.languages)}); they keep the recognizer's text"
        )
    if summary.unanswered:
        say(
            f"{summary.unanswered} lists got no answer of the language model; they keep the recognizer's text"
        )
    say(
        f"{summary.lists} lists, {summary.changed} changed, {summary.agreeing} passed through in agreement, "
        f"{summary.guarded} held back by the guard, {summary.too_long} too long, {summary.problems} problems"
    )
    if summary.problems or summary.unanswered:
        raise typer.Exit(1)
