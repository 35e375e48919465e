"""`robustger calibrate`: lists with references in, a corrector with thresholds for such lists out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from robustger.cli import options
from robustger.cli.inputs import corrector_of, files_of_models, refuse_output_around
from robustger.cli.progress import progress, say
from robustger.files import check_readable

if TYPE_CHECKING:
    from robustger.correction.calibration import Calibration


_KINDS = {
    "scored": "with scores",
    "twice_scored": "with scores of two recognizers",
    "unscored": "without scores",
}


def calibrate(
    lists: Annotated[
        list[str],
        typer.Argument(
            metavar="LISTS...", help="N-best lists with references, as JSON Lines: some hundred or more."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Write the corrector with its new thresholds to this folder; --checkpoint FOLDER then uses it.",
        ),
    ],
    preset: options.PresetOption = "whisper",
    checkpoint: options.CheckpointOption = None,
    risk: Annotated[
        float | None,
        typer.Option(
            "--risk",
            min=0.001,
            max=0.5,
            metavar="SHARE",
            help="Let at most this share of the edits be harmful, such as 0.05, with a confidence of 95 %. Default: "
            "keep nineteen twentieths of the largest possible gain.",
        ),
    ] = None,
    normalizer: Annotated[
        str, typer.Option("--normalizer", metavar="NAME", help="Compare words in this form.")
    ] = "number",
    device: options.DeviceOption = None,
) -> None:
    """Fit what a corrector's evidence counts, and how sure an edit must be, to your own lists.

    Lists of one speaker (`meta.speaker`), or with the same reference, stay together when the thresholds are tested by
    cross-validation. Use other lists to measure the result.
    """
    for file in lists:
        check_readable(file)
    source = corrector_of(preset, checkpoint)
    refuse_output_around(output, *lists, *map(str, files_of_models(source, None)))

    from robustger.cli.quiet import quiet_libraries
    from robustger.correction.calibrated import calibrate_corrector, save_with_guard
    from robustger.correction.model import Corrector
    from robustger.hypotheses import load_nbest

    loaded = [nbest for file in lists for nbest in load_nbest(file)]
    quiet_libraries()
    with progress("scoring", "lists") as bar:
        corrector = Corrector.from_pretrained(source, device=device)
        guard, found = calibrate_corrector(
            corrector, loaded, risk=risk, normalizer=normalizer, on_progress=bar.update
        )
    save_with_guard(source, guard, output)
    for kind, calibration in found.items():
        say(_summary(kind, calibration))
    typer.echo(output)


def _summary(kind: str, calibration: Calibration) -> str:
    chosen = calibration.chosen
    before, after = 100 * chosen.errors_before / chosen.words, 100 * chosen.errors / chosen.words
    return (
        f"lists {_KINDS[kind]}: edits stay from {chosen.min_gain:g} nats; "
        f"by cross-validation {chosen.edits} edits, {chosen.harmful} harmful (at most {chosen.harmful_bound:.1%}), "
        f"{chosen.helpful} helpful; WER {before:.2f} -> {after:.2f} %"
    )
