"""`robustger transcribe`: audio in, corrected text out."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from robustger.cli import llm_server_options, options
from robustger.cli.inputs import files_of_models
from robustger.errors import one_line
from robustger.files import refuse_overwriting


def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Recordings: audio or video files of any common format; - means standard input.",
        ),
    ],
    output: options.FileOrFolderOption = "-",
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="text|json|srt|vtt",
            help="Format of the output. Default: the format that the output's suffix stands for, else text.",
        ),
    ] = None,
    preset: options.PresetOption = "whisper",
    nbest: Annotated[
        bool,
        typer.Option(
            "--nbest", help="Show the N-best list beneath each text; the format json always has the lists."
        ),
    ] = False,
    words: Annotated[
        bool,
        typer.Option(
            "--words",
            help="Give each word its time: json lists the words with their confidence, vtt marks each word, srt has "
            "one subtitle for each word.",
        ),
    ] = False,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Write the words alone, without capitals and punctuation, as the corrector reads them; json always "
            "has both forms.",
        ),
    ] = False,
    recognizer: options.RecognizerOption = None,
    model: options.ModelOption = None,
    second_recognizer: options.SecondRecognizerOption = None,
    n: options.NOption = None,
    beams: options.BeamsOption = None,
    search: options.SearchOption = None,
    language: options.LanguageOption = None,
    normalizer: options.NormalizerOption = None,
    window: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Recognize at most this many seconds at once; each such stretch gets a time stamp. Default: what the "
            "recognizer takes, 30 for Whisper.",
            rich_help_panel=options.RECOGNITION,
        ),
    ] = None,
    find_speech: Annotated[
        bool,
        typer.Option(
            "--find-speech/--no-find-speech",
            help="Leave out stretches in which nobody speaks, or recognize the whole recording.",
            rich_help_panel=options.RECOGNITION,
        ),
    ] = True,
    checkpoint: options.CheckpointOption = None,
    base: options.BaseOption = None,
    guard: options.GuardOption = None,
    max_edit_rate: options.MaxEditRateOption = None,
    max_deletion_rate: options.MaxDeletionRateOption = None,
    min_gain: options.MinGainOption = None,
    llm_server: llm_server_options.LlmServerOption = None,
    llm_model: llm_server_options.LlmModelOption = None,
    llm_timeout: llm_server_options.LlmTimeoutOption = 60,
    llm_retries: llm_server_options.LlmRetriesOption = 3,
    llm_concurrency: llm_server_options.LlmConcurrencyOption = 8,
    llm_max_tokens: llm_server_options.LlmMaxTokensOption = 1024,
    device: options.DeviceOption = None,
    quantization: options.QuantizationOption = None,
    track: options.TrackOption = None,
    channel: options.ChannelOption = None,
    keep_going: options.KeepGoingOption = False,
    restart: options.RestartOption = False,
) -> None:
    """Transcribe audio: a recognizer lists what it may have heard, and a language model corrects the list.

    If a run that writes to a file or a folder is interrupted or killed, the same command goes on from there.
    Recordings that cannot be read are reported and skipped, and make the exit code 1. If nobody speaks in a recording,
    its text is empty, and that is reported as well. If the server of --llm-server does not answer, the recognizer's
    text stays, which makes the exit code 1, too.
    """
    refuse_overwriting(output, *files_of_models(preset, model, checkpoint, base))
    server = llm_server_options.llm_server(
        llm_server,
        llm_model,
        timeout_seconds=llm_timeout,
        retries=llm_retries,
        concurrency=llm_concurrency,
        max_tokens=llm_max_tokens,
    )
    thresholds = options.changed_thresholds(max_edit_rate, max_deletion_rate, min_gain)

    import sys

    from tqdm import tqdm

    from robustger.audio import ReadingOptions
    from robustger.cli.quiet import quiet_libraries
    from robustger.pipeline import RobustGER
    from robustger.pipeline.transcribe_to import known_seconds, transcribe_to

    quiet_libraries()
    given = {"language": language, "search": search}
    further: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    robustger = RobustGER.from_preset(
        preset,
        recognizer=recognizer,
        model=model,
        second=second_recognizer,
        checkpoint=checkpoint,
        base=base,
        quantization=quantization,
        n=n,
        beams=beams,
        normalizer=normalizer,
        device=device,
        find_speech=find_speech,
        llm_server=server,
        **further,
    )
    correction: dict[str, Any] = {"guard_changes": thresholds} if thresholds else {}

    def say(message: str) -> None:
        bar.write(f"robustger: {one_line(message)}", file=sys.stderr)

    reading = ReadingOptions(track, channel, keep_going)
    with tqdm(desc="transcribing", unit=" s", unit_scale=True, disable=None) as bar:
        if not bar.disable:  # the total gives the bar the time that is left
            bar.reset(known_seconds(files, reading) or None)
        summary = transcribe_to(
            robustger,
            files,
            output,
            format=format,
            show_nbest=nbest,
            words=words,
            plain=plain,
            restart=restart,
            reading=reading,
            on_problem=say,
            on_warning=say,
            on_progress=bar.update,
            window_seconds=window,
            guard=guard,
            **correction,
        )
    typer.echo(
        f"robustger: {summary.files} recordings, {summary.seconds:.1f} s, {summary.changed} of {summary.segments} "
        f"segments changed, {summary.problems} problems"
        + (
            f", {summary.unanswered} segments without an answer of the language model"
            if summary.unanswered
            else ""
        ),
        err=True,
    )
    if summary.problems or summary.unanswered:
        raise typer.Exit(1)
