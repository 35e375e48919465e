"""CHiME-4: newspaper sentences read on a bus, in a cafe, among pedestrians, at a junction, and simulations.

Layout: https://www.chimechallenge.org/challenges/chime4/data and Kaldi's `egs/chime4/s5_1ch/local/`, the scripts
`*_chime4_data_prep.sh`.

- `data/audio/16kHz/isolated/tr05_bus_real/F01_011C0201_BUS.CH1.wav`: every microphone in a file of its own;
- `data/audio/16kHz/isolated_1ch_track/et05_bus_real/F05_440C0201_BUS.wav`: the 1-channel track, development and test;
- `data/transcriptions/et05_real.trn_all` and `.dot_all`: lines of `ID WORDS`, or of `WORDS (ID)`.

The paper's splits: `tr05_real`, with each of the six microphones as an utterance (1,600 x 6 = 9,600), and the 1-channel
track of the four development and test sets.

Utterances have clean partners if `isolated` or `isolated_6ch_track` is there. The partner of a real recording is the
close-talking microphone, channel 0, as in ESPnet's recipe `egs2/chime4/enh1`. It recorded the same speech at the same
time, but is not free of noise. The partner of a simulated one is the booth recording from which
`CHiME3_simulate_data.m` made it, such as `dt05_bth/F01_050C0101_BTH.CH0.wav`. That script delays and scales the speech
as on its way to the microphones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from robustger.corpora.corpus import CORPORA, Corpus, Scan, Split, SplitRow
from robustger.hypotheses import BadLine
from robustger.hypotheses.keyed import read_lines
from robustger.manifest import Utterance

_TITLE = "CHiME-4"
_SETS = {
    "train": ("tr05", "real"),
    "test-real": ("et05", "real"),
    "test-simu": ("et05", "simu"),
    "dev-real": ("dt05", "real"),
    "dev-simu": ("dt05", "simu"),
}
_NOISES = {"bus": "bus", "caf": "cafe", "ped": "pedestrian", "str": "street"}
_CHANNELS = ("CH1", "CH2", "CH3", "CH4", "CH5", "CH6")
ALL_MICROPHONES = ("isolated", "isolated_6ch_track")
ONE_CHANNEL = "isolated_1ch_track"
_DOT = re.compile(r"(.*)\(([^()\s]+)\)")


def _read(scan: Scan) -> Iterator[SplitRow]:
    base = scan.root(_TITLE, "audio/16kHz", below=["data", "CHiME4/data", "CHiME3/data"])
    audio = base / "audio" / "16kHz"
    _name_missing_folders(scan, audio)
    for split in scan.splits:
        part, kind = _SETS[split]
        texts = _transcripts(scan, base / "transcriptions", f"{part}_{kind}")
        channels = _CHANNELS if split == "train" else ("",)
        found = set()
        for folder in (f"{part}_{environment}_{kind}" for environment in _NOISES):
            for path in _recordings(audio, folder, split == "train"):
                name, _, channel = path.stem.partition(".")
                if channel not in channels:
                    continue
                found.add((name, channel))
                sentence = spoken(name)
                meta = {"speaker": name.partition("_")[0], "sentence": sentence, "kind": kind}
                yield (
                    split,
                    Utterance(
                        f"{path.stem}_{kind.upper()}",
                        path,
                        texts.get(name),
                        _partner(audio, folder, name, f"{part}_bth/{sentence}_BTH", kind),
                        _NOISES[folder.split("_")[1]],
                        meta=meta | ({"channel": channel} if channel else {}),
                    ),
                )
        scan.missing[split] += [
            f"{name}.{channel}".rstrip(".")
            for name in sorted(texts)
            for channel in channels
            if (name, channel) not in found
        ]


def spoken(name: str) -> str:
    """The speaker and the sentence in a name: `F01_011C0201` in `F01_011C0201_BUS.CH1_REAL`."""
    return "_".join(name.split("_")[:2])


def _name_missing_folders(scan: Scan, audio: Path) -> None:
    """Reports that the folder of all microphones, or of the 1-channel track, is missing if a split needs it."""
    for places, splits in (
        (ALL_MICROPHONES, [split for split in scan.splits if split == "train"]),
        ((ONE_CHANNEL,), [split for split in scan.splits if split != "train"]),
    ):
        if splits and not any((audio / place).is_dir() for place in places):
            also = "".join(f", and no {place}" for place in places[1:])
            scan.problem(
                audio / places[0],
                f"there is no such folder{also}: no recordings of {', '.join(splits)}; unpack it there, or name other "
                "splits with --split",
            )


def _recordings(audio: Path, folder: str, every_microphone: bool) -> list[Path]:
    """The files of a set in one environment, from the first place that has it."""
    for place in ALL_MICROPHONES if every_microphone else (ONE_CHANNEL,):
        if paths := sorted((audio / place / folder).glob("[!.]*.wav")):
            return paths
    return []


def _partner(audio: Path, folder: str, name: str, booth: str, kind: str) -> Path | None:
    inside = f"{folder}/{name}.CH0.wav" if kind == "real" else f"{booth}.CH0.wav"
    return next((path for place in ALL_MICROPHONES if (path := audio / place / inside).is_file()), None)


def _transcripts(scan: Scan, folder: Path, name: str) -> dict[str, str]:
    """The texts, by the utterance's name without its channel; from `trn_all`, or else from `dot_all`."""
    path = next(
        (path for end in ("trn_all", "dot_all") if (path := folder / f"{name}.{end}").is_file()), None
    )
    texts: dict[str, str] = {}
    if path is None:
        scan.problem(
            folder / f"{name}.trn_all",
            "there is no such file, and no .dot_all: no transcripts; unpack the corpus's transcriptions there",
        )
        return texts
    for number, line in read_lines(path):
        if isinstance(line, BadLine):
            scan.problem(f"{path}:{number}", line.message)
            continue
        match = _DOT.fullmatch(line)
        text, id_ = match.groups() if match else reversed((*line.split(maxsplit=1), "")[:2])
        id_ = id_.removesuffix("_REAL").removesuffix("_SIMU")
        if id_ in texts:
            scan.problem(f"{path}:{number}", f"{id_!r} stands in an earlier line already; the first is kept")
        elif text.strip():
            texts[id_] = text.strip()
    return texts


CORPORA.register("chime4")(
    Corpus(
        _TITLE,
        (
            Split("train", 9_600, "tr05 real, 1,600 utterances by each of 6 microphones"),
            Split("test-real", 1_320, "et05 real, 1-channel track"),
            Split("test-simu", 1_320, "et05 simulated, 1-channel track"),
            Split("dev-real", 1_640, "dt05 real, 1-channel track"),
            Split("dev-simu", 1_640, "dt05 simulated, 1-channel track"),
        ),
        _read,
    )
)
