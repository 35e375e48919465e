"""RobustHP, the lists of the RobustGER paper: Whisper large-v2 on its noisy corpora, as files of torch.

Layout: https://huggingface.co/datasets/PeacefulData/Robust-HyPoradise, files `train_chime4.pt`, `train_vb_noisy.pt`,
`train_noizeus.pt` and `train_lf.pt`, and folders `test_chime4` (`dev_real.pt`, ...), `test_lf` (`Babble_0dB.pt`, ...),
`test_noizeus` (`airport_0dB.pt`, ...) and `test_vb`. The names of the files in `test_vb` were not known, so all of them
are read except `clean.pt`. `robustger.hypotheses.robusthp` describes the content of a file. RATS has no file.

The id of a list begins with the name of its file, because an utterance has the same id in all noises. That id is kept
as the sentence; for CHiME-4, environment and microphone are removed from it. The embeddings of the audio, which
distillation needs, are left out. `robustger import-nbest -f robusthp` imports them, file by file.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robustger.corpora import chime4, librispeech_freesound, noizeus
from robustger.corpora.corpus import CORPORA, Corpus, Scan, Split, SplitRow
from robustger.errors import InputError
from robustger.hypotheses import BadLine
from robustger.hypotheses.robusthp import read_robusthp

_TITLE = "RobustHP"
FREESOUND = ("ACVacuum", "Babble", "Cafe", "Car", "Metro", "Traffic")  # as its files are called
# Lists of every split, from Table 6 of the paper, and the files that hold them; None takes all files of a folder.
_SPLITS: dict[str, tuple[int | None, list[str] | None]] = {
    "train_chime4": (9_600, ["train_chime4"]),
    "train_vb": (23_075, ["train_vb_noisy"]),
    "train_noizeus": (23_807, ["train_noizeus"]),
    "train_lf": (28_539, ["train_lf"]),
    "test_chime4-test-real": (1_320, ["test_chime4/test_real"]),
    "test_chime4-test-simu": (1_320, ["test_chime4/test_simu"]),
    "test_chime4-dev-real": (1_640, ["test_chime4/dev_real"]),
    "test_chime4-dev-simu": (1_640, ["test_chime4/dev_simu"]),
    "test_vb": (3 * 824, None),
    "test_noizeus": (
        32 * 30,
        [
            f"test_noizeus/{noise}_{snr}dB"
            for noise in noizeus.NOIZEUS_NOISES
            for snr in noizeus.NOIZEUS_SNRS_DB
        ],
    ),
    "test_lf": (
        30 * 118,
        [
            f"test_lf/{noise}_{snr}dB"
            for noise in FREESOUND
            for snr in librispeech_freesound.FREESOUND_SNRS_DB
        ],
    ),
}
_CONDITION = re.compile(r"(.+)_(-?\d+)dB")


def _read(scan: Scan) -> Iterator[SplitRow]:
    names = [name for split in scan.splits for name in _SPLITS[split][1] or ()]
    root = scan.root(_TITLE, *(f"{name}.pt" for name in names), *(set(scan.splits) & {"test_vb"}))
    for split in scan.splits:
        wanted = _SPLITS[split][1]
        if wanted is None:
            folder = root / split
            wanted = [f"{split}/{path.stem}" for path in sorted(folder.glob("*.pt")) if path.stem != "clean"]
        for name in wanted:
            path = root / f"{name}.pt"
            if not path.is_file():
                scan.missing[split].append(
                    path.name if path.parent == root else f"{path.parent.name}/{path.name}"
                )
                continue
            try:
                for place, value in read_robusthp(path):
                    if isinstance(value, BadLine):
                        scan.problem(place, value.message)
                    else:
                        meta = {**value.meta, **_sentence(split, path, value.id), **_condition(split, path)}
                        yield split, dataclasses.replace(value, id=f"{name}/{value.id}", meta=meta)
            except InputError as error:  # not a file of torch, or tokens without texts
                scan.problem(path, f"{str(error).removeprefix(f'{path}: ')}; see robustger import-nbest")


def _sentence(split: str, path: Path, id_: str) -> dict[str, str]:
    """The sentence and speaker of a list; None if the file does not name its utterances."""
    if id_.startswith(f"{path.stem}-"):
        return {}
    return {"sentence": chime4.spoken(id_) if "chime4" in split else id_}


def _condition(split: str, path: Path) -> dict[str, Any]:
    """The noise and SNR that the file's name states, in the words of the paper's tables."""
    if split not in ("test_vb", "test_noizeus", "test_lf"):
        return {}
    match = _CONDITION.fullmatch(path.stem)
    noise = match[1] if match else path.stem
    noise = librispeech_freesound.FREESOUND_NOISES.get(noise, noise) if split == "test_lf" else noise
    return {"noise": noise} | ({"snr_db": float(match[2])} if match else {})


CORPORA.register("robusthp")(
    Corpus(
        _TITLE,
        tuple(Split(name, count, "lists") for name, (count, _) in _SPLITS.items()),
        _read,
        lists=True,
    )
)
