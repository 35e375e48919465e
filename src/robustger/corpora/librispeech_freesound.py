"""LibriSpeech-FreeSound (Prasad et al., 2021): LibriSpeech utterances in noise from FreeSound, at 0 to 20 dB.

Layout: README.md of https://github.com/archiki/Robust-E2E-ASR. Test files are called `FILEID_NOISE_SNRdb.wav`, and
their transcripts are those of the LibriSpeech utterance FILEID; so LibriSpeech is the second folder that is needed. The
names of the noises are those of `Code/test_noisy.py` there, and the shorter ones (Cafe, Metro) of the paper's lists.
Whether the files lie in folders is not written down: they are looked for at any depth.

The paper tests on six of the noises, 118 utterances each; `AirportStation` is not among them. Clean partners are the
FLAC files of LibriSpeech, where they are there. That noise was added to them without a shift follows from the code, and
has not been measured on the published files.

The paper's training set is LibriSpeech's train-clean-100, mixed: see the recipe `librispeech-freesound-train`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from robustger.corpora.corpus import CORPORA, Corpus, Scan, Split, SplitRow, files_below
from robustger.corpora.librispeech import SUBSETS, chapter_transcripts
from robustger.errors import InputError
from robustger.manifest import Utterance

# The names in files, and those in the paper's tables.
FREESOUND_NOISES = {
    "MetroSubway": "metro",
    "Metro": "metro",
    "Car": "car",
    "Traffic": "traffic",
    "CafeRestaurant": "cafe",
    "Cafe": "cafe",
    "Babble": "babble",
    "ACVacuum": "ac/vacuum",
}
NOT_IN_THE_PAPER = ("AirportStation",)
FREESOUND_SNRS_DB = (0, 5, 10, 15, 20)
_NAME = re.compile(r"(\d+-\d+-\d+)_([A-Za-z]+)_(-?\d+)d[bB]")


def _read(scan: Scan) -> Iterator[SplitRow]:
    if not scan.folder.is_dir():
        raise InputError(f"{scan.folder}: no such folder; name the one with the noisy test files")
    noisy = []
    for path in files_below(scan.folder, ".wav"):
        match = _NAME.fullmatch(path.stem)
        if match is None or match[2] in NOT_IN_THE_PAPER:
            continue
        if match[2] not in FREESOUND_NOISES or int(match[3]) not in FREESOUND_SNRS_DB:
            scan.problem(path, "no noise and SNR of LibriSpeech-FreeSound; left out")
        else:
            noisy.append((path, match[1], FREESOUND_NOISES[match[2]], int(match[3])))
    if not noisy:
        raise InputError(
            f"{scan.folder}: is not LibriSpeech-FreeSound: no file is called like 1089-134686-0000_Car_5db.wav"
        )
    spoken = sorted({utterance for _, utterance, _, _ in noisy})
    clean, texts = _of_librispeech(scan, spoken)
    found = set()
    for path, utterance, noise, snr_db in noisy:
        found.add((utterance, noise, snr_db))
        if (split := f"test-{snr_db}dB") in scan.splits:
            id_ = f"{utterance}_{noise}_{snr_db}dB"
            meta = {"speaker": utterance.partition("-")[0], "sentence": utterance}
            row = Utterance(id_, path, texts.get(utterance), clean.get(utterance), noise, snr_db, meta=meta)
            yield split, row
    for snr_db in FREESOUND_SNRS_DB:
        if (split := f"test-{snr_db}dB") in scan.splits:
            wanted = (
                (utterance, noise) for noise in sorted(set(FREESOUND_NOISES.values())) for utterance in spoken
            )
            scan.missing[split] += [
                f"{utterance}_{noise}_{snr_db}dB"
                for utterance, noise in wanted
                if (utterance, noise, snr_db) not in found
            ]
    if "clean" in scan.splits:
        for utterance in spoken:
            if utterance in clean:
                meta = {"speaker": utterance.partition("-")[0]}
                yield "clean", Utterance(utterance, clean[utterance], texts.get(utterance), meta=meta)
            else:
                scan.missing["clean"].append(utterance)


def _of_librispeech(scan: Scan, utterances: list[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """Recordings and transcripts of these utterances in LibriSpeech, in whichever subset they are."""
    if scan.companion is None:
        scan.problem(
            scan.folder,
            "transcripts and clean partners are not in it but in LibriSpeech; name that folder with --companion",
        )
        return {}, {}
    companion = Scan(scan.companion, (), None, scan.problem)
    root = companion.root("LibriSpeech", *SUBSETS, below=["LibriSpeech"])
    clean, texts, absent = {}, {}, []
    chapters = sorted({tuple(utterance.split("-")[:2]) for utterance in utterances})
    for place in chapters:
        there = [path for subset in SUBSETS if (path := root.joinpath(subset, *place)).is_dir()]
        if not there:
            absent.append("/".join(place))
        for chapter in there:
            texts |= chapter_transcripts(companion, chapter)
            clean |= {path.stem: path for path in chapter.glob("*.flac")}
    if absent:
        scan.problem(
            root,
            f"{len(absent)} of {len(chapters)} chapters are in none of its subsets, the first {absent[0]}: no "
            "transcripts and clean partners of them; unpack the subset that has them, such as test-clean",
        )
    return clean, texts


CORPORA.register("ls-freesound")(
    Corpus(
        "LibriSpeech-FreeSound",
        (
            *(
                Split(f"test-{snr_db}dB", 708, f"118 utterances in 6 noises at {snr_db} dB")
                for snr_db in FREESOUND_SNRS_DB
            ),
            Split("clean", 118, "the same utterances in LibriSpeech", False, ("librispeech-freesound-test",)),
        ),
        _read,
        companion="LibriSpeech",
    )
)
