"""LibriSpeech: a FLAC file per utterance in `LibriSpeech/SUBSET/SPEAKER/CHAPTER/`, a chapter's transcripts in one file.

Layout: https://www.openslr.org/12 and the README.TXT in its archives. `1089-134686.trans.txt` has lines of
`1089-134686-0000 WORDS`, in capitals and without punctuation; they are kept as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from robustger.corpora.corpus import CORPORA, Corpus, Scan, Split, SplitRow
from robustger.manifest import Utterance

# The number of utterances of every subset, and whether it is read by default. The paper trains on the first.
SUBSETS = {
    "train-clean-100": (28_539, True),
    "train-clean-360": (104_014, False),
    "train-other-500": (148_688, False),
    "dev-clean": (2_703, True),
    "dev-other": (2_864, True),
    "test-clean": (2_620, True),
    "test-other": (2_939, True),
}
TRAINING = ("librispeech-freesound-train", "noizeus-train")


def chapter_transcripts(scan: Scan, chapter: Path) -> dict[str, str]:
    """The texts of the utterances of a chapter, by id."""
    texts: dict[str, str] = {}
    for path in sorted(chapter.glob("*.trans.txt")):
        texts |= scan.transcripts(path)
    return texts


def _read(scan: Scan) -> Iterator[SplitRow]:
    root = scan.root("LibriSpeech", *scan.splits, below=["LibriSpeech"])
    for split in scan.splits:
        for chapter in sorted((root / split).glob("*/*")):
            texts = chapter_transcripts(scan, chapter)
            found = set()
            for path in sorted(chapter.glob("*.flac")):
                found.add(path.stem)
                meta = {"speaker": path.stem.partition("-")[0]}
                yield split, Utterance(path.stem, path, texts.get(path.stem), meta=meta)
            scan.missing[split] += sorted(texts.keys() - found)


CORPORA.register("librispeech")(
    Corpus(
        "LibriSpeech",
        tuple(
            Split(name, count, "clean speech", usual, TRAINING if name == "train-clean-100" else ())
            for name, (count, usual) in SUBSETS.items()
        ),
        _read,
    )
)
