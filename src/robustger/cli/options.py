"""The options that several commands have, each defined once: its names, its help and its panel.

A name and a letter mean the same in every command:

======================  =============================================================================================
`-o`, `--output`        the file or folder to write
`-n`                    hypotheses per list
`-f`, `--format`        the format of files that are not this package's JSON Lines
`--preset`              a recognizer and a corrector that belong together
`--checkpoint`          another corrector, in the place of the preset's; both options may be given together
`--batch-size`          how many items a model works on at once
`--device`              where the models run
`--set KEY=VALUE`       a setting that has no option of its own
`--json`                prints the result as JSON, for programs
======================  =============================================================================================
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from robustger.errors import InputError

# The panels of a command's help, in this order behind the options that everybody needs.
RECOGNITION = "Recognition"
CORRECTION = "Correction"
SPEED = "Speed and machines"
RARE = "Rarely needed"

_OUTPUT = ("--output", "-o")

OutputFileOption = Annotated[
    str,
    typer.Option(*_OUTPUT, metavar="FILE", help="Write the result to this file; - means standard output."),
]
ListsFileOption = Annotated[
    str,
    typer.Option(*_OUTPUT, metavar="LISTS.jsonl", help="Write the N-best lists to this file (JSON Lines)."),
]
ManifestFileOption = Annotated[
    str | None,
    typer.Option(
        *_OUTPUT,
        metavar="FILE",
        help="Write the manifest to this file, or the N-best lists of a corpus that consists of lists; - means "
        "standard output. Without this option the corpus is only checked.",
    ),
]
FileOrFolderOption = Annotated[
    str,
    typer.Option(
        *_OUTPUT,
        metavar="FILE|FOLDER",
        help="Write the text to this file, or one file per recording into this folder; - means standard output.",
    ),
]
OutputFolderOption = Annotated[
    str, typer.Option(*_OUTPUT, metavar="FOLDER", help="Write into this folder; it is made if needed.")
]
OptionalFolderOption = Annotated[
    str | None,
    typer.Option(
        *_OUTPUT, metavar="FOLDER", help="Write into this folder; each experiment gets a folder in it."
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]

_PRESET = typer.Option(
    "--preset",
    metavar="NAME|FOLDER",
    help="Use this recognizer and this corrector, which belong together: whisper for real speech, lab for the "
    "synthetic speech of the laboratory, or a folder with the same files.",
)
PresetOption = Annotated[str, _PRESET]
DemoPresetOption = Annotated[str | None, _PRESET]
OptionalPresetOption = DemoPresetOption

RecognizerOption = Annotated[
    str | None,
    typer.Option(
        "--recognizer",
        metavar="KIND",
        help="Use another kind of recognizer than the preset's: whisper, faster-whisper, or ctc, which needs --model.",
        rich_help_panel=RECOGNITION,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|FOLDER",
        help="Use other weights for the recognizer: a short name such as whisper-tiny.en or large-v3, a name on the "
        "Hugging Face hub, or a folder with a model of transformers or CTranslate2.",
        rich_help_panel=RECOGNITION,
    ),
]
NOption = Annotated[
    int | None,
    typer.Option(
        "-n",
        min=1,
        max=50,
        metavar="N",
        help="Make lists of this many hypotheses. Default: the preset's number.",
        rich_help_panel=RECOGNITION,
    ),
]
BeamsOption = Annotated[
    int | None,
    typer.Option(
        "--beams",
        min=1,
        max=100,
        metavar="N",
        help="Let the recognizer's beam search follow this many texts at once. Default: the preset's number.",
        rich_help_panel=RECOGNITION,
    ),
]
SearchOption = Annotated[
    str | None,
    typer.Option(
        "--search",
        metavar="NAME",
        help="How widely to search for hypotheses: adaptive searches again with 50 beams where 10 find too few, paper "
        "always uses 50. Default: the preset's way.",
        rich_help_panel=RECOGNITION,
    ),
]
LanguageOption = Annotated[
    str | None,
    typer.Option(
        "--language",
        metavar="CODE",
        help="Expect this language, such as en or de, if the recognizer knows several; auto finds out the language of "
        "each recording.",
        rich_help_panel=RECOGNITION,
    ),
]
NormalizerOption = Annotated[
    str | None,
    typer.Option(
        "--normalizer",
        metavar="NAME",
        help="Rewrite the hypotheses in this form for the corrector: raw, spoken, hyporadise and others. What the "
        "recognizer wrote is kept beside it. Default: the preset's form.",
        rich_help_panel=RECOGNITION,
    ),
]
TrackOption = Annotated[
    int | None,
    typer.Option(
        "--track",
        min=1,
        metavar="N",
        help="Read this audio track of each file, counted from 1. Default: the first.",
        rich_help_panel=RARE,
    ),
]
ChannelOption = Annotated[
    int | None,
    typer.Option(
        "--channel",
        min=1,
        metavar="N",
        help="Read this channel, counted from 1, such as one speaker of a call. Default: the mean of all channels.",
        rich_help_panel=RARE,
    ),
]
KeepGoingOption = Annotated[
    bool,
    typer.Option(
        "--keep-going",
        help="Use what can still be read of damaged recordings, and report what is missing.",
        rich_help_panel=RARE,
    ),
]

CheckpointOption = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="FOLDER|NAME",
        help="Correct with this checkpoint folder, or with the corrector of this preset, instead of the corrector of "
        "--preset.",
        rich_help_panel=CORRECTION,
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="FOLDER|NAME",
        help="Load the corrector's language model from here. Default: the model that its checkpoint names.",
        rich_help_panel=CORRECTION,
    ),
]
GuardOption = Annotated[
    str | None,
    typer.Option(
        "--guard",
        metavar="RULE",
        help="Keep corrections by this rule: none keeps all, words only those made of the list's words, edits only "
        "small changes, margin only changes that the language model is sure of, heard only changes that the recognizer "
        "and the language model together are sure of. Default: the checkpoint's guard.",
        rich_help_panel=CORRECTION,
    ),
]
MaxEditRateOption = Annotated[
    float | None,
    typer.Option(
        "--max-edit-rate",
        min=0,
        metavar="SHARE",
        help="Guards edits, margin and heard: refuse corrections that change more than this share of the words.",
        rich_help_panel=CORRECTION,
    ),
]
MaxDeletionRateOption = Annotated[
    float | None,
    typer.Option(
        "--max-deletion-rate",
        min=0,
        metavar="SHARE",
        help="Guards edits, margin and heard: refuse corrections that drop more than this share of the words.",
        rich_help_panel=CORRECTION,
    ),
]
MinGainOption = Annotated[
    float | None,
    typer.Option(
        "--min-gain",
        metavar="NATS",
        help="Guards margin and heard: undo each change that gains less than this in log-probability (in nats).",
        rich_help_panel=CORRECTION,
    ),
]

DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="cpu|cuda",
        help="Run the models on this device. Default: the GPU if there is one.",
        rich_help_panel=SPEED,
    ),
]
QuantizationOption = Annotated[
    str | None,
    typer.Option(
        "--quantization",
        metavar="none|nf4|int8",
        help="Keep the language model's weights in 4 bits (nf4) or 8 bits (int8), to save memory on a GPU. Default: "
        "as the checkpoint says.",
        rich_help_panel=SPEED,
    ),
]
BatchSizeOption = Annotated[
    str,
    typer.Option(
        "--batch-size",
        metavar="N|auto",
        help="Work on this many lists at once; auto takes as many as the memory holds.",
        rich_help_panel=SPEED,
    ),
]
FixedBatchSizeOption = Annotated[
    int,
    typer.Option(
        "--batch-size",
        min=1,
        metavar="N",
        help="Work on this many recordings at once. Progress is saved after each batch.",
        rich_help_panel=SPEED,
    ),
]
RestartOption = Annotated[
    bool,
    typer.Option(
        "--restart",
        help="Start over: throw away what an earlier run of this command left.",
        rich_help_panel=RARE,
    ),
]


def changed_thresholds(
    max_edit_rate: float | None, max_deletion_rate: float | None, min_gain: float | None
) -> dict[str, float]:
    """The thresholds of the guard that were given, by their names in `GuardConfig`."""
    given = {"max_edit_rate": max_edit_rate, "max_deletion_rate": max_deletion_rate, "min_gain": min_gain}
    return {name: value for name, value in given.items() if value is not None}


def batch_size_of(text: str) -> Any:
    """The value of `--batch-size`: a number of lists, or "auto".

    Raises:
        InputError: the text is neither.
    """
    if text == "auto":
        return text
    if not (text.isdecimal() and int(text)):
        raise InputError(f"--batch-size {text}: give a number of lists, at least 1, or auto")
    return int(text)
