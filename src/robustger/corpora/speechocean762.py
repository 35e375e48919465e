"""speechocean762: English read by 250 Mandarin speakers, children and adults, 16 kHz; no noise.

Layout: https://www.openslr.org/101, and Kaldi's `egs/gop_speechocean762`. `train/` and `test/` are Kaldi data folders:
`wav.scp` with lines `000010011 WAVE/SPEAKER0001/000010011.WAV`, relative to the corpus, `text` and `utt2spk`.

A selection of it may come as `train.jsonl` and `test.jsonl` beside the folders `train` and `test` of the recordings:
manifests, with the keys `id`, `audio`, `text` and `speaker`. Those are read as well.

It is none of the paper's corpora. Its clean, accented speech is for mixing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from robustger.corpora.corpus import CORPORA, Corpus, Scan, Split, SplitRow
from robustger.hypotheses import BadLine
from robustger.manifest import Utterance, read_manifest

_TITLE = "speechocean762"


def _read(scan: Scan) -> Iterator[SplitRow]:
    layouts = (f"{split}{end}" for split in scan.splits for end in ("/wav.scp", ".jsonl"))
    root = scan.root(_TITLE, *layouts, below=["speechocean762"])
    for split in scan.splits:
        if (root / split / "wav.scp").is_file():
            rows = _kaldi(scan, root, split)
        elif (root / f"{split}.jsonl").is_file():
            rows = _listed(scan, root / f"{split}.jsonl")
        else:
            continue
        for row in rows:
            if row.audio.is_file():
                yield split, row
            else:
                scan.missing[split].append(row.id)


def _kaldi(scan: Scan, root: Path, split: str) -> Iterator[Utterance]:
    folder = root / split
    if not (folder / "text").is_file():
        scan.problem(folder / "text", "there is no such file: no transcripts; get it again with the corpus")
    texts, speakers = (
        scan.transcripts(folder / name) if (folder / name).is_file() else {} for name in ("text", "utt2spk")
    )
    recordings = scan.transcripts(folder / "wav.scp")
    for id_, path in recordings.items():
        meta = {"speaker": speakers[id_]} if id_ in speakers else {}
        yield Utterance(id_, root / path, texts.get(id_), meta=meta)
    scan.missing[split] += sorted(texts.keys() - recordings.keys())


def _listed(scan: Scan, path: Path) -> Iterator[Utterance]:
    named = set()
    for number, value in read_manifest(path):
        if isinstance(value, BadLine):
            scan.problem(f"{path}:{number}", value.message)
        else:
            named.add(value.audio)
            yield value
    for recording in sorted(path.with_suffix("").glob("[!.]*")):
        if recording not in named:
            scan.problem(recording, f"no line of {path.name} names it; left out")


CORPORA.register("speechocean762")(
    Corpus(
        _TITLE,
        (
            Split("train", 2_500, "125 speakers"),
            Split("test", 2_500, "125 other speakers"),
        ),
        _read,
    )
)
