"""`robustger nbest`: a manifest of recordings in, N-best lists and embeddings out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from robustger.errors import InputError


def nbest(
    manifest: Annotated[
        str,
        typer.Argument(metavar="MANIFEST", help="JSONL, CSV, TSV, a Kaldi folder or its wav.scp."),
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="LISTS.jsonl", help="N-best JSONL, one list per utterance."),
    ],
    preset: Annotated[
        str,
        typer.Option(
            help="Whose recognizer: whisper, with embedded weights of OpenAI's; lab, of synthetic speech; or a folder."
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
    n: Annotated[
        int | None, typer.Option("-n", min=1, max=50, help="Hypotheses per list. Default: the preset's.")
    ] = None,
    beams: Annotated[
        int | None, typer.Option(min=1, max=100, help="Width of the beam search. Default: the preset's.")
    ] = None,
    normalizer: Annotated[
        str | None,
        typer.Option(help="How hypotheses are written: raw, hyporadise, ... Default: the preset's."),
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
        int | None, typer.Option(min=1, help="Audio track of each file, from 1. Default: the first.")
    ] = None,
    channel: Annotated[
        int | None, typer.Option(min=1, help="Channel of each file, from 1. Default: the mean of all.")
    ] = None,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going", help="Recognize what is left of damaged recordings; what is missing is a problem."
        ),
    ] = False,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any other option of the recognizer's class; repeatable."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda. Default: the GPU where there is one.")
    ] = None,
    embeddings: Annotated[
        bool,
        typer.Option(help="Store embeddings of the audio, and of clean audio where the manifest names it."),
    ] = True,
    embedding_frames: Annotated[
        str,
        typer.Option(
            metavar="real|all", help="What embeddings average over: the audio's frames, or the padding's too."
        ),
    ] = "real",
    batch: Annotated[
        int, typer.Option(min=1, help="Utterances recognized together; progress is recorded as often.")
    ] = 16,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=64,
            help="Processes that read recordings ahead; the result is the same. Default: 2 with a GPU, else 0.",
        ),
    ] = None,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Only part I of N, counted from 1, with an output of its own.")
    ] = "1/1",
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away what an earlier run left, finished or not.")
    ] = False,
) -> None:
    """Recognize every recording of a manifest into N-best lists.

    Recordings longer than the recognizer's window are cut at pauses in speech, without stretches where nobody speaks.
    The same command goes on with a run that was interrupted or killed, and leaves a complete one as it is. Recordings
    that cannot be used are reported and skipped, and make the exit code 1.
    """
    import sys
    import time

    from tqdm import tqdm

    from robustger.cli.quiet import quiet_libraries
    from robustger.pipeline import load_preset_recognizer
    from robustger.recognition.bulk.chunks import Request
    from robustger.recognition.bulk.prepare import prepare

    settings = load_preset_recognizer(preset).chosen(recognizer, model, n, beams, normalizer)
    chosen = _options(options or [])
    chosen |= {
        key: value
        for key, value in (("language", language), ("search", search), ("device", device))
        if value is not None
    }
    request = Request(
        n=settings.n,
        beams=settings.beams,
        normalizer=settings.normalizer,
        batch_size=batch,
        embeddings=embeddings,
        embedding_frames=embedding_frames,
        shard=_shard(shard),
        find_speech=True,
        track=track,
        channel=channel,
        keep_going=keep_going,
    )
    quiet_libraries()
    start = time.monotonic()
    with tqdm(desc="recognizing", unit=" utterances", disable=None) as bar:
        heard = rate = 0.0

        def on_progress(utterances: int, seconds: float) -> None:
            nonlocal heard, rate
            heard += seconds
            rate = heard / (time.monotonic() - start)  # what was done before this run is not counted
            bar.set_postfix_str(f"{rate:.1f} audio-hours per hour", refresh=False)
            bar.update(utterances)

        summary = prepare(
            lambda: settings.load(**chosen),
            manifest,
            output,
            request,
            settings={
                "recognizer": settings.kind,
                **_identity(settings.model),
                "options": settings.options | chosen,
            },
            restart=restart,
            workers=workers,
            on_problem=lambda line, message: bar.write(
                f"robustger: {manifest}:{line}: {message}", file=sys.stderr
            ),
            on_start=lambda utterances: bar.reset(utterances),
            on_progress=on_progress,
        )
    speed = f" ({rate:.1f} audio-hours per hour)" if rate else ""
    typer.echo(
        f"robustger: {summary.utterances} utterances, {summary.lists} lists, {summary.audio_seconds / 3600:.2f} hours "
        f"of audio{speed}, {summary.problems} problems"
        + (", complete already" if summary.was_complete else ""),
        err=True,
    )
    if summary.problems:
        raise typer.Exit(1)


def _options(pairs: list[str]) -> dict[str, Any]:
    from robustger.yaml_files import parse_yaml

    options: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not key or not separator:
            raise InputError(f"--set {pair}: write it as key=value")
        options[key] = parse_yaml(text, f"--set {pair[:200]}:")
        if not isinstance(options[key], str | int | float | bool | None):
            raise InputError(f"--set {pair}: the value must be a number, a word, true, false or null")
    return options


def _identity(model: str) -> dict[str, str]:
    """What tells a model from another: its name; of a folder, which may be trained anew, also what is in it."""
    folder = Path(model)
    if not folder.is_dir():
        return {"model": model}
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            digest.update(f"{path.name}\n{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return {"model": folder.resolve().name, "model_sha256": digest.hexdigest()}


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal()):
        raise InputError(f"--shard {text}: write it as I/N, as in 1/4")
    return int(part), int(parts)
