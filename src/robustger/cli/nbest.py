"""`robustger nbest`: a manifest of recordings in, N-best lists and embeddings out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from robustger.cli import options
from robustger.cli.inputs import check_manifest, refuse_replacing
from robustger.errors import InputError, one_line
from robustger.files import sha256_of


def nbest(
    manifest: Annotated[
        str,
        typer.Argument(
            metavar="MANIFEST",
            help="Manifest that names the recordings: JSON Lines, CSV, TSV, a Kaldi folder or its wav.scp.",
        ),
    ],
    output: options.ListsFileOption,
    preset: options.PresetOption = "whisper",
    recognizer: options.RecognizerOption = None,
    model: options.ModelOption = None,
    second_recognizer: options.SecondRecognizerOption = None,
    n: options.NOption = None,
    beams: options.BeamsOption = None,
    search: options.SearchOption = None,
    language: options.LanguageOption = None,
    normalizer: options.NormalizerOption = None,
    settings_of_recognizer: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change any other setting of the recognizer. Repeatable.",
            rich_help_panel=options.RECOGNITION,
        ),
    ] = None,
    batch_size: options.FixedBatchSizeOption = 16,
    device: options.DeviceOption = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=64,
            metavar="N",
            help="Read recordings ahead in this many processes; the result is the same. Default: 2 with a GPU, else 0.",
            rich_help_panel=options.SPEED,
        ),
    ] = None,
    shard: Annotated[
        str,
        typer.Option(
            metavar="I/N",
            help="Recognize only part I of N, counted from 1; each part needs an output of its own.",
            rich_help_panel=options.SPEED,
        ),
    ] = "1/1",
    embeddings: Annotated[
        bool,
        typer.Option(
            help="Store the recognizer's embeddings of the audio beside the lists, and those of clean audio if the "
            "manifest names it. Training with audio noise distillation needs them.",
            rich_help_panel=options.RARE,
        ),
    ] = True,
    embedding_frames: Annotated[
        str,
        typer.Option(
            metavar="real|all",
            help="Average the embeddings over the frames of the audio alone (real), or over those of the padding too "
            "(all).",
            rich_help_panel=options.RARE,
        ),
    ] = "real",
    track: options.TrackOption = None,
    channel: options.ChannelOption = None,
    keep_going: options.KeepGoingOption = False,
    restart: options.RestartOption = False,
) -> None:
    """Recognize every recording of a manifest into N-best lists.

    Recordings longer than the recognizer's window are cut at pauses in speech, and stretches without speech are left
    out. If the run is interrupted or killed, the same command goes on from there; a complete run is left as it is.
    Recordings that cannot be used are reported and skipped, and make the exit code 1.
    """
    check_manifest(manifest)
    refuse_replacing(output, manifest, model, restart=restart)

    import sys
    import time

    from tqdm import tqdm

    from robustger.cli.quiet import quiet_libraries
    from robustger.pipeline import load_preset_recognizer
    from robustger.recognition.bulk.chunks import Request
    from robustger.recognition.bulk.prepare_lists import prepare_lists

    settings = load_preset_recognizer(preset).chosen(
        recognizer, model, n, beams, normalizer, second_recognizer
    )
    chosen = _options(settings_of_recognizer or [])
    chosen |= {
        key: value
        for key, value in (("language", language), ("search", search), ("device", device))
        if value is not None
    }
    request = Request(
        n=settings.n,
        beams=settings.beams,
        normalizer=settings.normalizer,
        batch_size=batch_size,
        embeddings=embeddings,
        embedding_frames=embedding_frames,
        shard=_shard(shard),
        find_speech=True,
        track=track,
        channel=channel,
        keep_going=keep_going,
    )
    quiet_libraries()
    settings = settings.available()
    start = time.monotonic()
    with tqdm(desc="recognizing", unit=" utterances", disable=None) as bar:
        heard = rate = 0.0

        def on_progress(utterances: int, seconds: float) -> None:
            nonlocal heard, rate
            heard += seconds
            rate = heard / (time.monotonic() - start)  # chunks of earlier runs are not counted
            bar.set_postfix_str(f"{rate:.1f} audio-hours per hour", refresh=False)
            bar.update(utterances)

        summary = prepare_lists(
            lambda: settings.load(**chosen),
            manifest,
            output,
            request,
            settings={
                "recognizer": settings.kind,
                **_identity(settings.model),
                "options": settings.options | chosen,
                **_second_identity(settings.second_model),
            },
            restart=restart,
            workers=workers,
            on_problem=lambda line, message: bar.write(
                f"robustger: {one_line(f'{manifest}:{line}: {message}')}", file=sys.stderr
            ),
            on_warning=lambda message: bar.write(f"robustger: {one_line(message)}", file=sys.stderr),
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

    values: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not key or not separator:
            raise InputError(f"--set {pair}: write it as key=value")
        values[key] = parse_yaml(text, f"--set {pair[:200]}:")
        if not isinstance(values[key], str | int | float | bool | None):
            raise InputError(f"--set {pair}: the value must be a number, a word, true, false or null")
    return values


def _identity(model: str) -> dict[str, str]:
    """Identifies a model by its name, and a folder also by its content, because it may be trained again."""
    folder = Path(model)
    if not folder.is_dir():
        return {"model": model}
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(f"{path.name}\n{sha256_of(path)}\n".encode())
    return {"model": folder.resolve().name, "model_sha256": digest.hexdigest()}


def _second_identity(model: str | None) -> dict[str, str]:
    """As `_identity`, with other keys; nothing where no second recognizer takes part."""
    if model is None:
        return {}
    return {key.replace("model", "second_model"): value for key, value in _identity(model).items()}


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal()):
        raise InputError(f"--shard {text}: write it as I/N, as in 1/4")
    return int(part), int(parts)
