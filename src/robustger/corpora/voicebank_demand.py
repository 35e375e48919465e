"""VoiceBank-DEMAND (Valentini-Botinhao et al., 2016): read sentences, clean and noisy, 48 kHz.

Layout: https://datashare.ed.ac.uk/handle/10283/2791. Its archives unpack to `noisy_trainset_56spk_wav/p234_001.wav`,
the same name in `clean_trainset_56spk_wav/` and, with `.txt`, in `trainset_56spk_txt/`, and a line
`p234_001 cafeteria 15` (noise, and SNR in dB) in `log_trainset_56spk.txt`, which lies beside these folders or in
`logfiles/`. So with `trainset_28spk`, and `testset`.

The paper trains on the 23,075 utterances of 56 speakers. Its test set is not the noisy one of the corpus but the 824
clean test utterances, mixed with baby-cry, helicopter and crowd-party noise at 0 dB: split `test-clean`, and the recipe
`voicebank-demand-test`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from robustger.corpora.corpus import CORPORA, Corpus, Scan, Split, SplitRow, files_below
from robustger.errors import InputError
from robustger.hypotheses.values import finite_number, shown
from robustger.manifest import Utterance

_TITLE = "VoiceBank-DEMAND"
# The set of the corpus to which a split belongs, and whether it is the clean half.
_SETS = {
    "train": ("trainset_56spk", False),
    "test-clean": ("testset", True),
    "train-clean": ("trainset_56spk", True),
    "test": ("testset", False),
    "train-28spk": ("trainset_28spk", False),
    "train-28spk-clean": ("trainset_28spk", True),
}


def _read(scan: Scan) -> Iterator[SplitRow]:
    root = scan.root(_TITLE, *map(_audio, scan.splits), below=["DS_10283_2791"])
    for split in scan.splits:
        part, clean = _SETS[split]
        if not (root / _audio(split)).is_dir():
            scan.problem(
                root / _audio(split),
                f"there is no such folder: no recordings of {split}; unpack {_audio(split)}.zip beside the others, or "
                "name other splits with --split",
            )
        texts = _texts(scan, root / f"{part}_txt")
        conditions = {} if clean else _conditions(scan, root, part)
        found = set()
        for path in files_below(root / _audio(split), ".wav"):
            found.add(path.stem)
            text, meta = texts.get(path.stem), {"speaker": path.stem.partition("_")[0]}
            if clean:
                yield split, Utterance(path.stem, path, text, meta=meta)
                continue
            partner = root / f"clean_{part}_wav" / path.name
            noise, snr_db = conditions.get(path.stem, (None, None))
            if conditions and noise is None:
                scan.problem(path, "has no line in the log: its noise and SNR are not known")
            yield (
                split,
                Utterance(
                    f"{path.stem}_noisy",
                    path,
                    text,
                    partner if partner.is_file() else None,
                    noise,
                    snr_db,
                    meta=meta | {"sentence": path.stem},
                ),
            )
        scan.missing[split] += sorted((texts.keys() | conditions.keys()) - found)


def _audio(split: str) -> str:
    """The folder of a split's recordings."""
    part, clean = _SETS[split]
    return f"{'clean' if clean else 'noisy'}_{part}_wav"


def _texts(scan: Scan, folder: Path) -> dict[str, str]:
    texts = {}
    if not folder.is_dir():
        scan.problem(
            folder, f"there is no such folder: no transcripts; unpack {folder.name}.zip beside the others"
        )
    for path in files_below(folder, ".txt"):
        try:
            text = path.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError):
            scan.problem(path, "cannot be read as UTF-8; the utterance goes without a transcript")
            continue
        if text:
            texts[path.stem] = text
    return texts


def _conditions(scan: Scan, root: Path, part: str) -> dict[str, tuple[str, float]]:
    """Noise and SNR in dB of every utterance, as the log says."""
    paths = [root / place / f"log_{part}.txt" for place in ("", "logfiles")]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        scan.problem(
            paths[0],
            "there is no such file: noises and SNRs are not known; unpack logfiles.zip beside the others",
        )
        return {}
    conditions = {}
    for id_, line in scan.transcripts(path).items():
        try:
            noise, snr_db = line.split()
            conditions[id_] = (noise, finite_number(float(snr_db), "the SNR"))
        except (ValueError, InputError):
            scan.problem(path, f"{shown(id_)}: expected a noise and an SNR in dB, not {shown(line)}")
    return conditions


CORPORA.register("vb-demand")(
    Corpus(
        _TITLE,
        (
            Split("train", 23_075, "noisy speech of 56 speakers, 10 noises at 0 to 15 dB"),
            Split(
                "test-clean",
                824,
                "the clean test utterances, which the paper mixes itself",
                recipes=("voicebank-demand-test",),
            ),
            Split(
                "train-clean",
                23_075,
                "the clean half of train",
                False,
                ("noizeus-train", "voicebank-demand-train"),
            ),
            Split("test", 824, "the corpus's own noisy test set, 5 noises at 2.5 to 17.5 dB", default=False),
            Split("train-28spk", 11_572, "noisy speech of 28 other speakers", default=False),
            Split("train-28spk-clean", 11_572, "the clean half of train-28spk", default=False),
        ),
        _read,
    )
)
