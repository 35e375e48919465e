"""`robustger mix`: clean speech and noise in, noisy speech out."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from robustger.cli import options
from robustger.cli.inputs import check_manifest, refuse_within
from robustger.cli.progress import progress, say
from robustger.errors import InputError
from robustger.files import refuse_overwriting, shown_name


def mix(
    manifest: Annotated[
        str,
        typer.Argument(
            metavar="MANIFEST",
            help="Manifest of clean speech: JSON Lines, CSV, TSV or a Kaldi folder; - means standard input.",
        ),
    ],
    noise: Annotated[
        list[str],
        typer.Option(
            "--noise",
            metavar="FILE|FOLDER",
            help="Mix with this noise recording, or with all recordings in this folder. Repeatable.",
        ),
    ],
    output: options.OutputFolderOption,
    snr: Annotated[
        str | None,
        typer.Option(
            metavar="DB,DB,...",
            help="Mix at these signal-to-noise ratios in dB, separated by commas. Default: 0,5,10,15,20.",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Mix as a known corpus was mixed, such as noizeus-test; other options override its settings.",
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            metavar="train|test|all", help="Use only this part of the noise recordings, or all of them."
        ),
    ] = "all",
    every_snr: Annotated[
        bool | None,
        typer.Option(
            "--every-snr/--draw-snr",
            help="Mix each utterance at every SNR, or at one that is drawn. Default: every SNR.",
            rich_help_panel=options.RARE,
        ),
    ] = None,
    every_noise: Annotated[
        bool | None,
        typer.Option(
            "--every-noise/--draw-noise",
            help="Mix each utterance with every kind of noise, or with one that is drawn. Default: one that is drawn.",
            rich_help_panel=options.RARE,
        ),
    ] = None,
    test_fraction: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Keep this share of each kind of noise for --split test.",
            rich_help_panel=options.RARE,
        ),
    ] = 0.2,
    level: Annotated[
        str | None,
        typer.Option(
            metavar="p56|rms",
            help="Measure the level of speech while somebody speaks (p56, ITU-T P.56), or over all samples (rms). "
            "Default: p56.",
            rich_help_panel=options.RARE,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Draw noises and SNRs with this seed.", rich_help_panel=options.RARE)
    ] = 0,
    audio_format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="flac|wav",
            help="Write the audio files in this format.",
            rich_help_panel=options.RARE,
        ),
    ] = "flac",
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            max=256,
            metavar="N",
            help="Mix in this many threads; the result is the same.",
            rich_help_panel=options.SPEED,
        ),
    ] = 1,
) -> None:
    """Mix clean speech with noise at exact SNRs; each noisy file keeps its clean partner.

    If a run is interrupted, the same command goes on from there; utterances whose text, speech or noise has changed
    since are mixed again. Utterances that cannot be mixed are reported and left out, and make the exit code 1.
    """
    check_manifest(manifest)
    for name in ("manifest.jsonl", "mix.json"):
        refuse_overwriting(os.path.join(output, name), manifest, *noise)

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
    for one in noises:
        refuse_within(output, one.path)
    with progress("mixing", "utterances") as bar:
        summary = mix_manifest(
            manifest,
            noises,
            output,
            settings,
            workers=workers,
            on_problem=lambda line, message: say(f"{shown_name(manifest)}:{line}: {message}"),
            on_progress=bar.update,
        )
    say(
        f"{summary.mixtures} mixtures in {output}: {summary.mixed} utterances mixed, {summary.resumed} there already, "
        f"{summary.problems} problems"
    )
    if summary.problems:
        raise typer.Exit(1)


def _snrs(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--snr {text!r}: write numbers with commas between, such as 0,5,10") from None
