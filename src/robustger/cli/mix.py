"""`robustger mix`: clean speech and noise in, noisy speech out."""

from __future__ import annotations

from typing import Annotated

import typer

from robustger.errors import InputError


def mix(
    manifest: Annotated[
        str,
        typer.Argument(metavar="MANIFEST", help="Clean speech: JSONL, CSV, TSV, Kaldi folder; - for stdin."),
    ],
    noise: Annotated[
        list[str], typer.Option("--noise", "-n", help="A noise recording or a folder of them; repeatable.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="The folder to fill; resumed if it is there.")
    ],
    recipe: Annotated[
        str | None,
        typer.Option(help="Settings as a corpus was mixed, e.g. noizeus-test; other options override them."),
    ] = None,
    snr: Annotated[
        str | None, typer.Option(help="SNRs in dB, with commas between. Default: 0,5,10,15,20.")
    ] = None,
    every_snr: Annotated[
        bool | None,
        typer.Option(
            "--every-snr/--draw-snr",
            help="Each utterance at every SNR, or at one that is drawn. Default: every.",
        ),
    ] = None,
    every_noise: Annotated[
        bool | None,
        typer.Option(
            "--every-noise/--draw-noise",
            help="Each utterance in every kind of noise, or in one that is drawn. Default: drawn.",
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Which noise recordings to use: train, test (the others), or all.")
    ] = "all",
    test_fraction: Annotated[float, typer.Option(help="How much of each kind of noise is for test.")] = 0.2,
    level: Annotated[
        str | None,
        typer.Option(help="How speech is measured: p56 (active speech level) or rms. Default: p56."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws differently.")] = 0,
    audio_format: Annotated[str, typer.Option("--format", help="flac or wav.")] = "flac",
    workers: Annotated[int, typer.Option(min=1, max=256, help="Threads; the result is the same.")] = 1,
) -> None:
    """Mix clean speech with noise at exact SNRs, each noisy file with its clean partner.

    Utterances that cannot be mixed are reported, left out, and make the exit code 1. A run that was interrupted goes on
    when it is started again, and utterances whose text, speech or noise has changed since are mixed again.
    """
    import sys

    from tqdm import tqdm

    from robustger.mixing import RECIPES, MixSettings, find_noises, mix_manifest, split_noises

    given = {
        "every_snr": every_snr,
        "every_noise": every_noise,
        "level": level,
        "seed": seed,
        "format": audio_format,
    }
    if snr is not None:
        given["snrs_db"] = _snrs(snr)
    chosen = dict(RECIPES.get(recipe)) if recipe is not None else {}
    settings = MixSettings(**chosen | {key: value for key, value in given.items() if value is not None})
    noises = split_noises(find_noises(noise), split, test_fraction)
    name = "stdin" if manifest == "-" else manifest
    with tqdm(desc="mixing", unit=" utterances", disable=None) as bar:
        summary = mix_manifest(
            manifest,
            noises,
            output,
            settings,
            workers=workers,
            on_problem=lambda line, message: bar.write(
                f"robustger: {name}:{line}: {message}", file=sys.stderr
            ),
            on_progress=bar.update,
        )
    typer.echo(
        f"robustger: {summary.mixtures} mixtures in {output}: {summary.mixed} utterances mixed, "
        f"{summary.resumed} there already, {summary.problems} problems",
        err=True,
    )
    if summary.problems:
        raise typer.Exit(1)


def _snrs(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--snr {text!r}: write numbers with commas between, such as 0,5,10") from None
