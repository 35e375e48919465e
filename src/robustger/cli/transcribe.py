"""`robustger transcribe`: audio in, corrected text out."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def transcribe(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Audio files in any common format, - for stdin.")
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="A file, or a folder that gets one file per recording. - for stdout."
        ),
    ] = "-",
    format: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", help="text, json, srt or vtt. Default: by the output's suffix, else text."
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="whisper, with embedded weights of OpenAI's; lab, a laboratory of synthetic speech; or a folder."
        ),
    ] = "whisper",
    recognizer: Annotated[
        str | None,
        typer.Option(
            help="Another kind of recognizer: whisper, faster-whisper, or ctc, which needs --model."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Other weights: whisper-tiny.en, large-v3, a hub's name, or a folder (transformers or CTranslate2)."
        ),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Another corrector: a checkpoint folder or a preset.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="The corrector's language model from elsewhere: a folder, or a name. Default: its own."
        ),
    ] = None,
    quantization: Annotated[
        str | None,
        typer.Option(
            help="Of the language model's weights: none, nf4 or int8. Default: the corrector's own."
        ),
    ] = None,
    nbest: Annotated[
        bool, typer.Option("--nbest", help="Show the N-best lists beneath the text; json always has them.")
    ] = False,
    words: Annotated[
        bool,
        typer.Option(
            "--words",
            help="Give every word its time: json lists them with their confidence, vtt marks each word, "
            "srt has one cue per word.",
        ),
    ] = False,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="The words alone, as the corrector reads them: no case, no punctuation. json always has both.",
        ),
    ] = False,
    n: Annotated[
        int | None, typer.Option("-n", min=1, max=50, help="Hypotheses per list. Default: the preset's.")
    ] = None,
    normalizer: Annotated[
        str | None,
        typer.Option(
            help="How the corrector reads English: spoken, raw, ... The transcript keeps the recognizer's writing. "
            "Default: the preset's."
        ),
    ] = None,
    beams: Annotated[
        int | None, typer.Option(min=1, max=100, help="Width of the beam search. Default: the preset's.")
    ] = None,
    window: Annotated[
        float | None,
        typer.Option(
            help="Longest stretch, in seconds, that is recognized at once and gets a time stamp. "
            "Default: the recognizer's, 30 for Whisper."
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Of the speech, for multilingual recognizers: en, de, ..., or auto, which listens."
        ),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            metavar="adaptive|paper",
            help="How lists are searched for: adaptive looks wider where too few hypotheses differ; paper always takes "
            "50 beams.",
        ),
    ] = None,
    track: Annotated[
        int | None, typer.Option(min=1, help="Audio track of a video, from 1. Default: the first.")
    ] = None,
    channel: Annotated[
        int | None,
        typer.Option(min=1, help="Channel, from 1: one speaker of a call. Default: the mean of all."),
    ] = None,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going", help="Transcribe what is left of damaged recordings, and say what is missing."
        ),
    ] = False,
    find_speech: Annotated[
        bool,
        typer.Option(
            "--find-speech/--no-find-speech",
            help="Leave out stretches in which nobody speaks, or recognize everything as it is.",
        ),
    ] = True,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Throw away what a killed run left beside the output, with which this one would go on.",
        ),
    ] = False,
    guard: Annotated[
        str | None, typer.Option(help="none, words, edits or margin. Default: the corrector's own.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda. Default: the GPU where there is one.")
    ] = None,
) -> None:
    """Transcribe audio: a recognizer lists what it may have heard, and the list is corrected.

    Recordings that cannot be read are reported and skipped, and make the exit code 1. Where nobody speaks the text is
    empty, which is reported, too. The same command with an output file or folder goes on with a run that was killed.
    """
    import sys

    from tqdm import tqdm

    from robustger.audio import ReadingOptions
    from robustger.cli.quiet import quiet_libraries
    from robustger.pipeline import RobustGER
    from robustger.pipeline.transcribe_to import transcribe_to

    quiet_libraries()
    given = {"language": language, "search": search}
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    robustger = RobustGER.from_preset(
        preset,
        recognizer=recognizer,
        model=model,
        checkpoint=checkpoint,
        base=base,
        quantization=quantization,
        n=n,
        beams=beams,
        normalizer=normalizer,
        device=device,
        find_speech=find_speech,
        **options,
    )

    def say(message: str) -> None:
        bar.write(f"robustger: {message}", file=sys.stderr)

    with tqdm(desc="transcribing", unit=" s", unit_scale=True, disable=None) as bar:
        summary = transcribe_to(
            robustger,
            files,
            output,
            format=format,
            show_nbest=nbest,
            words=words,
            plain=plain,
            restart=restart,
            reading=ReadingOptions(track, channel, keep_going),
            on_problem=say,
            on_warning=say,
            on_progress=bar.update,
            window_seconds=window,
            guard=guard,
        )
    typer.echo(
        f"robustger: {summary.files} recordings, {summary.seconds:.1f} s, {summary.changed} of {summary.segments} "
        f"segments changed, {summary.problems} problems",
        err=True,
    )
    if summary.problems:
        raise typer.Exit(1)
